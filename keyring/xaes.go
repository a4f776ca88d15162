package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

const (
	nonceBytes = 24
	tagBytes   = 16
)

// xaes is XAES-256-GCM (https://c2sp.org/XAES-256-GCM): the first half of the nonce and the
// key give, by CMAC in counter mode (NIST SP 800-108r1), a key for AES-256-GCM, which gets the
// second half as its nonce. Nonces of 192 bits can be drawn at random without a limit in
// practice (2⁸⁰ messages per key at a risk of 2⁻³²); those of AES-GCM itself, only 2³²
// times.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // CMAC's subkey K1
}

func newXAES(key []byte) cipher.AEAD {
	x := &xaes{block: newAES(key)}
	x.block.Encrypt(x.k1[:], x.k1[:])
	var msb byte
	for i := len(x.k1) - 1; i >= 0; i-- {
		msb, x.k1[i] = x.k1[i]>>7, x.k1[i]<<1|msb
	}
	x.k1[len(x.k1)-1] ^= msb * 0b10000111
	return x
}

func newAES(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != 32 {
		panic("keyring: key of wrong length") // a mistake of the program: keys are made here
	}
	return block
}

// gcm returns AES-256-GCM under the key derived for the nonce.
func (x *xaes) gcm(nonce []byte) cipher.AEAD {
	var derived [32]byte
	for i, half := range [][]byte{derived[:16], derived[16:]} {
		copy(half, []byte{0, byte(i + 1), 'X', 0})
		copy(half[4:], nonce[:12])
		for j := range half {
			half[j] ^= x.k1[j]
		}
		x.block.Encrypt(half, half)
	}
	aead, err := cipher.NewGCM(newAES(derived[:]))
	if err != nil {
		panic("keyring: " + err.Error()) // AES has the block size of GCM
	}
	return aead
}

func (x *xaes) NonceSize() int { return nonceBytes }
func (x *xaes) Overhead() int  { return tagBytes }

func (x *xaes) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	if len(nonce) != nonceBytes {
		panic("keyring: nonce of wrong length") // as crypto/cipher does
	}
	return x.gcm(nonce).Seal(dst, nonce[12:], plaintext, additionalData)
}

func (x *xaes) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	if len(nonce) != nonceBytes {
		return nil, errors.New("nonce of wrong length")
	}
	return x.gcm(nonce).Open(dst, nonce[12:], ciphertext, additionalData)
}
