package notify

import (
	"context"
	"errors"
)

// Round delivers once what is due.
func (o *Outbox) Round(ctx context.Context) error {
	due, _, err := o.due(ctx)
	for _, notices := range due {
		err = errors.Join(err, o.deliver(ctx, notices))
	}
	return err
}
