package notify

import "context"

// Round delivers once what is due.
func (o *Outbox) Round(ctx context.Context) error {
	due, _, err := o.due(ctx)
	for _, notices := range due {
		o.deliver(ctx, notices)
	}
	return err
}
