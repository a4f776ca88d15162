package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rolesanywhere"
	ra "github.com/aws/aws-sdk-go-v2/service/rolesanywhere/schemas"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	si "github.com/aws/aws-sdk-go-v2/service/signin/schemas"
	signintypes "github.com/aws/aws-sdk-go-v2/service/signin/types"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	ss "github.com/aws/aws-sdk-go-v2/service/sso/schemas"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/prelude"
	"github.com/aws/smithy-go/traits"

	"github.com/lanyard-iam/lanyard/protocol"
)

// restOperation is an operation of a restJson service in the SDK.
type restOperation struct {
	service string
	schema  *smithy.OperationSchema
}

func (o restOperation) name() string { return o.schema.ID().Name }

func restOperations() []restOperation {
	op := smithy.NewOperationSchema
	return []restOperation{
		{"signin", op(si.CreateOAuth2Token, si.CreateOAuth2TokenRequest, si.CreateOAuth2TokenResponse)},
		{"signin", op(si.CreateOAuth2TokenWithIAM, si.CreateOAuth2TokenWithIAMRequest, si.CreateOAuth2TokenWithIAMResponse)},
		{"signin", op(si.CreateOAuth2TokenWithTokenExchange, si.CreateOAuth2TokenWithTokenExchangeRequest, si.CreateOAuth2TokenWithTokenExchangeResponse)},
		{"signin", op(si.GetConsoleAuthorizationConfiguration, si.GetConsoleAuthorizationConfigurationInput, si.GetConsoleAuthorizationConfigurationOutput)},
		{"signin", op(si.GetResourcePolicy, si.GetResourcePolicyInput, si.GetResourcePolicyOutput)},
		{"signin", op(si.IntrospectOAuth2TokenWithIAM, si.IntrospectOAuth2TokenWithIAMRequest, si.IntrospectOAuth2TokenWithIAMResponse)},
		{"signin", op(si.ListResourcePermissionStatements, si.ListResourcePermissionStatementsInput, si.ListResourcePermissionStatementsOutput)},
		{"signin", op(si.PutResourcePermissionStatement, si.PutResourcePermissionStatementInput, si.PutResourcePermissionStatementOutput)},
		{"sso", op(ss.GetRoleCredentials, ss.GetRoleCredentialsRequest, ss.GetRoleCredentialsResponse)},
		{"sso", op(ss.ListAccounts, ss.ListAccountsRequest, ss.ListAccountsResponse)},
		{"sso", op(ss.ListAccountRoles, ss.ListAccountRolesRequest, ss.ListAccountRolesResponse)},
		{"sso", op(ss.Logout, ss.LogoutRequest, prelude.Unit)},
		{"rolesanywhere", op(ra.CreateProfile, ra.CreateProfileRequest, ra.ProfileDetailResponse)},
		{"rolesanywhere", op(ra.GetProfile, ra.ScalarProfileRequest, ra.ProfileDetailResponse)},
		{"rolesanywhere", op(ra.UpdateProfile, ra.UpdateProfileRequest, ra.ProfileDetailResponse)},
		{"rolesanywhere", op(ra.DeleteAttributeMapping, ra.DeleteAttributeMappingRequest, ra.DeleteAttributeMappingResponse)},
		{"rolesanywhere", op(ra.ListProfiles, ra.ListRequest, ra.ListProfilesResponse)},
		{"rolesanywhere", op(ra.ListTagsForResource, ra.ListTagsForResourceRequest, ra.ListTagsForResourceResponse)},
		{"rolesanywhere", op(ra.ImportCrl, ra.ImportCrlRequest, ra.CrlDetailResponse)},
	}
}

// restTransport answers the SDK's requests from a function.
type restTransport func(r *http.Request, body []byte) *http.Response

func (f restTransport) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	return f(r, body), nil
}

func restClient(service string, f restTransport) any {
	endpoint, nobody, once := aws.String("http://127.0.0.1"), aws.AnonymousCredentials{}, aws.NopRetryer{}
	switch service {
	case "signin":
		return signin.New(signin.Options{BaseEndpoint: endpoint, Region: "us-east-1", HTTPClient: f, Credentials: nobody, Retryer: once})
	case "sso":
		return sso.New(sso.Options{BaseEndpoint: endpoint, Region: "us-east-1", HTTPClient: f, Credentials: nobody, Retryer: once})
	}
	return rolesanywhere.New(rolesanywhere.Options{BaseEndpoint: endpoint, Region: "us-east-1", HTTPClient: f, Credentials: nobody, Retryer: once})
}

