package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/store"
)

// TestGroundsKept: the grounds of an allowed request come back from the trail as they
// were, and never take much room.
func TestGroundsKept(t *testing.T) {
	condition := policy.TracedCondition{Operator: "IpAddress", Key: "aws:SourceIp", Values: []string{"10.0.0.0/8", "a\"b\x1b\u202e"}, Present: true, Seen: []string{"10.1.2.3"}, Holds: true}
	statement := policy.Ground{
		Layer: policy.LayerIdentity, Policy: policy.TracedPolicy{Type: policy.SourceCustomerManaged, Name: "devs", ARN: "arn:aws:iam::123456789012:policy/devs", Owner: "group/devs"},
		Statement: 2, Sid: "Net", Conditions: []policy.TracedCondition{condition},
	}
	bare := policy.Ground{Layer: policy.LayerBoundary, Policy: policy.TracedPolicy{Type: policy.SourceBoundary, Name: "b"}, Statement: 1}
	wide := statement
	wide.Conditions = nil
	for i := range 40 {
		c := condition
		c.Key, c.Seen = fmt.Sprintf("aws:RequestTag/%d", i), []string{strings.Repeat("x", 256)}
		wide.Conditions = append(wide.Conditions, c)
	}
	both := []policy.Layer{policy.LayerIdentity, policy.LayerBoundary}
	for _, test := range []struct{ in, want policy.Grounds }{
		{policy.Grounds{Needed: both, Statements: []policy.Ground{statement, bare}, Omitted: 3}, policy.Grounds{Needed: both, Statements: []policy.Ground{statement, bare}, Omitted: 3}},
		{policy.Grounds{Needed: both, Statements: []policy.Ground{wide, bare, wide}}, policy.Grounds{Needed: both, Statements: []policy.Ground{bare}, Omitted: 2}},
	} {
		trail, s := newTrail(t, audit.Options{})
		e := read(1)
		e.Decision = &audit.Decision{Allowed: true, Action: "s3:GetObject", Resource: "*", Index: 2, Sole: true, Grounds: &test.in}
		if err := s.Update(context.Background(), func(tx store.Tx) error { return trail.AppendTo(tx, e) }); err != nil {
			t.Fatal(err)
		}
		var found *audit.Entry
		err := s.View(context.Background(), func(r store.Reader) error {
			var err error
			found, err = trail.Find(r, account, e.RequestID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if !found.Decision.Sole || !reflect.DeepEqual(*found.Decision.Grounds, test.want) {
			t.Errorf("got  %+v\nwant %+v", found.Decision.Grounds, test.want)
		}
		if text, _ := json.Marshal(found.Decision.Grounds); len(text) > 2400 {
			t.Errorf("%d bytes", len(text))
		}
	}
}
