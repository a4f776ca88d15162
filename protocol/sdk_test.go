package protocol_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cloudtrailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/protocol"
)

// These tests hold the codecs against the SDK's real clients: what a client
// sends for a random input must decode to that input, and what we encode for a
// random output must reach the client's caller as that output.

// roundTrip is an HTTP transport that answers from a function.
type roundTrip func(body []byte, h http.Header) (status int, answer []byte)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status, answer := f(body, r.Header)
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{},
		Body:       io.NopCloser(bytes.NewReader(answer)),
		Request:    r,
	}, nil
}

// sdk is one service's client and what its wire needs to know.
type sdk struct {
	name      string
	namespace string // "" for awsJson
	client    func(roundTrip) any
}

func sdks() []sdk {
	endpoint := aws.String("http://127.0.0.1")
	return []sdk{
		{"iam", protocol.Namespace("iam", "2010-05-08"), func(f roundTrip) any {
			return iam.New(iam.Options{BaseEndpoint: endpoint, Region: "us-east-1", HTTPClient: f, Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{}})
		}},
		{"sts", protocol.Namespace("sts", "2011-06-15"), func(f roundTrip) any {
			return sts.New(sts.Options{BaseEndpoint: endpoint, Region: "us-east-1", HTTPClient: f, Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{}})
		}},
		{"cloudtrail", "", func(f roundTrip) any {
			return cloudtrail.New(cloudtrail.Options{BaseEndpoint: endpoint, Region: "us-east-1", HTTPClient: f, Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{}})
		}},
	}
}

func (s sdk) decode(body []byte, in any) error {
	if s.namespace == "" {
		return protocol.DecodeJSON(body, in)
	}
	form, err := protocol.ParseForm(body)
	if err != nil {
		return err
	}
	return protocol.DecodeQuery(form, in)
}

func (s sdk) encode(operation string, out any) ([]byte, error) {
	if s.namespace == "" {
		return protocol.AppendJSON(nil, out)
	}
	return protocol.AppendQueryResponse(nil, s.namespace, operation, out, requestID)
}

const requestID = "4a1c0e2e-b206-47b1-8d5e-0f3c2a9b7d61"

// operations yields the methods of a client that are operations.
func operations(client reflect.Type) (ops []reflect.Method) {
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Type.NumIn() == 4 && m.Type.IsVariadic() && m.Type.NumOut() == 2 {
			ops = append(ops, m)
		}
	}
	return ops
}

// call sends in through the client and returns the caller's view of the answer.
func call(client any, op reflect.Method, in reflect.Value) (any, error) {
	out := op.Func.Call([]reflect.Value{reflect.ValueOf(client), reflect.ValueOf(context.Background()), in})
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}

func TestSDKRoundTrip(t *testing.T) {
	t.Parallel()
	total := 0
	for _, service := range sdks() {
		var (
			sent, answer []byte
			sentHeader   http.Header
		)
		client := service.client(func(body []byte, h http.Header) (int, []byte) {
			sent, sentHeader = body, h
			return 200, answer
		})
		for n, op := range operations(reflect.TypeOf(client)) {
			total++
			t.Run(service.name+"/"+op.Name, func(t *testing.T) {
				filler := filler{rand: rand.New(rand.NewPCG(2026, uint64(n)))}
				filler.millis = service.namespace == ""
				for round := range 10 {
					// The first round sets everything, so that every member's
					// name is tried; the others leave some out.
					filler.complete = round == 0
					in := filler.new(op.Type.In(2).Elem())
					out := filler.new(op.Type.Out(0).Elem())
					var err error
					if answer, err = service.encode(op.Name, out.Interface()); err != nil {
						t.Fatal(err)
					}
					got, err := call(client, op, in)
					if _, missing := errors.AsType[smithy.InvalidParamsError](err); missing {
						continue // a required member was left out: the client does not send
					}
					if err != nil {
						t.Fatalf("client: %v\nanswer: %s", err, answer)
					}
					decoded := reflect.New(in.Type().Elem())
					if err := service.decode(sent, decoded.Interface()); err != nil {
						t.Fatalf("decode: %v\nsent: %s", err, sent)
					}
					if diff := difference(in, decoded, "in"); diff != "" {
						t.Fatalf("%s\nsent: %s", diff, sent)
					}
					if diff := difference(out, reflect.ValueOf(got), "out"); diff != "" {
						t.Fatalf("%s\nanswer: %s", diff, answer)
					}
				}
				checkDispatch(t, service, op.Name, sent, sentHeader)
			})
		}
	}
	if total < 250 {
		t.Errorf("only %d operations found", total)
	}
}

