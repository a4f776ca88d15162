package protocol_test

//lint:file-ignore SA1019 PackedPolicySize is what every client but the newest SDK reads.

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/protocol"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func decodeQuery(t *testing.T, body string, in any) error {
	t.Helper()
	form, err := protocol.ParseForm([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return protocol.DecodeQuery(form, in)
}

// everything has a member of each kind that a form can carry, some of which
// today's models use in outputs only.
type everything struct {
	Text      *string
	Enum      iamtypes.StatusType
	Flag      bool
	Maybe     *bool
	Small     *int32
	Large     *int64
	Real      *float64
	When      *time.Time
	Blob      []byte
	List      []string
	Lists     [][]string
	Tags      []iamtypes.Tag
	Map       map[string]int32
	TagMap    map[string]iamtypes.Tag
	Tag       *iamtypes.Tag
	Exclusion iamtypes.PolicyIdentifier
}

func TestDecodeQuery(t *testing.T) {
	for _, test := range []struct {
		body string
		want everything
	}{
		{"", everything{}},
		{"Action=X&Version=1&Unknown.member.1.Deep=x", everything{}},
		{"Text=&Enum=Active", everything{Text: aws.String(""), Enum: "Active"}},
		{"Flag=true&Maybe=false", everything{Flag: true, Maybe: aws.Bool(false)}},
		{"Small=-2147483648&Large=9223372036854775807&Real=-1.5e3", everything{Small: aws.Int32(-1 << 31), Large: aws.Int64(1<<63 - 1), Real: aws.Float64(-1500)}},
		{"When=2019-12-31T12:00:00Z", everything{When: aws.Time(time.Date(2019, 12, 31, 12, 0, 0, 0, time.UTC))}},
		{"When=2019-12-31T13:00:00.25%2B01:00", everything{When: aws.Time(time.Date(2019, 12, 31, 12, 0, 0, 25e7, time.UTC))}},
		{"Blob=AP8%3D&List=", everything{Blob: []byte{0, 255}, List: []string{}}},
		{"List.member.2=b&List.member.1=a", everything{List: []string{"a", "b"}}},
		{"Lists.member.1.member.1=a&Lists.member.2=", everything{Lists: [][]string{{"a"}, {}}}},
		{"Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.1.New=x", everything{Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}},
		{"Map.entry.1.key=a&Map.entry.1.value=1&Map.entry.2.key=b&Map.entry.2.value=2", everything{Map: map[string]int32{"a": 1, "b": 2}}},
		{"Map=", everything{Map: map[string]int32{}}},
		{"TagMap.entry.1.key=a&TagMap.entry.1.value.Key=k", everything{TagMap: map[string]iamtypes.Tag{"a": {Key: aws.String("k")}}}},
		{"Tag.Value=v", everything{Tag: &iamtypes.Tag{Value: aws.String("v")}}},
		{"Exclusion.PolicyArn=arn", everything{Exclusion: &iamtypes.PolicyIdentifierMemberPolicyArn{Value: "arn"}}},
	} {
		var got everything
		if err := decodeQuery(t, test.body, &got); err != nil {
			t.Errorf("%s: %v", test.body, err)
		} else if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %s", test.body, difference(reflect.ValueOf(test.want), reflect.ValueOf(got), "in"))
		}
	}

	// Eleven elements: member.10 and member.11 sort before member.2.
	var list everything
	if err := decodeQuery(t, "List.member.1=1&List.member.2=2&List.member.3=3&List.member.4=4&List.member.5=5&List.member.6=6&List.member.7=7&List.member.8=8&List.member.9=9&List.member.10=10&List.member.11=11", &list); err != nil {
		t.Error(err)
	} else if got := strings.Join(list.List, " "); got != "1 2 3 4 5 6 7 8 9 10 11" {
		t.Error(got)
	}
}

