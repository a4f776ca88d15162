package signin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
)

// A DPoP proof (RFC 9449) is a JWT by which the sender of a request shows to have a
// private key: what is bound to the key is worth nothing to others.
//
// Proofs are verified here and not by a JOSE library: AWS's clients use one algorithm,
// and AWS's SDK for Go leaves out the leading zeros of coordinates (in one key of 128),
// which the libraries refuse.

// The bounds of proofs.
const (
	proofSkew   = 5 * time.Minute // how far its time may be from ours, as that of signatures
	maxProof    = 4 << 10
	maxProofID  = 256
	coordinate  = 32 // bytes: P-256
	proofHeader = "Dpop"
)

// proof is a DPoP proof that was found good.
type proof struct {
	key   string    // thumbprint of the public key (RFC 7638)
	id    string    // digest of what makes the proof unique
	until time.Time // from when on its time is too old
}

var errProof = errors.New("the DPoP proof is not valid")

// verifyProof verifies the one proof in the header of a request: its form, its signature
// by the key that it names, that it was made for a POST to one of uris, and now.
// Whether it was used before is told by who keeps what was used (see use).
func verifyProof(header []string, uris []string, now time.Time) (proof, error) {
	if len(header) == 0 {
		return proof{}, errors.New("the request has no DPoP proof")
	}
	if len(header) > 1 || len(header[0]) > maxProof {
		return proof{}, errProof
	}
	parts := strings.Split(header[0], ".")
	if len(parts) != 3 {
		return proof{}, errProof
	}
	var head struct {
		Type      string                     `json:"typ"`
		Algorithm string                     `json:"alg"`
		Key       map[string]json.RawMessage `json:"jwk"`
		Critical  json.RawMessage            `json:"crit"`
	}
	var claims struct {
		Method   string `json:"htm"`
		URI      string `json:"htu"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
	}
	if !decodePart(parts[0], &head) || !decodePart(parts[1], &claims) {
		return proof{}, errProof
	}
	if head.Type != "dpop+jwt" || head.Algorithm != "ES256" || head.Critical != nil {
		return proof{}, errProof
	}
	public, thumbprint, ok := publicKey(head.Key)
	if !ok {
		return proof{}, errProof
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(signature) != 2*coordinate {
		return proof{}, errProof
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:coordinate]), new(big.Int).SetBytes(signature[coordinate:])
	if !ecdsa.Verify(public, digest[:], r, s) {
		return proof{}, errProof
	}
	if claims.ID == "" || len(claims.ID) > maxProofID || claims.Method != "POST" {
		return proof{}, errProof
	}
	if !slices.Contains(uris, claims.URI) {
		if len(uris) == 0 {
			return proof{}, errors.New("this server has no public URL, which the DPoP proof must be for")
		}
		return proof{}, errors.New("the DPoP proof is for another URL: use the endpoint " + strings.TrimSuffix(uris[0], tokenPath))
	}
	issued := time.Unix(claims.IssuedAt, 0)
	if age := now.Sub(issued); age > proofSkew || age < -proofSkew {
		return proof{}, errors.New("the DPoP proof is too old or not valid yet: look at the clock")
	}
	return proof{key: thumbprint, id: identity.Digest(claims.ID), until: issued.Add(proofSkew)}, nil
}

func decodePart(part string, v any) bool {
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return err == nil && json.Unmarshal(data, v) == nil
}

// publicKey reads a JWK (RFC 7517) of a P-256 public key, and yields its thumbprint.
func publicKey(jwk map[string]json.RawMessage) (*ecdsa.PublicKey, string, bool) {
	member := func(name string) string {
		var text string
		_ = json.Unmarshal(jwk[name], &text) // what is no string is empty
		return text
	}
	if _, private := jwk["d"]; private || member("kty") != "EC" || member("crv") != "P-256" {
		return nil, "", false
	}
	point := make([]byte, 1+2*coordinate)
	point[0] = 4 // uncompressed
	for i, name := range [...]string{"x", "y"} {
		value, err := base64.RawURLEncoding.Strict().DecodeString(member(name))
		if err != nil || len(value) == 0 || len(value) > coordinate {
			return nil, "", false
		}
		end := 1 + (i+1)*coordinate
		copy(point[end-len(value):end], value)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point) // on the curve, or an error
	if err != nil {
		return nil, "", false
	}
	encode := base64.RawURLEncoding.EncodeToString
	thumbprint := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + encode(point[1:1+coordinate]) + `","y":"` + encode(point[1+coordinate:]) + `"}`))
	return key, encode(thumbprint[:]), true
}

// maxProofs bounds the proofs of one sign-in session that are remembered. Clients refresh
// once in some ten minutes; who uses more at once has to wait.
const maxProofs = 64

// Whether a proof could be used.
type outcome uint8

const (
	fresh outcome = iota
	replayed
	tooMany
)

// use notes a proof among those that were used, and forgets those whose time is over.
func use(grant *identity.OAuthGrant, p proof, now time.Time) outcome {
	grant.Proofs = slices.DeleteFunc(grant.Proofs, func(used identity.UsedProof) bool { return now.After(used.Until) })
	for _, used := range grant.Proofs {
		if used.ID == p.id {
			return replayed
		}
	}
	if len(grant.Proofs) >= maxProofs {
		return tooMany
	}
	grant.Proofs = append(grant.Proofs, identity.UsedProof{ID: p.id, Until: p.until})
	return fresh
}
