package endpoint_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/constraint"
	"github.com/lanyard-iam/lanyard/endpoint"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

// T408: a panic anywhere in an operation is an answer with a request id, a record
// of the trail and a line of the log. Nothing that it wrote stays, nothing of it
// reaches the caller, and the next request is served.
func TestT408_Panics(t *testing.T) {
	const account, keyID, secret = arn.AccountID("111122223333"), "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	seal, err := keyring.GenerateSealKey(rand.Reader)
	must(err)
	ring, err := keyring.New(seal, rand.Reader, time.Now())
	must(err)
	st := memory.New()
	t.Cleanup(func() { st.Close() })
	sealed, err := ring.Seal(keyring.AccessKeySecrets, string(identity.AccessKeys.Key(keyID)), []byte(secret))
	must(err)
	must(st.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(
			identity.Accounts.Put(tx, &identity.Account{ID: account}, string(account)),
			identity.Users.Put(tx, &identity.User{Account: account, ID: "AIDAALICE", Name: "alice", Path: "/"}, string(account), "alice"),
			identity.Entities.Put(tx, &identity.Entity{Account: account, Type: identity.TypeUser, Name: "alice"}, "AIDAALICE"),
			identity.AccessKeys.Put(tx, &identity.AccessKey{ID: keyID, Account: account, UserID: "AIDAALICE", UserName: "alice", Secret: sealed}, keyID))
	}))
	constraints, err := constraint.Load()
	must(err)
	managed, err := awsmanaged.Load()
	must(err)
	trail, err := audit.NewTrail(st, audit.Options{Key: make([]byte, 32), Retention: time.Hour})
	must(err)
	t.Cleanup(func() { trail.Close(t.Context()) })

	// Each operation panics in another place; ListGroups does not.
	const words = "aargh, and a secret"
	write := func(c *service.Call) {
		must(identity.Accounts.Put(c.Tx, &identity.Account{ID: "444455556666"}, "444455556666"))
	}
	set := service.Set{SigningName: "iam", EventSource: "iam.amazonaws.com", Version: "2010-05-08", ActionPrefix: "iam", Operations: []service.Operation{
		service.Op("CreateUser", service.Write, func(c *service.Call, _ *iam.CreateUserInput) (*iam.CreateUserOutput, error) {
			write(c)
			panic(words)
		}, nil),
		service.Op("ListUsers", service.Read, func(*service.Call, *iam.ListUsersInput) (*iam.ListUsersOutput, error) {
			panic(errors.New(words))
		}, nil),
		service.Op("ListRoles", service.Issue, func(*service.Call, *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
			panic(fmt.Errorf("an error from the runtime: %s", words))
		}, nil),
		service.Op("CreateGroup", service.Write, func(*service.Call, *iam.CreateGroupInput) (*iam.CreateGroupOutput, error) {
			return &iam.CreateGroupOutput{}, nil
		}, func(c *service.Call, _ *iam.CreateGroupInput) ([]authz.Check, error) {
			write(c)
			panic(words)
		}),
		service.Op("ListPolicies", service.Read, func(*service.Call, *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
			return &iam.ListPoliciesOutput{}, nil
		}, nil, service.Before(func(*service.Call, *iam.ListPoliciesInput) error { panic(words) })),
		service.Op("ListGroups", service.Write, func(c *service.Call, _ *iam.ListGroupsInput) (*iam.ListGroupsOutput, error) {
			return &iam.ListGroupsOutput{}, nil
		}, nil),
	}}
	services, err := endpoint.NewServices([]service.Set{set}, constraints)
	must(err)
	var log bytes.Buffer
	h := &endpoint.Handler{
		Store:          st,
		Authn:          &authn.Authenticator{Verifier: sigv4.NewVerifier(0), Sessions: session.NewCodec(ring), Ring: ring},
		Authz:          authz.New(managed),
		Messages:       &authz.Messages{Ring: ring},
		Trail:          trail,
		Redact:         audit.NewRedactor(func(string) (input, output []string) { return nil, nil }),
		Services:       services,
		Log:            slog.New(slog.NewJSONHandler(&log, nil)),
		Clock:          time.Now,
		SignatureClock: time.Now,
		Rand:           rand.Reader,
		Region:         "us-east-1",
	}
	signer := sigv4.Signer{Credentials: sigv4.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, Region: "us-east-1", Service: "iam"}
	call := func(form string) (*http.Response, string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		must(signer.SignHeader(r, []byte(form), time.Now()))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), w.Body.String()
	}
	for _, form := range []string{
		"Action=CreateUser&UserName=x", "Action=ListUsers", "Action=ListRoles", "Action=CreateGroup&GroupName=x", "Action=ListPolicies",
	} {
		log.Reset()
		resp, body := call(form + "&Version=2010-05-08")
		id := resp.Header.Get("X-Amzn-Requestid")
		if resp.StatusCode != http.StatusInternalServerError || id == "" || !strings.Contains(body, id) {
			t.Errorf("T408: %s: %s %s", form, resp.Status, body)
		}
		if strings.Contains(body, "aargh") || strings.Contains(body, "goroutine") || strings.Contains(body, "nil map") {
			t.Errorf("T408: %s: the caller is told of the panic: %s", form, body)
		}
		if !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "panic_test.go") {
			t.Errorf("T408: %s: the log has no stack for request %s", form, id)
		}
		must(trail.Sync(t.Context()))
		must(st.View(t.Context(), func(r store.Reader) error {
			if identity.Accounts.Has(r, "444455556666") {
				t.Errorf("T408: %s: what it wrote before the panic is there", form)
			}
			entry, err := trail.Find(r, account, id)
			if err != nil || !strings.Contains(string(entry.Record), `"errorCode":"`) || strings.Contains(string(entry.Record), "aargh") {
				t.Errorf("T408: %s: the record: %v, %+v", form, err, entry)
			}
			return nil
		}))
	}
	if resp, body := call("Action=ListGroups&Version=2010-05-08"); resp.StatusCode != http.StatusOK {
		t.Errorf("T408: after the panics: %s %s", resp.Status, body)
	}
}
