package iam

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
)

// accessJobLifetime is how long the id of a report on what was last accessed is good.
const accessJobLifetime = 7 * 24 * time.Hour

// accessJob is the question that GenerateServiceLastAccessedDetails asked. It is not
// kept: the job's id, which AWS gives 36 characters, holds it, enciphered with a key
// that belongs to the caller, so that it is nothing to anybody else. A job that was
// made up deciphers to something that cannot be, or that does not exist.
type accessJob struct {
	about   jobSubject
	actions bool // ACTION_LEVEL
	created time.Time
}

// jobSubject stands for what a job is about, in the room that there is: for an entity
// with a unique id it is that id, for a policy that AWS manages a digest of its ARN.
type jobSubject struct {
	kind   byte // the number of the id's prefix in jobPrefixes, or jobOnAWSPolicy
	number [jobNumberBytes]byte
}

// The bits of a deciphered id: 88 of the number, 32 of the time, 3 of the kind, 1 of
// the granularity, and 4 that are zero.
const (
	jobNumberBytes = 11
	uniqueIDDigits = 17
	kindMask       = 1<<3 - 1
	granularityBit = 1 << 3
)

// jobPrefixes are the unique ids that a job can be about.
var jobPrefixes = [...]string{arn.PrefixUser, arn.PrefixGroup, arn.PrefixRole, arn.PrefixPolicy}

const jobOnAWSPolicy = byte(len(jobPrefixes))

var errNoJob = errors.New("not a job of this caller")

// onUniqueID stands for an entity of an account.
func onUniqueID(id string) (jobSubject, error) {
	for i, prefix := range jobPrefixes {
		digits, ok := strings.CutPrefix(id, prefix)
		if !ok || len(digits) != uniqueIDDigits {
			continue
		}
		if n, ok := new(big.Int).SetString(digits, 36); ok && n.Sign() >= 0 {
			s := jobSubject{kind: byte(i)}
			n.FillBytes(s.number[:])
			return s, nil
		}
	}
	return jobSubject{}, fmt.Errorf("%s is a unique id of unusual form", id)
}

// onAWSPolicy stands for a policy that AWS manages, by its canonical ARN.
func onAWSPolicy(key string) jobSubject {
	sum := sha256.Sum256([]byte(key))
	return jobSubject{jobOnAWSPolicy, [jobNumberBytes]byte(sum[:])}
}

// uniqueID is the unique id of an entity of an account.
func (s jobSubject) uniqueID() (id string, ok bool) {
	digits := strings.ToUpper(new(big.Int).SetBytes(s.number[:]).Text(36))
	if int(s.kind) >= len(jobPrefixes) || len(digits) > uniqueIDDigits {
		return "", false
	}
	return jobPrefixes[s.kind] + strings.Repeat("0", uniqueIDDigits-len(digits)) + digits, true
}

// accessJobs makes and reads the ids of jobs.
type accessJobs struct{ key []byte }

func (j accessJobs) id(p *authn.Principal, job accessJob) (string, error) {
	var b [aes.BlockSize]byte
	copy(b[:], job.about.number[:])
	binary.BigEndian.PutUint32(b[jobNumberBytes:], uint32(job.created.Unix()))
	b[15] = job.about.kind
	if job.actions {
		b[15] |= granularityBit
	}
	block, err := aes.NewCipher(j.keyOf(p))
	if err != nil {
		return "", err
	}
	block.Encrypt(b[:], b[:])
	return uuid.UUID(b).String(), nil
}

// open reads the id of a job that is not older than accessJobLifetime.
func (j accessJobs) open(p *authn.Principal, id string, now time.Time) (accessJob, error) {
	b, err := uuid.Parse(id)
	if err != nil || b.String() != id { // uuid.Parse knows more spellings
		return accessJob{}, errNoJob
	}
	block, err := aes.NewCipher(j.keyOf(p))
	if err != nil {
		return accessJob{}, err
	}
	block.Decrypt(b[:], b[:])
	job := accessJob{
		about:   jobSubject{b[15] & kindMask, [jobNumberBytes]byte(b[:])},
		actions: b[15]&granularityBit != 0,
		created: time.Unix(int64(binary.BigEndian.Uint32(b[jobNumberBytes:])), 0).UTC(),
	}
	if b[15]&^(granularityBit|kindMask) != 0 || job.about.kind > jobOnAWSPolicy || job.created.After(now) || now.Sub(job.created) > accessJobLifetime {
		return accessJob{}, errNoJob
	}
	return job, nil
}

// keyOf is the key of one caller: a user, or a role in one session.
func (j accessJobs) keyOf(p *authn.Principal) []byte {
	mac := hmac.New(sha256.New, j.key)
	mac.Write([]byte(string(p.Account) + "\n" + p.UserID))
	return mac.Sum(nil)
}