func TestDecodeQueryRefuses(t *testing.T) {
	for _, body := range []string{
		"text=x", "TAGS.member.1.Key=x", "Tags.member.1.key=x", // a member's name in another case
		"Text.member.1=x", "Text.x=1", // a list, a structure where a scalar belongs
		"Text=x&Text.member.1=y",
		"Flag=1", "Flag=True", "Flag=", "Maybe=yes",
		"Small=2147483648", "Small=1.0", "Small=", "Small=%2B1", "Small=0x1", "Small=1_000", "Large=9223372036854775808",
		"Real=1e999", "Real=one", "Real=",
		"When=1577793600", "When=2019-12-31", "When=2019-13-31T12:00:00Z", "When=",
		"Blob=A", "Blob=AP9=", "Blob=AP8",
		"List=x", "List=&List.member.1=x", "List.1=x", "List.member=x", "List.member.=x", "List.entry.1=x", "List.Member.1=x",
		"List.member.0=x", "List.member.01=x", "List.member.-1=x", "List.member.%2B1=x", "List.member.a=x",
		"List.member.2=x",                    // a gap
		"List.member.1=x&List.member.3=y",    // a gap
		"List.member.1.x=y",                  // too deep
		"List.member.18446744073709551617=x", // beyond 64 bits
		"List.member.1=a&List.member.1.x=b",  // both
		"Tags.member.1=x",                    // a scalar where a structure belongs
		"Tag=", "Tag=x",
		"Map=x", "Map.entry.1.key=a", "Map.entry.1.value=1", "Map.entry.1.key=a&Map.entry.1.value=x",
		"Map.entry.1=x", "Map.entry.1.key=a&Map.entry.1.value=1&Map.entry.1.more=2",
		"Map.entry.1.key.x=a&Map.entry.1.value=1",
		"Map.entry.2.key=a&Map.entry.2.value=1",
		"Map.entry.1.key=a&Map.entry.1.value=1&Map.entry.2.key=a&Map.entry.2.value=2",
		"Map.member.1.key=a&Map.member.1.value=1",
		"Exclusion=x", "Exclusion.Other=x", "Exclusion.PolicyArn=a&Exclusion.PolicyType=b",
	} {
		if err := decodeQuery(t, body, new(everything)); code(err) != "MalformedInput" {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A value in the wrong place must not come back in the message: it may be a
// secret.
func TestDecodeQueryErrorsHoldNoValues(t *testing.T) {
	for _, body := range []string{"Flag=hunter2", "Small=hunter2", "When=hunter2", "Blob=hunter2!", "List=hunter2", "Tag=hunter2"} {
		err := decodeQuery(t, body, new(everything))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestDecodeNeedsAnInputStruct(t *testing.T) {
	form, _ := protocol.ParseForm([]byte("A=1"))
	var nilInput *iam.GetUserInput
	for _, in := range []any{nil, everything{}, new(int), nilInput, &struct{ C chan int }{}} {
		for _, err := range []error{protocol.DecodeQuery(form, in), protocol.DecodeJSON([]byte("{}"), in)} {
			if _, clients := errors.AsType[smithy.APIError](err); err == nil || clients {
				t.Errorf("%T: %v", in, err)
			}
		}
	}
}

func TestAppendQueryResponse(t *testing.T) {
	at := aws.Time(time.Date(2019, 12, 31, 13, 0, 0, 999, time.FixedZone("", 3600)))
	iamNamespace := protocol.Namespace("iam", "2010-05-08")
	for _, test := range []struct {
		golden, namespace, operation string
		out                          any
	}{
		{"CreateUser.xml", iamNamespace, "CreateUser", &iam.CreateUserOutput{User: &iamtypes.User{
			UserName: aws.String("Bob"), UserId: aws.String("AIDAJQABLZS4A3QDU576Q"), Path: aws.String("/a&b/"),
			Arn: aws.String("arn:aws:iam::123456789012:user/a&b/Bob"), CreateDate: at,
			Tags: []iamtypes.Tag{{Key: aws.String("quote"), Value: aws.String("<\"'>\r\n\t")}, {Key: aws.String("empty"), Value: aws.String("")}},
		}}},
		{"ListUsers.xml", iamNamespace, "ListUsers", &iam.ListUsersOutput{Users: []iamtypes.User{}}},
		{"GetAccountSummary.xml", iamNamespace, "GetAccountSummary", iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{"UsersQuota": 5000, "Users": 1}}},
		{"DeleteUser.xml", iamNamespace, "DeleteUser", &iam.DeleteUserOutput{}},
		{"UpdateRole.xml", iamNamespace, "UpdateRole", nil},
		{"CreateVirtualMFADevice.xml", iamNamespace, "CreateVirtualMFADevice", &iam.CreateVirtualMFADeviceOutput{VirtualMFADevice: &iamtypes.VirtualMFADevice{
			SerialNumber: aws.String("arn:aws:iam::123456789012:mfa/Bob"), QRCodePNG: []byte("\x89PNG"),
		}}},
		{"ListDelegationRequests.xml", iamNamespace, "ListDelegationRequests", &iam.ListDelegationRequestsOutput{IsTruncated: true, Marker: aws.String("m")}},
		{"GetCallerIdentity.xml", protocol.Namespace("sts", "2011-06-15"), "GetCallerIdentity", &sts.GetCallerIdentityOutput{
			Account: aws.String("123456789012"), Arn: aws.String("arn:aws:iam::123456789012:root"), UserId: aws.String("123456789012"),
		}},
	} {
		got, err := protocol.AppendQueryResponse([]byte("kept:"), test.namespace, test.operation, test.out, requestID)
		if err != nil {
			t.Errorf("%s: %v", test.operation, err)
			continue
		}
		golden(t, test.golden, bytes.TrimPrefix(got, []byte("kept:")))
	}
	if _, err := protocol.AppendQueryResponse(nil, "", "X", &struct{ C chan int }{}, ""); err == nil {
		t.Error("a channel was encoded")
	}
	if _, err := protocol.AppendQueryResponse(nil, "", "X", &struct{ P iamtypes.PolicyIdentifier }{&iamtypes.UnknownUnionMember{}}, ""); err == nil {
		t.Error("an unknown member of a union was encoded")
	}
}

// T056: whatever is echoed, the XML and the JSON stay what they were: one text.
func TestT056_EchoIsEscaped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringOfN(rapid.RuneFrom([]rune("<>&\"']]>\x00\x07\x1b\r\n\t\x7f\u0085\ufffe\uffff\ufffd世😀")), 0, 20, -1),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(t, "text")
		body := protocol.ErrorBody{Code: text, Message: text}
		checkXML(t, protocol.AppendQueryError(nil, "urn:"+text, body, text))
		checkJSONText(t, protocol.AppendJSONError(nil, body), text)
		out, err := protocol.AppendQueryResponse(nil, "urn:x", "GetUser", &iam.GetUserOutput{User: &iamtypes.User{UserName: &text}}, requestID)
		if err != nil {
			t.Fatal(err)
		}
		checkXML(t, out)
		var got struct {
			UserName string `xml:"GetUserResult>User>UserName"`
		}
		if err := xml.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if want := expressible(text); got.UserName != want {
			t.Fatalf("got %q, want %q", got.UserName, want)
		}
	})
}

// expressible returns text with what XML 1.0 cannot say replaced; strings.Map
// does the same to bytes that are not UTF-8.
func expressible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, text)
}