// checkDispatch checks that the operation can be told from the request.
func checkDispatch(t *testing.T, service sdk, operation string, body []byte, h http.Header) {
	t.Helper()
	if service.namespace == "" {
		prefix, name, ok := protocol.ParseTarget(h.Get("X-Amz-Target"))
		if !ok || prefix != "CloudTrail_20131101" || name != operation {
			t.Errorf("target %q: %q %q %v", h.Get("X-Amz-Target"), prefix, name, ok)
		}
		if err := protocol.JSON11.CheckHeader(h); err != nil {
			t.Error(err)
		}
		return
	}
	form, err := protocol.ParseForm(body)
	if err != nil {
		t.Fatal(err)
	}
	if protocol.Namespace(service.name, form.Get("Version")) != service.namespace || form.Get("Action") != operation {
		t.Errorf("Action=%q Version=%q", form.Get("Action"), form.Get("Version"))
	}
	if err := protocol.Query.CheckHeader(h); err != nil {
		t.Error(err)
	}
}

// filler makes random values of SDK types.
type filler struct {
	rand     *rand.Rand
	complete bool // leave nothing out
	millis   bool // timestamps have milliseconds
}

func (f filler) new(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	f.fill(v.Elem(), true)
	return v
}

func (f filler) fill(v reflect.Value, top bool) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), false)
	case reflect.String:
		v.SetString(f.text())
	case reflect.Bool:
		v.SetBool(f.rand.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(int32(f.rand.Uint32())))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(float32(f.rand.NormFloat64() * 1e6)))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(f.text()))
			return
		}
		n := f.rand.IntN(14) // beyond 9: member.10 sorts before member.2
		if f.complete {
			n = max(n, 1)
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(v.Index(i), false)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 3 {
			elem := reflect.New(v.Type().Elem()).Elem()
			f.fill(elem, false)
			v.SetMapIndex(reflect.ValueOf(f.text()).Convert(v.Type().Key()), elem)
		}
	case reflect.Struct:
		f.fillStruct(v, top)
	case reflect.Interface:
		if v.Type() != reflect.TypeFor[iamtypes.PolicyIdentifier]() {
			panic("unknown union " + v.Type().String())
		}
		members := []any{
			&iamtypes.PolicyIdentifierMemberPolicyArn{},
			&iamtypes.PolicyIdentifierMemberPolicyType{},
			&iamtypes.PolicyIdentifierMemberInlinePolicyIdentifier{},
		}
		member := reflect.ValueOf(members[f.rand.IntN(len(members))])
		f.fill(member.Elem().FieldByName("Value"), false)
		v.Set(member)
	default:
		panic("unknown type " + v.Type().String())
	}
}

func (f filler) fillStruct(v reflect.Value, top bool) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		at := time.Unix(f.rand.Int64N(1<<32), 0)
		if f.millis {
			at = at.Add(time.Duration(f.rand.IntN(1000)) * time.Millisecond)
		}
		v.Set(reflect.ValueOf(at.UTC()))
		return
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || field.Name == "ResultMetadata" {
			continue
		}
		// Nested structures are always complete: one without members cannot be
		// said in awsQuery. Clients make up tokens that are left out.
		if top && !f.complete && f.rand.IntN(4) == 0 && field.Name != "ClientToken" {
			continue
		}
		f.fill(v.Field(i), false)
	}
}

func (f filler) text() string {
	alphabet := []rune("abcXYZ019 -_.~/:;=+&%#?@!*'\"\\<>]\t\n\r\u0085\u00a0éß\u2028世界\ufffd😀")
	text := make([]rune, 1+f.rand.IntN(12))
	for i := range text {
		text[i] = alphabet[f.rand.IntN(len(alphabet))]
	}
	return string(text)
}

