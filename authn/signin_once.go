package authn

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
)

// codesLifetime is for how long sealed recovery codes can be opened.
const codesLifetime = 5 * time.Minute

// SealCodes wraps recovery codes up for the browser session with that cookie. The end of a
// security key's ceremony is an answer to a script, and the codes are shown by the page that
// is opened next: the browser carries them there, and can read them on the way no more than
// anybody who gets hold of its cookies later.
func (s *SignIns) SealCodes(browser string, codes []string) (string, error) {
	end := binary.BigEndian.AppendUint64(nil, uint64(s.now().Add(codesLifetime).Unix()))
	sealed, err := s.Ring.Seal(keyring.Messages, codesLabel(browser), slices.Concat(end, []byte(strings.Join(codes, "\n"))))
	if err != nil {
		return "", fmt.Errorf("seal recovery codes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// OpenCodes unwraps recovery codes, once. None and no error is what was sealed for another
// session, is too old, or was opened before.
func (s *SignIns) OpenCodes(ctx context.Context, browser, wrapped string) (codes []string, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(wrapped)
	if err != nil || len(sealed) > 2048 {
		return nil, nil
	}
	plain, err := s.Ring.Open(keyring.Messages, codesLabel(browser), sealed)
	if err != nil || len(plain) < endBytes {
		return nil, nil
	}
	once := opened{state: plain, end: int64(binary.BigEndian.Uint64(plain))}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		codes = nil
		now := s.now() // the mark of what has ended may be gone
		if now.Unix() >= once.end || identity.UsedCeremonies.Has(tx, once.key()...) {
			return nil
		}
		codes = strings.Split(string(plain[endBytes:]), "\n")
		return once.use(tx, now)
	})
	return codes, err
}

func codesLabel(browser string) string { return "recovery codes\x00" + identity.Digest(browser) }
