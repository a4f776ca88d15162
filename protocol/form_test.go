package protocol_test

import (
	"errors"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/protocol"
)

// code returns the AWS error code of err, "" for nil.
func code(err error) string {
	if err == nil {
		return ""
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return "not an AWS error: " + err.Error()
}

func TestParseForm(t *testing.T) {
	for _, test := range []struct {
		raw  string
		want map[string]string
	}{
		{"", nil},
		{"Action=GetUser&Version=2010-05-08", map[string]string{"Action": "GetUser", "Version": "2010-05-08"}},
		{"a=1+2%2B3%20%e4%B8%96", map[string]string{"a": "1 2+3 世"}},
		{"a=x=y%26z", map[string]string{"a": "x=y&z"}},
		{"a=&b", map[string]string{"a": "", "b": ""}},
		{"&a=1&&b=2&", map[string]string{"a": "1", "b": "2"}},
		{"T%61gs.member.1=%00", map[string]string{"Tags.member.1": "\x00"}},
	} {
		form, err := protocol.ParseForm([]byte(test.raw))
		if err != nil {
			t.Errorf("%q: %v", test.raw, err)
			continue
		}
		if form.Len() != len(test.want) {
			t.Errorf("%q: %d parameters, want %d", test.raw, form.Len(), len(test.want))
		}
		for name, value := range test.want {
			if got, ok := form.Lookup(name); !ok || got != value {
				t.Errorf("%q: %s = %q, %v, want %q", test.raw, name, got, ok, value)
			}
		}
		for name, value := range form.All() {
			if want, ok := test.want[name]; !ok || want != value {
				t.Errorf("%q: unexpected %s=%q", test.raw, name, value)
			}
		}
	}
}

func TestParseFormRefuses(t *testing.T) {
	for _, raw := range []string{
		"=1",                         // no name
		"a=%",                        // no digits
		"a=%4",                       // one digit
		"a=%zz",                      // not digits
		"a%2=1",                      // in the name
		"a=%ff",                      // not UTF-8
		"a=\xc3",                     // unfinished UTF-8
		"a=%ed%a0%80",                // a surrogate
		"a=%c0%af",                   // an over-long form
		"%00=1",                      // control character in a name
		"a b=1", "a+b=1", "\u00e9=1", // nothing but printable ASCII in names
		strings.Repeat("x", 600) + "=1",
		"a=1&a=1",                         // duplicate, even if equal
		"a=1&b=2&%61=3",                   // duplicate once unescaped
		"Tags.member.1=a&tags.member.1=b", // case twins
	} {
		form, err := protocol.ParseForm([]byte(raw))
		if code(err) != "MalformedQueryString" {
			t.Errorf("%.40q: %q", raw, code(err))
		}
		if form.Len() != 0 {
			t.Errorf("%.40q: a refused form has parameters", raw)
		}
	}
}

// T020: names are case-sensitive and their twins are refused.
func TestT020_CaseTwins(t *testing.T) {
	for _, raw := range []string{
		"X-Amz-Credential=a&x-amz-credential=b",
		"Action=GetUser&action=DeleteUser",
		"Action=GetUser&ACTION=GetUser",
		"action=GetUser",
		"Action=GetUser&version=2010-05-08",
	} {
		if _, err := protocol.ParseForm([]byte(raw)); code(err) != "MalformedQueryString" {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// T021: parameters come from the query string or from the body, never both.
func TestT021_OneSource(t *testing.T) {
	const signed = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"
	for _, test := range []struct {
		query, body string
		action      string // "" if the request is refused
	}{
		{"", "Action=GetUser&Version=2010-05-08", "GetUser"},
		{"Action=GetUser&Version=2010-05-08", "", "GetUser"},
		{"Action=GetUser&Version=2010-05-08&" + signed, "", "GetUser"},
		{signed, "Action=GetUser&Version=2010-05-08", "GetUser"},
		{"Action=GetUser", "Action=DeleteUser", ""},
		{"Action=GetUser", "Version=2010-05-08", ""},
		{"Version=2010-05-08", "Action=GetUser", ""},
		{"UserName=a", "Action=GetUser", ""},
		{signed, "Action=GetUser&X-Amz-Signature=11", ""},
		{"", "Action=GetUser&x-amz-credential=a", ""},
	} {
		query, err := protocol.ParseForm([]byte(test.query))
		if err != nil {
			t.Fatal(err)
		}
		body, err := protocol.ParseForm([]byte(test.body))
		if err != nil {
			t.Fatal(err)
		}
		form, err := protocol.RequestForm(query, body)
		if form.Get("Action") != test.action || (test.action == "") != (code(err) == "MalformedQueryString") {
			t.Errorf("%q and %q: Action=%q, %v", test.query, test.body, form.Get("Action"), err)
		}
	}
}

// T050: one splitting rule ('&' alone), bad escapes and too many parameters
// refused, nothing dropped.
func TestT050_OneSplittingRule(t *testing.T) {
	form, err := protocol.ParseForm([]byte("x=1;y=2"))
	if err != nil || form.Len() != 1 || form.Get("x") != "1;y=2" {
		t.Errorf("';' must be an ordinary character: %q, %v", form.Get("x"), err)
	}
	if _, err := protocol.ParseForm([]byte("z=%zz")); code(err) != "MalformedQueryString" {
		t.Errorf("bad escape: %v", err)
	}
	if _, err := protocol.ParseForm(parameters(10_001)); code(err) != "MalformedQueryString" {
		t.Errorf("10,001 parameters: %v", err)
	}
	if _, err := protocol.ParseForm(parameters(2_001)); code(err) != "MalformedQueryString" {
		t.Errorf("2,001 parameters: %v", err)
	}
	if form, err := protocol.ParseForm(parameters(protocol.MaxParameters)); err != nil || form.Len() != protocol.MaxParameters {
		t.Errorf("%d parameters: %d, %v", protocol.MaxParameters, form.Len(), err)
	}
	if _, err := protocol.ParseForm(parameters(protocol.MaxParameters + 1)); code(err) != "MalformedQueryString" {
		t.Errorf("%d parameters: %v", protocol.MaxParameters+1, err)
	}
}

// T402: a body of 10 MB is refused before it costs anything.
func TestT402_LargeBodies(t *testing.T) {
	large := []byte("a=" + strings.Repeat("x", 10<<20))
	if _, err := protocol.ParseForm(large); code(err) != "RequestEntityTooLarge" {
		t.Errorf("form: %v", err)
	}
	if allocs := testing.AllocsPerRun(10, func() { protocol.ParseForm(large) }); allocs > 2 {
		t.Errorf("refusing a large form allocates %v times", allocs)
	}
	if err := protocol.DecodeJSON(large, &struct{}{}); code(err) != "RequestEntityTooLarge" {
		t.Errorf("JSON: %v", err)
	}
	if body := protocol.ErrorOf(protocol.DecodeJSON(large, &struct{}{}), nil); body.Status != 413 {
		t.Errorf("status %d", body.Status)
	}
}

// T625: 10^5 keys are refused without a map of them being built.
func TestT625_HundredThousandKeys(t *testing.T) {
	keys := parameters(100_000)
	if _, err := protocol.ParseForm(keys); code(err) == "" {
		t.Error("accepted")
	}
	if allocs := testing.AllocsPerRun(10, func() { protocol.ParseForm(keys) }); allocs > 2 {
		t.Errorf("%v allocations", allocs)
	}
}

// A value that is kept must not keep the large body it came in.
func TestValuesDoNotPinLargeBodies(t *testing.T) {
	junk := strings.Repeat("x", protocol.MaxBody-100)
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	var kept []*string
	for range 16 {
		var form, json everything
		if err := decodeQuery(t, "Text=alice&Junk="+junk, &form); err != nil {
			t.Fatal(err)
		}
		if err := protocol.DecodeJSON([]byte(`{"Text":"alice","Junk":"`+junk+`"}`), &json); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, form.Text, json.Text)
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d names of 5 bytes keep %d bytes", len(kept), after-before)
	}
	runtime.KeepAlive(kept)
}

func parameters(n int) []byte {
	var raw []byte
	for i := range n {
		raw = append(raw, 'p')
		raw = strconv.AppendInt(raw, int64(i), 10)
		raw = append(raw, "=v&"...)
	}
	return raw[:len(raw)-1]
}

// What net/url encodes, ParseForm reads back, whatever the values.
func TestParseFormReadsWhatURLEncodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(rapid.StringMatching(`[B-Z][A-Za-z.0-9-]{0,20}`), rapid.String(), 0, 20).Draw(t, "parameters")
		values, folded := url.Values{}, map[string]bool{}
		for name, value := range want {
			if lower := strings.ToLower(name); folded[lower] || lower == "version" {
				delete(want, name)
			} else {
				folded[lower] = true
				values.Set(name, value)
			}
		}
		form, err := protocol.ParseForm([]byte(values.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if form.Len() != len(want) {
			t.Fatalf("%d parameters, want %d", form.Len(), len(want))
		}
		for name, value := range want {
			if got := form.Get(name); got != value {
				t.Fatalf("%s = %q, want %q", name, got, value)
			}
		}
	})
}

func FuzzParseForm(f *testing.F) {
	f.Add([]byte("Action=GetUser&Version=2010-05-08&UserName=%e4%b8%96+x"))
	f.Add([]byte("Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.10.Key=c&Tags=&tags-x=1"))
	f.Add([]byte("x=1;y=2&z=%zz&&=&a%00=%ff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		form, err := protocol.ParseForm(raw)
		if err != nil {
			if form.Len() != 0 || code(err) == "" {
				t.Fatalf("refused with %v and %d parameters", err, form.Len())
			}
			return
		}
		// What was accepted means the same to another strict reader.
		values, err := url.ParseQuery(strings.ReplaceAll(string(raw), ";", "%3B"))
		if err != nil {
			t.Fatalf("net/url refuses what we accept: %v", err)
		}
		if len(values) != form.Len() {
			t.Fatalf("%d parameters, net/url sees %d", form.Len(), len(values))
		}
		for name, value := range form.All() {
			if got, ok := form.Lookup(name); !ok || got != value || values.Get(name) != value || len(values[name]) != 1 {
				t.Fatalf("%q = %q, net/url sees %q", name, value, values[name])
			}
		}
	})
}