func methodOf(client any, name string) reflect.Method {
	m, _ := reflect.TypeOf(client).MethodByName(name)
	return m
}

// What a client sends for a random input is found by its method and URI and decodes to that
// input; what we answer for a random output reaches the client's caller as that output.
func TestSDKRoundTripREST(t *testing.T) {
	t.Parallel()
	var routes protocol.Routes[string]
	for _, o := range restOperations() {
		if err := routes.Add(o.schema.Schema, o.service+"/"+o.name()); err != nil {
			t.Fatal(err)
		}
	}
	for n, o := range restOperations() {
		t.Run(o.service+"/"+o.name(), func(t *testing.T) {
			var (
				sent     *http.Request
				sentBody []byte
				answer   *http.Response
			)
			client := restClient(o.service, func(r *http.Request, body []byte) *http.Response {
				sent, sentBody = r, body
				answer.Request = r
				return answer
			})
			op := methodOf(client, o.name())
			binding, err := protocol.Bind(o.schema, op.Type.In(2).Elem(), op.Type.Out(0).Elem())
			if err != nil {
				t.Fatal(err)
			}
			filler := filler{rand: rand.New(rand.NewPCG(2026, uint64(n)))}
			for round := range 20 {
				filler.complete = round == 0
				in, out := filler.new(op.Type.In(2).Elem()), filler.new(op.Type.Out(0).Elem())
				header := make(http.Header)
				body, status, err := binding.AppendResponse(nil, header, out.Interface())
				if err != nil {
					t.Fatal(err)
				}
				protocol.RESTJSON.SetHeader(header, requestID)
				answer = &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))}
				got, err := call(client, op, in)
				if _, missing := errors.AsType[smithy.InvalidParamsError](err); missing {
					continue
				}
				if err != nil {
					t.Fatalf("client: %v\nanswer: %s", err, body)
				}
				query, err := protocol.ParseQuery(sent.URL.RawQuery)
				if err != nil {
					t.Fatal(err)
				}
				path := sent.URL.EscapedPath()
				if found, ok := routes.Find(sent.Method, path, query); !ok || found != o.service+"/"+o.name() || !routes.Has(path) {
					t.Fatalf("%s %s?%s is %s", sent.Method, path, sent.URL.RawQuery, found)
				}
				if len(sentBody) > 0 {
					if err := protocol.RESTJSON.CheckHeader(sent.Header); err != nil {
						t.Fatal(err)
					}
				}
				decoded := reflect.New(in.Type().Elem())
				if err := binding.Decode(path, query, sent.Header, sentBody, decoded.Interface()); err != nil {
					t.Fatalf("decode: %v\nsent: %s %s %s", err, sent.URL, sent.Header, sentBody)
				}
				if list := in.Elem().FieldByName("Specifiers"); list.IsValid() && list.Len() == 0 {
					list.SetZero() // an empty list in a query string is none
				}
				if diff := difference(in, decoded, "in"); diff != "" {
					t.Fatalf("%s\nsent: %s %s", diff, sent.URL, sentBody)
				}
				if diff := difference(out, reflect.ValueOf(got), "out"); diff != "" {
					t.Fatalf("%s\nanswer: %s", diff, body)
				}
			}
		})
	}
}

// The SDK's own golden files of sign-in: what it sends, and what it expects to be answered.
func TestSDKSnapshotsREST(t *testing.T) {
	t.Parallel()
	for _, o := range restOperations() {
		if o.service != "signin" {
			continue
		}
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+o.service).Output()
		if err != nil {
			t.Skipf("the go command does not tell where the SDK is: %v", err)
		}
		read := func(kind string) []byte {
			snapshot, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), kind+"_snapshot", o.name()+"."+kind+".snap"))
			if err != nil {
				t.Fatal(err)
			}
			return snapshot[bytes.LastIndexByte(snapshot, '\n')+1:]
		}
		t.Run(o.name(), func(t *testing.T) {
			var sent, answered []byte
			client := restClient(o.service, func(r *http.Request, body []byte) *http.Response {
				sent = body
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(answered)), Request: r}
			})
			op := methodOf(client, o.name())
			binding, err := protocol.Bind(o.schema, op.Type.In(2).Elem(), op.Type.Out(0).Elem())
			if err != nil {
				t.Fatal(err)
			}
			body := read("request")
			in := reflect.New(op.Type.In(2).Elem())
			if err := binding.Decode("/", protocol.Form{}, nil, body, in.Interface()); err != nil {
				t.Fatal(err)
			}
			answered = read("response")
			out, err := call(client, op, in)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(sent, body) {
				t.Errorf("sent\n%s\nwant\n%s", sent, body)
			}
			got, _, err := binding.AppendResponse(nil, make(http.Header), out)
			if err != nil || !sameJSON(got, answered) {
				t.Errorf("answer\n%s\nwant\n%s (%v)", got, answered, err)
			}
		})
	}
}

