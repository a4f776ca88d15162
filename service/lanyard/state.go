package lanyard

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// How much is kept for one person, and for all sessions of one role together: whoever may
// assume a role may do so under any name.
const (
	maxStates     = 100
	maxRoleStates = 1000
)

// State is something that is kept for a person: the progress of a checklist, a draft of an
// access plan, preferences. Value is JSON; who owns the name knows what it means.
type State struct {
	Name    *string
	Value   *string
	Changed *time.Time
}

// The states are the caller's own: nobody else's can be named.
type (
	// GetStateInput names a state.
	GetStateInput struct{ Name *string }
	// GetStateOutput is the state.
	GetStateOutput struct{ State *State }
	// ListStatesInput narrows by the beginning of the name.
	ListStatesInput struct{ Prefix *string }
	// ListStatesOutput are the states by name.
	ListStatesOutput struct{ States []State }
	// PutStateInput sets a state.
	PutStateInput struct{ Name, Value *string }
	// PutStateOutput is empty.
	PutStateOutput struct{}
	// DeleteStateInput names a state.
	DeleteStateInput struct{ Name *string }
	// DeleteStateOutput is empty.
	DeleteStateOutput struct{}
)

// person is the caller in keys: whose session it is, and under which name.
func person(p *authn.Principal) (id, name string) {
	if p.Kind == authn.AssumedRole || p.Kind == authn.FederatedUser {
		return p.ID, p.Session.Name
	}
	return p.ID, ""
}

// GetState returns a state of the caller.
func (s *Service) GetState(c *service.Call, in *GetStateInput) (*GetStateOutput, error) {
	id, name := person(c.Principal)
	found, err := identity.PersonStates.Get(c.Reader, id, name, *in.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Nothing is kept under the name %s.", *in.Name)
	}
	if err != nil {
		return nil, err
	}
	state := stateOf(*in.Name, found)
	return &GetStateOutput{State: &state}, nil
}

// ListStates returns the states of the caller.
func (s *Service) ListStates(c *service.Call, in *ListStatesInput) (*ListStatesOutput, error) {
	out := &ListStatesOutput{States: []State{}}
	id, name := person(c.Principal)
	err := identity.PersonStates.Scan(c.Reader, "", func(key store.Key, v *identity.PersonState) bool {
		if state := identity.PersonStates.Cursor(key, id, name); strings.HasPrefix(state, aws.ToString(in.Prefix)) {
			out.States = append(out.States, stateOf(state, v))
		}
		return true
	}, id, name)
	return out, err
}

// PutState sets a state of the caller.
func (s *Service) PutState(c *service.Call, in *PutStateInput) (*PutStateOutput, error) {
	if !json.Valid([]byte(*in.Value)) {
		return nil, service.Invalid("The value of a state is JSON.")
	}
	id, name := person(c.Principal)
	if !identity.PersonStates.Has(c.Reader, id, name, *in.Name) {
		own, err := count(c.Reader, id, name)
		if err != nil {
			return nil, err
		}
		all, err := count(c.Reader, id)
		if err != nil {
			return nil, err
		}
		if own >= maxStates || all >= maxRoleStates {
			return nil, limitExceeded("At most %d things are kept for a person. Delete one first.", maxStates)
		}
	}
	return &PutStateOutput{}, identity.PersonStates.Put(c.Tx, &identity.PersonState{Changed: c.Now, Value: []byte(*in.Value)}, id, name, *in.Name)
}

func count(r store.Reader, prefix ...string) (n int, err error) {
	err = identity.PersonStates.Scan(r, "", func(store.Key, *identity.PersonState) bool {
		n++
		return true
	}, prefix...)
	return n, err
}

// DeleteState forgets a state of the caller, if there is one.
func (s *Service) DeleteState(c *service.Call, in *DeleteStateInput) (*DeleteStateOutput, error) {
	id, name := person(c.Principal)
	identity.PersonStates.Delete(c.Tx, id, name, *in.Name)
	return &DeleteStateOutput{}, nil
}

func stateOf(name string, v *identity.PersonState) State {
	return State{Name: &name, Value: aws.String(string(v.Value)), Changed: &v.Changed}
}
