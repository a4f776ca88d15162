package mfa

import (
	"bytes"
	"encoding/base32"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The bounds of a file of hardware tokens.
const (
	// MaxTokens is how many tokens one file has.
	MaxTokens = 1000
	// RFC 4226 asks for 128 bits; none is known with more than 512.
	minTokenSeed = 16
	maxTokenSeed = 64
)

// Token is a hardware token as its maker delivers it: a serial number and a seed. Only
// those fit that show six digits, a new code every 30 seconds, by SHA-1.
type Token struct {
	Line   int // in the file
	Serial string
	Seed   []byte
}

// ParseTokens reads a file of tokens: CSV lines of serial number, seed and, if one
// likes, "base32" or "hex". Empty lines, lines that begin with # and a first line that
// says "serial" are passed over. Errors name the line and nothing that stands on it.
func ParseTokens(text []byte) ([]Token, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))) // spreadsheets begin with one
	r.FieldsPerRecord, r.Comment, r.TrimLeadingSpace = -1, '#', true
	var tokens []Token
	for first := true; ; first = false {
		fields, err := r.Read()
		if err == io.EOF {
			return tokens, nil
		}
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			return nil, fmt.Errorf("line %d: the quotes are not those of CSV", parse.Line)
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if first && strings.HasPrefix(strings.ToLower(fields[0]), "serial") {
			continue
		}
		if len(tokens) == MaxTokens {
			return nil, fmt.Errorf("line %d: a file has at most %d tokens", line, MaxTokens)
		}
		if len(fields) != 2 && len(fields) != 3 {
			return nil, fmt.Errorf("line %d: a line is a serial number, a comma and a seed", line)
		}
		encoding := ""
		if len(fields) == 3 {
			encoding = strings.ToLower(strings.TrimSpace(fields[2]))
		}
		if encoding != "" && encoding != "hex" && encoding != "base32" {
			return nil, fmt.Errorf("line %d: the third column is hex or base32", line)
		}
		seed, err := ParseSeed(fields[1], encoding)
		if errors.Is(err, errEither) {
			return nil, fmt.Errorf("line %d: %w in a third column", line, err)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		tokens = append(tokens, Token{Line: line, Serial: strings.TrimSpace(fields[0]), Seed: seed})
	}
}

var errEither = errors.New("the seed may be hex or base32: say which")

// ParseSeed reads a seed in "hex" or "base32". Without an encoding it is the one that
// fits; a seed that fits both is not guessed at. Errors never quote it.
func ParseSeed(text, encoding string) ([]byte, error) {
	text = strings.Join(strings.Fields(text), "") // people write it in groups
	asHex, hexErr := hex.DecodeString(text)
	as32, err32 := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(text, "=")))
	var seed []byte
	switch {
	case encoding == "" && hexErr == nil && err32 == nil:
		return nil, errEither
	case encoding != "base32" && hexErr == nil:
		seed = asHex
	case encoding != "hex" && err32 == nil:
		seed = as32
	default:
		return nil, errors.New("the seed is not in hex or base32")
	}
	if len(seed) < minTokenSeed || len(seed) > maxTokenSeed {
		return nil, fmt.Errorf("a seed has from %d to %d bytes", minTokenSeed, maxTokenSeed)
	}
	return seed, nil
}
