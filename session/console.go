package session

import (
	"context"

	"github.com/lanyard-iam/lanyard/store"
)

// Still tells, in the snapshot of a request, whether who sends it from a browser may still
// do so; ErrNotSignedIn is that they may not.
type Still func(store.Reader) error

type consoleKey struct{}

// InConsole marks the requests that the console makes in this process. No client can: a
// context does not come over the wire. still may be nil.
func InConsole(ctx context.Context, still Still) context.Context {
	return context.WithValue(ctx, consoleKey{}, still)
}

// ConsoleOf tells whether the console makes a request, and what it asks of it.
func ConsoleOf(ctx context.Context) (still Still, console bool) {
	still, console = ctx.Value(consoleKey{}).(Still)
	return still, console
}
