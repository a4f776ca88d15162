// Package paging goes through the pages of AWS's lists.
//
// It does what the SDK's paginators do, over an operation and not over a client: they take
// the client as an interface, and in a program with html/template, which finds methods by
// name, the linker keeps every method of a type that is ever in an interface. That is every
// operation of the client with all its types: 10 MB.
package paging

import (
	"context"
	"fmt"
	"reflect"
)

// Pages are the pages of a list, to be asked for one after the other.
type Pages[I, O any] struct {
	call   func(context.Context, *I) (*O, error)
	in     I
	token  string // the field that leads on: Marker or NextToken
	begun  bool
	marker *string
}

// Of goes through the pages of an operation, such as client.ListUsers.
func Of[I, O, Option any](call func(context.Context, *I, ...func(*Option)) (*O, error), in *I) *Pages[I, O] {
	p := &Pages[I, O]{in: *in, token: "Marker", call: func(ctx context.Context, in *I) (*O, error) { return call(ctx, in) }}
	if _, ok := reflect.TypeFor[I]().FieldByName(p.token); !ok {
		p.token = "NextToken"
	}
	return p
}

// HasMorePages tells whether there is another page to ask for.
func (p *Pages[I, O]) HasMorePages() bool { return !p.begun || p.marker != nil && *p.marker != "" }

// NextPage asks for the next page.
func (p *Pages[I, O]) NextPage(ctx context.Context) (*O, error) {
	if p.begun {
		reflect.ValueOf(&p.in).Elem().FieldByName(p.token).Set(reflect.ValueOf(p.marker))
	}
	out, err := p.call(ctx, &p.in)
	if err != nil {
		return nil, err
	}
	p.begun = true
	marker, ok := reflect.ValueOf(out).Elem().FieldByName(p.token).Interface().(*string)
	if !ok {
		return nil, fmt.Errorf("%T has no %s", out, p.token)
	}
	p.marker = marker
	return out, nil
}