func sameJSON(a, b []byte) bool {
	if len(b) == 0 {
		b = []byte("{}")
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// An exception reaches the caller with all that it says, and the status that it is given.
func TestSDKErrorsREST(t *testing.T) {
	t.Parallel()
	message := `<a>&"b"`
	status := 0
	client := restClient("signin", func(r *http.Request, _ []byte) *http.Response {
		e := protocol.ErrorOf(unauthorized{&signintypes.AccessDeniedException{Error_: signintypes.OAuth2ErrorCodeTokenExpired, Message: &message}}, nil)
		status = e.Status
		header := make(http.Header)
		protocol.RESTJSON.SetHeader(header, requestID)
		header.Set(protocol.HeaderErrorType, e.Code)
		return &http.Response{StatusCode: e.Status, Header: header, Body: io.NopCloser(bytes.NewReader(protocol.RESTJSON.AppendError(nil, "", e, requestID))), Request: r}
	}).(*signin.Client)
	_, err := client.CreateOAuth2Token(t.Context(), &signin.CreateOAuth2TokenInput{TokenInput: &signintypes.CreateOAuth2TokenRequestBody{ClientId: aws.String("x"), GrantType: aws.String("y")}})
	got, ok := errors.AsType[*signintypes.AccessDeniedException](err)
	if !ok || status != 401 || got.Error_ != signintypes.OAuth2ErrorCodeTokenExpired || got.ErrorMessage() != message {
		t.Errorf("%d %#v", status, err)
	}
}

type unauthorized struct{ error }

func (e unauthorized) Unwrap() error       { return e.error }
func (e unauthorized) HTTPStatusCode() int { return 401 }

// placed is an input with a member in every place.
type placedInput struct {
	Name   *string
	Count  *int32
	Flags  []string
	Token  *string
	Inside *string
}

type placedOutput struct{ Inside, Token *string }

func placedBinding(t testing.TB) (*protocol.Binding, *protocol.Routes[string]) {
	t.Helper()
	schema := func(name string, kind smithy.ShapeType, ts ...smithy.Trait) *smithy.Schema {
		return smithy.NewSchema(smithy.ShapeID{Namespace: "x", Name: name}, kind, 0, ts...)
	}
	list := schema("List", smithy.ShapeTypeList)
	list.AddMember("member", prelude.String)
	op := schema("Op", smithy.ShapeTypeOperation, &traits.HTTP{Method: "PATCH", URI: "/things/{name}/of?kind=a", Code: 202})
	in := schema("In", smithy.ShapeTypeStructure)
	in.AddMember("name", prelude.String, &traits.HTTPLabel{})
	in.AddMember("count", prelude.Integer, &traits.HTTPQuery{Name: "n"})
	in.AddMember("flags", list, &traits.HTTPQuery{Name: "flag"})
	in.AddMember("token", prelude.String, &traits.HTTPHeader{Name: "x-token"})
	in.AddMember("inside", prelude.String)
	out := schema("Out", smithy.ShapeTypeStructure)
	out.AddMember("inside", prelude.String)
	out.AddMember("token", prelude.String, &traits.HTTPHeader{Name: "x-token"})
	b, err := protocol.Bind(smithy.NewOperationSchema(op, in, out), reflect.TypeFor[placedInput](), reflect.TypeFor[placedOutput]())
	if err != nil {
		t.Fatal(err)
	}
	routes := routesOf(t, op)
	return b, routes
}

func routesOf(t testing.TB, ops ...*smithy.Schema) *protocol.Routes[string] {
	t.Helper()
	routes := new(protocol.Routes[string])
	for _, op := range ops {
		if err := routes.Add(op, op.ID().Name); err != nil {
			t.Fatal(err)
		}
	}
	return routes
}

func TestRESTPlaces(t *testing.T) {
	b, routes := placedBinding(t)
	for _, c := range []struct {
		method, path, query string
		want                bool
	}{
		{"PATCH", "/things/a%2Fb/of", "kind=a&n=1", true},
		{"PATCH", "/things/a/of", "n=1", false}, {"PATCH", "/things/a/of", "kind=b", false}, {"POST", "/things/a/of", "kind=a", false},
		{"PATCH", "/things//of", "kind=a", false}, {"PATCH", "/things/a/of/", "kind=a", false}, {"PATCH", "/things/a/b/of", "kind=a", false}, {"PATCH", "/Things/a/of", "kind=a", false},
	} {
		query, err := protocol.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := routes.Find(c.method, c.path, query); ok != c.want {
			t.Errorf("%s %s?%s: %v", c.method, c.path, c.query, ok)
		}
	}
	decode := func(path, query string, h http.Header, body string) (placedInput, error) {
		var in placedInput
		form, err := protocol.ParseQuery(query)
		if err != nil {
			return in, err
		}
		return in, b.Decode(path, form, h, []byte(body), &in)
	}
	in, err := decode("/things/a%2Fb%20c/of", "kind=a&n=-3&flag=x&flag=y%26", http.Header{"X-Token": {"t"}}, `{"inside":"i","other":1}`)
	if err != nil || aws.ToString(in.Name) != "a/b c" || aws.ToInt32(in.Count) != -3 || !reflect.DeepEqual(in.Flags, []string{"x", "y&"}) || aws.ToString(in.Token) != "t" || aws.ToString(in.Inside) != "i" {
		t.Errorf("%+v, %v", in, err)
	}
	for _, c := range []struct {
		path, query string
		header      http.Header
		body        string
	}{
		{"/things/%zz/of", "kind=a", nil, ""}, {"/things/%ff/of", "kind=a", nil, ""},
		{"/things/a/of", "kind=a&n=1&n=2", nil, ""}, {"/things/a/of", "kind=a&n=x", nil, ""}, {"/things/a/of", "kind=a&n=2147483648", nil, ""}, {"/things/a/of", "n=1&N=2", nil, ""},
		{"/things/a/of", "kind=a", http.Header{"X-Token": {"a", "b"}}, ""}, {"/things/a/of", "kind=a", http.Header{"X-Token": {"\xff"}}, ""},
		{"/things/a/of", "kind=a", nil, `{"name":"b","name":"c"}`}, {"/things/a/of", "kind=a", nil, `{"Inside":"x"}`}, {"/things/a/of", "kind=a", nil, `[]`}, {"/things/a/of", "kind=a", nil, `{} {}`},
	} {
		if in, err := decode(c.path, c.query, c.header, c.body); err == nil {
			t.Errorf("%+v: %+v", c, in)
		} else if status := protocol.ErrorOf(err, nil).Status; status != 400 {
			t.Errorf("%+v: %d", c, status)
		}
	}
	// A member that has its place in the URI is nothing in the body.
	if in, err := decode("/things/a/of", "kind=a", nil, `{"name":"b","token":"t"}`); err != nil || *in.Name != "a" || in.Token != nil {
		t.Errorf("%+v, %v", in, err)
	}
	header := make(http.Header)
	body, status, err := b.AppendResponse([]byte("kept:"), header, &placedOutput{Inside: aws.String("i"), Token: aws.String("t")})
	if err != nil || string(body) != `kept:{"inside":"i"}` || status != 202 || header.Get("X-Token") != "t" {
		t.Errorf("%s %d %v %v", body, status, header, err)
	}
	if body, _, err := b.AppendResponse(nil, header, (*placedOutput)(nil)); err != nil || string(body) != "{}" {
		t.Errorf("%s %v", body, err)
	}
}

// Whatever comes, a request that is refused is the client's fault, and nothing panics.
func FuzzREST(f *testing.F) {
	b, routes := placedBinding(f)
	f.Add("PATCH", "/things/a%2Fb/of", "kind=a&n=1&flag=x&flag=y", "t", []byte(`{"inside":"i"}`))
	f.Add("PATCH", "/things/%zz/of", "kind=a", "\xff", []byte(`{`))
	f.Fuzz(func(t *testing.T, method, path, rawQuery, token string, body []byte) {
		query, err := protocol.ParseQuery(rawQuery)
		if err == nil {
			if _, ok := routes.Find(method, path, query); !ok {
				return
			}
			var in placedInput
			if err = b.Decode(path, query, http.Header{"X-Token": {token}}, body, &in); err == nil {
				if in.Name == nil {
					t.Errorf("%s: no label", path)
				}
				return
			}
		}
		if status := protocol.ErrorOf(err, nil).Status; status < 400 || status > 499 {
			t.Errorf("%d: %v", status, err)
		}
	})
}