// checkXML fails unless doc is well-formed XML.
func checkXML(t interface{ Fatalf(string, ...any) }, doc []byte) {
	for d := xml.NewDecoder(bytes.NewReader(doc)); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v\n%q", err, doc)
		}
	}
}

func FuzzDecodeQuery(f *testing.F) {
	f.Add([]byte("Text=x&Enum=Active&Flag=true&Small=1&Large=2&Real=1.5&When=2019-12-31T12:00:00Z&Blob=AP8%3D"))
	f.Add([]byte("List.member.1=a&List.member.2=b&Lists.member.1.member.1=c&Tags.member.1.Key=k"))
	f.Add([]byte("Map.entry.1.key=a&Map.entry.1.value=1&TagMap.entry.1.key=a&TagMap.entry.1.value.Key=k&Exclusion.PolicyArn=x"))
	f.Add([]byte("RoleArn=arn&PolicyArns.member.1.arn=x&Tags=&DurationSeconds=900"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		form, err := protocol.ParseForm(raw)
		if err != nil {
			return
		}
		for _, in := range []any{new(everything), new(sts.AssumeRoleInput), new(iam.SimulateCustomPolicyInput)} {
			if err := protocol.DecodeQuery(form, in); err != nil {
				if code(err) != "MalformedInput" {
					t.Fatal(err)
				}
				continue
			}
			// What was accepted can be encoded, into well-formed XML.
			out, err := protocol.AppendQueryResponse(nil, "urn:x", "X", in, requestID)
			if err != nil {
				t.Fatal(err)
			}
			checkXML(t, out)
		}
	})
}

var assumeRoleBody = []byte("Action=AssumeRole&DurationSeconds=3600&ExternalId=unique-id-1234&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fteam%2Fdeploy&RoleSessionName=alice&SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Falice&Tags.member.1.Key=project&Tags.member.1.Value=lanyard&TokenCode=123456&Version=2011-06-15")

var assumeRoleOutput = &sts.AssumeRoleOutput{
	AssumedRoleUser: &ststypes.AssumedRoleUser{
		Arn:           aws.String("arn:aws:sts::123456789012:assumed-role/deploy/alice"),
		AssumedRoleId: aws.String("AROAJQABLZS4A3QDU576Q:alice"),
	},
	Credentials: &ststypes.Credentials{
		AccessKeyId:     aws.String("ASIAIOSFODNN7EXAMPLE"),
		SecretAccessKey: aws.String("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
		SessionToken:    aws.String(strings.Repeat("FwoGZXIvYXdz", 40)),
		Expiration:      aws.Time(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
	},
	PackedPolicySize: aws.Int32(6),
}

func BenchmarkDecodeAssumeRole(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		form, err := protocol.ParseForm(assumeRoleBody)
		if err != nil {
			b.Fatal(err)
		}
		if err := protocol.DecodeQuery(form, new(sts.AssumeRoleInput)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeAssumeRole(b *testing.B) {
	b.ReportAllocs()
	dst, namespace := make([]byte, 0, 4096), protocol.Namespace("sts", "2011-06-15")
	for b.Loop() {
		if _, err := protocol.AppendQueryResponse(dst, namespace, "AssumeRole", assumeRoleOutput, requestID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseFormAtTheLimit(b *testing.B) {
	b.ReportAllocs()
	raw := parameters(protocol.MaxParameters)
	for b.Loop() {
		if _, err := protocol.ParseForm(raw); err != nil {
			b.Fatal(err)
		}
	}
}
