package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/internal/cache"
)

// denials remembers, for a few minutes, what looks in the background were refused. A look
// asks for all that a page could show, again and again, and each denial is on the trail as
// something that the person tried; so it asks once in a while for what they may not have.
//
// The API alone decides: nothing that it allowed is remembered, only that it said no, with
// the id of the request to which it did. Whoever is given a permission sees more after these
// minutes. What a page asks for by itself is asked each time.
type denials struct {
	clock func() time.Time
	kept  *cache.Cache[[sha256.Size]byte, *denial]
}

const (
	denialAge    = 5 * time.Minute
	denialsKept  = 1024
	denialLength = 4 << 10 // of an answer; longer ones are not kept
)

type denial struct {
	at     time.Time
	status int
	header http.Header
	body   []byte
}

func newDenials(clock func() time.Time) *denials {
	return &denials{clock: clock, kept: cache.New[[sha256.Size]byte, *denial](denialsKept)}
}

// looking is whose looks a request is for.
type looking struct {
	*denials
	who string
}

type lookingKey struct{}

// in marks the requests of a look.
func (r *denials) in(ctx context.Context, key *surveyKey) context.Context {
	return context.WithValue(ctx, lookingKey{}, &looking{r, key.account + "\x00" + key.session})
}

// remembered answers a request of a look that was refused lately. Of all others it returns
// what to call with the answer, which is nil for a request that is none of a look.
func remembered(r *http.Request) (again *kept, note func(*kept), err error) {
	of, ok := r.Context().Value(lookingKey{}).(*looking)
	if !ok {
		return nil, nil, nil
	}
	key, err := of.key(r)
	if err != nil {
		return nil, nil, err
	}
	if was, ok := of.kept.Get(key); ok && of.clock().Sub(was.at) < denialAge {
		again := &kept{header: was.header.Clone(), status: was.status}
		again.body.Write(was.body)
		return again, nil, nil
	}
	return nil, func(answer *kept) {
		body := answer.body.Bytes()
		// It is 403, or 400 in AWS's JSON protocols.
		if answer.status >= 400 && answer.status < 500 && len(body) <= denialLength && bytes.Contains(body, []byte("AccessDenied")) {
			of.kept.Put(key, &denial{of.clock(), answer.status, answer.header.Clone(), slices.Clone(body)})
		}
	}, nil
}

// key is who asks for what. Searches of the trail are one, whatever they are for: the
// permission is, and they name the time.
func (l *looking) key(r *http.Request) (key [sha256.Size]byte, err error) {
	target := r.Header.Get("X-Amz-Target")
	h := sha256.New()
	io.WriteString(h, l.who+"\x00"+target+"\x00"+r.URL.RequestURI()+"\x00")
	if r.Body != nil && !strings.HasSuffix(target, ".LookupEvents") && !strings.HasSuffix(target, ".ListDenials") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return key, err
		}
		h.Write(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	h.Sum(key[:0])
	return key, nil
}
