package webauthnx

import (
	"math/big"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// The algorithms of credentials, by their COSE numbers.
const (
	ES256 = -7   // ECDSA on P-256 with SHA-256
	EdDSA = -8   // on Ed25519
	RS256 = -257 // RSA PKCS #1 v1.5 with SHA-256: Windows Hello on older machines
)

// The sizes of RSA keys that we accept.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// judgeKey accepts the public keys that we will verify signatures with, and yields their
// algorithm. The library reads the key and looks at the point of an ES256 key; what it
// leaves out is here.
func judgeKey(cose []byte) (algorithm int, err error) {
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return 0, UnsupportedKey
	}
	ok := false
	switch k := key.(type) { // the type is that of kty
	case webauthncose.EC2PublicKeyData:
		algorithm, ok = ES256, k.Algorithm == ES256
	case webauthncose.OKPPublicKeyData:
		algorithm, ok = EdDSA, k.Algorithm == EdDSA && strongEd25519(k.XCoord)
	case webauthncose.RSAPublicKeyData:
		algorithm, ok = RS256, k.Algorithm == RS256 && strongRSA(&k)
	}
	if !ok {
		return 0, UnsupportedKey
	}
	return algorithm, nil
}

func strongRSA(k *webauthncose.RSAPublicKeyData) bool {
	n, e := new(big.Int).SetBytes(k.Modulus), new(big.Int).SetBytes(k.Exponent)
	return n.BitLen() >= minRSABits && n.BitLen() <= maxRSABits && n.Bit(0) == 1 &&
		e.Cmp(big.NewInt(3)) >= 0 && e.BitLen() <= 31 && e.Bit(0) == 1
}

// strongEd25519 accepts the encodings of points on the curve -x² + y² = 1 + dx²y² that
// are not of small order: for those that are, one signature fits many messages. Only y
// and the square of x are needed, so that no square root is taken.
func strongEd25519(encoded []byte) bool {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	mod := func(x *big.Int) *big.Int { return x.Mod(x, p) }
	mul := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, b)) }
	add := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Add(a, b)) }
	sub := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Sub(a, b)) }
	over := func(a, b *big.Int) *big.Int { // b is never zero here, since d is no square and -1 is one
		return mul(a, new(big.Int).ModInverse(b, p))
	}
	one := big.NewInt(1)
	d := over(big.NewInt(-121665), big.NewInt(121666))

	little := slices.Clone(encoded)
	slices.Reverse(little)
	little[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(little)
	if y.Cmp(p) >= 0 {
		return false // another spelling of a smaller number
	}
	for range 3 { // the small orders are 1, 2, 4 and 8: doubled three times they give the neutral element, whose y is 1
		y2 := mul(y, y)
		x2 := over(sub(y2, one), add(mul(d, y2), one))
		if big.Jacobi(x2, p) < 0 {
			return false // no x has this square: not on the curve
		}
		y = over(add(y2, x2), sub(add(big.NewInt(2), x2), y2))
	}
	return y.Cmp(one) != 0
}