// difference describes where a and b, of one type, differ, or returns "".
func difference(a, b reflect.Value, path string) string {
	if a.Type() == reflect.TypeFor[time.Time]() {
		// The awsJson client loses a millisecond in floating point at times.
		if x, y := a.Interface().(time.Time), b.Interface().(time.Time); x.Sub(y).Abs() > time.Millisecond {
			return fmt.Sprintf("%s: %v, got %v", path, x, y)
		}
		return ""
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			if a.IsNil() != b.IsNil() {
				return fmt.Sprintf("%s: nil %v, got %v", path, a.IsNil(), b.IsNil())
			}
			return ""
		}
		if a.Elem().Type() != b.Elem().Type() {
			return fmt.Sprintf("%s: %v, got %v", path, a.Elem().Type(), b.Elem().Type())
		}
		return difference(a.Elem(), b.Elem(), path)
	case reflect.Struct:
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() && f.Name != "ResultMetadata" {
				if diff := difference(a.Field(i), b.Field(i), path+"."+f.Name); diff != "" {
					return diff
				}
			}
		}
		return ""
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return fmt.Sprintf("%s: %d elements (nil %v), got %d (nil %v)", path, a.Len(), a.IsNil(), b.Len(), b.IsNil())
		}
		for i := range a.Len() {
			if diff := difference(a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i)); diff != "" {
				return diff
			}
		}
		return ""
	}
	if !reflect.DeepEqual(a.Interface(), b.Interface()) {
		return fmt.Sprintf("%s: %q, got %q", path, fmt.Sprint(a), fmt.Sprint(b))
	}
	return ""
}

// TestSDKRequestSnapshots decodes the requests that the SDK keeps as its own
// golden files and has the client send what came out: it must be the snapshot
// again, byte for byte.
func TestSDKRequestSnapshots(t *testing.T) {
	t.Parallel()
	for _, service := range sdks()[:2] { // cloudtrail keeps none
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service.name).Output()
		if err != nil {
			t.Skipf("the go command does not tell where the SDK is: %v", err)
		}
		var sent []byte
		client := service.client(func(body []byte, _ http.Header) (int, []byte) {
			sent = body
			return 500, nil
		})
		for _, op := range operations(reflect.TypeOf(client)) {
			t.Run(service.name+"/"+op.Name, func(t *testing.T) {
				snapshot, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "request_snapshot", op.Name+".request.snap"))
				if err != nil {
					t.Fatal(err)
				}
				body := snapshot[bytes.LastIndexByte(snapshot, '\n')+1:]
				in := reflect.New(op.Type.In(2).Elem())
				if err := service.decode(body, in.Interface()); err != nil {
					t.Fatal(err)
				}
				call(client, op, in)
				if !bytes.Equal(sent, body) {
					t.Errorf("sent\n%s\nwant\n%s", sent, body)
				}
			})
		}
	}
}

// TestSDKErrors checks that a client's caller gets the typed exception back
// that the server returned.
func TestSDKErrors(t *testing.T) {
	t.Parallel()
	message := "The user with name <a>&\"b\" cannot be found."
	for _, test := range []struct {
		service string
		err     smithy.APIError
		send    func(client any) error
	}{
		{"iam", &iamtypes.NoSuchEntityException{Message: &message}, func(client any) error {
			_, err := client.(*iam.Client).GetUser(context.Background(), &iam.GetUserInput{})
			return err
		}},
		{"cloudtrail", &cloudtrailtypes.TrailNotFoundException{Message: &message}, func(client any) error {
			_, err := client.(*cloudtrail.Client).GetTrail(context.Background(), &cloudtrail.GetTrailInput{Name: aws.String("x")})
			return err
		}},
	} {
		for _, service := range sdks() {
			if service.name != test.service {
				continue
			}
			speaks := protocol.Query
			if service.namespace == "" {
				speaks = protocol.JSON11
			}
			client := service.client(func([]byte, http.Header) (int, []byte) {
				body := protocol.ErrorOf(fmt.Errorf("wrapped: %w", test.err), nil)
				return body.Status, speaks.AppendError(nil, service.namespace, body, requestID)
			})
			err := test.send(client)
			got, ok := errors.AsType[smithy.APIError](err)
			if !ok || reflect.TypeOf(got) != reflect.TypeOf(test.err) || got.ErrorMessage() != message {
				t.Errorf("%s: got %#v", service.name, err)
			}
		}
	}
}
