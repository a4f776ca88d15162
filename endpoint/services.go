package endpoint

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/lanyard-iam/lanyard/constraint"
	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/service"
)

// Service is a service.Set ready to be looked up.
type Service struct {
	service.Set
	protocol    protocol.Protocol
	bindings    map[string]*protocol.Binding // of restJson operations
	operations  map[string]*service.Operation
	constraints *constraint.Table
}

// Services finds the service and the operation that a request asks for.
type Services struct {
	bySigningName map[string]*Service
	byTarget      map[string]*Service    // by the last part of the target prefix
	byVersion     map[string]*Service    // query services by API version, for unsigned requests
	byPlace       protocol.Routes[place] // restJson services by method and URI
	all           []*Service
}

// place is the operation that a restJson request asks for.
type place struct {
	service   *Service
	operation string
}

// NewServices indexes service sets. A set with target prefixes speaks awsJson, one
// whose operations have schemas restJson, the others the query protocol. tables are the parameter constraints by signing
// name.
func NewServices(sets []service.Set, tables map[string]*constraint.Table) (*Services, error) {
	s := &Services{
		bySigningName: make(map[string]*Service),
		byTarget:      make(map[string]*Service),
		byVersion:     make(map[string]*Service),
	}
	for _, set := range sets {
		table := tables[set.SigningName]
		if table == nil {
			return nil, fmt.Errorf("there are no parameter constraints of %s", set.SigningName)
		}
		sv := &Service{Set: set, protocol: protocol.Query, constraints: table,
			operations: make(map[string]*service.Operation, len(set.Operations)), bindings: make(map[string]*protocol.Binding)}
		for i := range set.Operations {
			op := &set.Operations[i]
			if sv.operations[op.Name] != nil {
				return nil, fmt.Errorf("%s has operation %s twice", set.SigningName, op.Name)
			}
			sv.operations[op.Name] = op
			if op.Schema == nil {
				continue
			}
			sv.protocol = protocol.RESTJSON
			binding, err := protocol.Bind(op.Schema, reflect.TypeOf(op.NewInput()).Elem(), reflect.TypeOf(op.NewOutput()).Elem())
			if err == nil {
				err = s.byPlace.Add(op.Schema.Schema, place{sv, op.Name})
			}
			if err != nil {
				return nil, err
			}
			sv.bindings[op.Name] = binding
		}
		for _, schema := range set.NotYetAt {
			if err := s.byPlace.Add(schema, place{sv, schema.ID().Name}); err != nil {
				return nil, err
			}
		}
		for _, prefix := range set.TargetPrefixes {
			sv.protocol = protocol.JSON11
			name, _, ok := protocol.ParseTarget(prefix + ".X")
			if !ok {
				return nil, fmt.Errorf("%s: target prefix %q", set.SigningName, prefix)
			}
			s.byTarget[name] = sv
		}
		if sv.protocol == protocol.Query {
			s.byVersion[set.Version] = sv
		}
		s.bySigningName[set.SigningName] = sv
		s.all = append(s.all, sv)
	}
	return s, nil
}

// All yields the service sets in the order they were given.
func (s *Services) All() []*Service { return s.all }

// unknownOperation answers a request for an operation that does not exist, or
// that AWS has and this version has not. Both are the client's to know: a 5xx
// would make it try again.
func (s *Service) unknownOperation(name string) error {
	if slices.Contains(s.NotYet, name) {
		e := &service.Error{Code: "InvalidAction", Status: http.StatusBadRequest,
			Message: fmt.Sprintf("The operation %s of %s is not offered by this version of Lanyard. docs/operations.md lists the operations that are.", name, s.SigningName)}
		if s.protocol != protocol.Query {
			e.Code = "UnsupportedOperationException"
		}
		return e
	}
	if s.protocol != protocol.Query {
		return &service.Error{Code: "UnknownOperationException", Status: http.StatusBadRequest}
	}
	return &service.Error{Code: "InvalidAction", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("Could not find operation %s for version %s", name, s.Version)}
}
