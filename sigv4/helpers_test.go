package sigv4

import (
	"errors"
	"testing"
)

// wantKind fails unless err is a refusal of this kind.
func wantKind(t testing.TB, err error, kind ErrorKind) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != kind {
		t.Fatalf("got %v, want an error of kind %d", err, kind)
	}
	return e
}
