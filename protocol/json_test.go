package protocol_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cloudtrailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/protocol"
)

func TestDecodeJSON(t *testing.T) {
	for _, test := range []struct {
		body string
		want everything
	}{
		{"", everything{}},
		{" {\t}\r\n", everything{}},
		{`{"Text":null,"List":null,"Tag":null,"Flag":null,"Exclusion":null}`, everything{}},
		{`{"New":{"a":[1,-0.5e+3,true,false,null,"x",{}]},"":1}`, everything{}},
		{`{"Text":"","Enum":"Active"}`, everything{Text: aws.String(""), Enum: "Active"}},
		{`{"Text":"a\"\\\/\b\f\n\r\t\u0000\u4e16\ud83d\ude00é😀"}`, everything{Text: aws.String("a\"\\/\b\f\n\r\t\x00世😀é😀")}},
		{`{"Flag":true,"Maybe":false}`, everything{Flag: true, Maybe: aws.Bool(false)}},
		{`{"Small":-2147483648,"Large":9223372036854775807,"Real":-1.5e3}`, everything{Small: aws.Int32(-1 << 31), Large: aws.Int64(1<<63 - 1), Real: aws.Float64(-1500)}},
		{`{"Real":"-Infinity"}`, everything{Real: aws.Float64(math.Inf(-1))}},
		{`{"When":1577793600}`, everything{When: aws.Time(time.Date(2019, 12, 31, 12, 0, 0, 0, time.UTC))}},
		{`{"When":1577793600.101}`, everything{When: aws.Time(time.Date(2019, 12, 31, 12, 0, 0, 101e6, time.UTC))}},
		{`{"When":1.577793600101E9}`, everything{When: aws.Time(time.Date(2019, 12, 31, 12, 0, 0, 101e6, time.UTC))}},
		{`{"When":-0.5}`, everything{When: aws.Time(time.UnixMilli(-500).UTC())}},
		{`{"Blob":"AP8=","List":[]}`, everything{Blob: []byte{0, 255}, List: []string{}}},
		{`{"List":[ "a" , "b" ],"Lists":[["a"],[]]}`, everything{List: []string{"a", "b"}, Lists: [][]string{{"a"}, {}}}},
		{`{"Tags":[{"Key":"k","Value":"v","New":0}],"Tag":{}}`, everything{Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}, Tag: &iamtypes.Tag{}}},
		{`{"Map":{"a":1,"A":2},"TagMap":{"x":{"Key":"k"}}}`, everything{Map: map[string]int32{"a": 1, "A": 2}, TagMap: map[string]iamtypes.Tag{"x": {Key: aws.String("k")}}}},
		{`{"Exclusion":{"PolicyArn":"arn","PolicyType":null}}`, everything{Exclusion: &iamtypes.PolicyIdentifierMemberPolicyArn{Value: "arn"}}},
	} {
		var got everything
		if err := protocol.DecodeJSON([]byte(test.body), &got); err != nil {
			t.Errorf("%s: %v", test.body, err)
		} else if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %s", test.body, difference(reflect.ValueOf(test.want), reflect.ValueOf(got), "in"))
		}
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	for _, body := range []string{
		"null", "[]", `"x"`, "1", "{", "{}}", "{} {}", "{}\x00", "\ufeff{}", "{,}", `{"Text":"x",}`, `{"Text" "x"}`, `{"Text":}`, `{Text:"x"}`, `{'Text':"x"}`,
		"{/**/}",
		`{"Text":"x","Text":"x"}`,         // twice
		`{"Text":null,"Text":"x"}`,        // twice
		`{"Text":"x","\u0054ext":"y"}`,    // twice, one in disguise
		`{"Unknown":1,"Unknown":2}`,       // twice, though not ours
		`{"Unknown":{"a":{"b":1,"b":2}}}`, // twice, deep inside
		`{"Map":{"a":1,"a":2}}`,           // twice in a map
		`{"text":"x"}`,                    // another case
		`{"Tags":[{"key":"x"}]}`,          // another case, deeper
		`{"Text":1}`, `{"Text":["x"]}`, `{"Text":{}}`, `{"Text":true}`,
		"{\"Text\":\"\n\"}", `{"Text":"\x"}`, `{"Text":"\u12"}`, `{"Text":"\u12x4"}`, `{"Text":"x`, `{"Text":"x\`, `{"Text":"x\u`,
		`{"Text":"\ud800"}`, `{"Text":"\udc00\ud800"}`, `{"Text":"\ud800\u0041"}`, `{"Text":"\ud800x"}`, // lone surrogates
		"{\"Text\":\"\xff\"}", "{\"Unknown\":\"\xed\xa0\x80\"}", // not UTF-8
		`{"Flag":"true"}`, `{"Flag":1}`, `{"Flag":True}`, `{"Flag":truth}`,
		`{"Small":2147483648}`, `{"Small":1.0}`, `{"Small":1e3}`, `{"Small":"1"}`, `{"Small":01}`, `{"Small":+1}`, `{"Small":-}`, `{"Small":.5}`, `{"Small":1.}`, `{"Small":0x1}`,
		`{"Real":1e999}`, `{"Real":NaN}`, `{"Real":"1"}`, `{"Real":1e}`, `{"Real":"nan"}`,
		`{"When":"2019-12-31T12:00:00Z"}`, `{"When":1e300}`, `{"When":253402300800}`, `{"When":-253402300800}`,
		`{"Blob":"A"}`, `{"Blob":"AP9="}`, `{"Blob":1}`,
		`{"List":"x"}`, `{"List":{}}`, `{"List":["a",]}`, `{"List":["a" "b"]}`, `{"List":[null]}`, `{"List":["a"}`,
		`{"Map":[]}`, `{"Map":{"a":null}}`, `{"Map":{"a":"1"}}`,
		`{"Exclusion":{}}`, `{"Exclusion":{"Other":1}}`, `{"Exclusion":{"PolicyArn":"a","PolicyType":"b"}}`, `{"Exclusion":"a"}`,
		`{"Unknown":nul}`, `{"Unknown":}`, `{"Unknown":-}`, `{"Unknown":[1,]}`, `{"Unknown":"`,
	} {
		if err := protocol.DecodeJSON([]byte(body), new(everything)); code(err) != "SerializationException" {
			t.Errorf("%s: %v", body, err)
		} else if protocol.ErrorOf(err, nil).Status != 400 {
			t.Errorf("%s: %+v", body, protocol.ErrorOf(err, nil))
		}
	}
}

// T549: deep and wide JSON costs little and is refused.
func TestT549_DeepAndWideJSON(t *testing.T) {
	nested := func(open, close string, levels int) []byte {
		return []byte(`{"Unknown":` + strings.Repeat(open, levels) + "1" + strings.Repeat(close, levels) + "}")
	}
	for _, shape := range [][2]string{{"[", "]"}, {`{"a":`, "}"}} {
		if err := protocol.DecodeJSON(nested(shape[0], shape[1], 63), new(everything)); err != nil {
			t.Errorf("64 levels of %s: %v", shape[0], err)
		}
		for _, levels := range []int{64, 100_000} {
			if err := protocol.DecodeJSON(nested(shape[0], shape[1], levels), new(everything)); code(err) != "SerializationException" {
				t.Errorf("%d levels of %s: %v", levels+1, shape[0], err)
			}
		}
	}
	// As many names as a body can hold, all different: read, in linear time.
	wide := append([]byte{'{'}, bytes.ReplaceAll(bytes.ReplaceAll(parameters(80_000), []byte("=v&"), []byte(`":0,"`)), []byte("=v"), []byte(`":0`))...)
	wide = append(bytes.Replace(wide, []byte("{p"), []byte(`{"p`), 1), '}')
	if err := protocol.DecodeJSON(wide, new(everything)); err != nil {
		t.Error(err)
	}
	if err := protocol.DecodeJSON(append(wide[:len(wide)-1], `,"p7":0}`...), new(everything)); code(err) != "SerializationException" {
		t.Errorf("the one name that is there twice: %v", err)
	}
}

// Positions help, values might be secrets.
func TestDecodeJSONErrorsHoldNoValues(t *testing.T) {
	for _, body := range []string{`{"Flag":"hunter2"}`, `{"Blob":"hunter2!"}`, `{"Text":"hunter2`, `{"Small":"hunter2"}`, `{"hunter2":1,"hunter2":2}`} {
		if err := protocol.DecodeJSON([]byte(body), new(everything)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	at := time.Date(2019, 12, 31, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		out  any
		want string
	}{
		{nil, `{}`},
		{(*cloudtrail.StartLoggingOutput)(nil), `{}`},
		{&cloudtrail.StartLoggingOutput{}, `{}`},
		{&cloudtrail.LookupEventsOutput{Events: []cloudtrailtypes.Event{}}, `{"Events":[]}`},
		{cloudtrail.LookupEventsOutput{Events: []cloudtrailtypes.Event{{EventTime: &at, CloudTrailEvent: aws.String(`{"a":"<é>&"}`)}}, NextToken: aws.String("t\x00\x7f\u2028")},
			`{"Events":[{"CloudTrailEvent":"{\"a\":\"\u003cé\u003e\u0026\"}","EventTime":1577793600}],"NextToken":"t\u0000` + "\x7f\u2028" + `"}`},
		{&cloudtrail.DescribeTrailsOutput{TrailList: []cloudtrailtypes.Trail{{Name: aws.String("n")}}}, `{"trailList":[{"Name":"n"}]}`},
		{everything{When: aws.Time(at.Add(120 * time.Millisecond)), Real: aws.Float64(math.NaN()), Blob: []byte{}, Map: map[string]int32{"b": 1, "a": -2}}, `{"Flag":false,"Real":"NaN","When":1577793600.12,"Blob":"","Map":{"a":-2,"b":1}}`},
		{everything{When: aws.Time(time.UnixMilli(-1500)), Real: aws.Float64(math.Inf(1)), Exclusion: &iamtypes.PolicyIdentifierMemberPolicyArn{Value: "x"}}, `{"Flag":false,"Real":"Infinity","When":-1.5,"Exclusion":{"PolicyArn":"x"}}`},
		{everything{Text: aws.String("\xff\"\\\n\r\t")}, `{"Text":"` + "\ufffd" + `\"\\\n\r\t","Flag":false}`},
	} {
		got, err := protocol.AppendJSON([]byte("kept:"), test.out)
		if err != nil || string(got) != "kept:"+test.want {
			t.Errorf("got %s, %v\nwant %s", got, err, test.want)
		}
	}
	if _, err := protocol.AppendJSON(nil, everything{Exclusion: &iamtypes.UnknownUnionMember{}}); err == nil {
		t.Error("an unknown member of a union was encoded")
	}
}

// checkJSONText fails unless body is an awsJson error whose message is text.
func checkJSONText(t interface{ Fatalf(string, ...any) }, body []byte, text string) {
	var got struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v\n%q", err, body)
	}
	if want := string([]rune(text)); got.Message != want || got.Type != want {
		t.Fatalf("got %q, want %q", got.Message, want)
	}
	if bytes.ContainsAny(body, "<>&") {
		t.Fatalf("markup in %q", body)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"Text":"a\u4e16\ud83d\ude00","Enum":"Active","Flag":true,"Small":1,"Large":2,"Real":1.5,"When":1577793600.101,"Blob":"AP8="}`))
	f.Add([]byte(`{"List":["a"],"Lists":[["c"],[]],"Tags":[{"Key":"k"}],"Map":{"a":1},"TagMap":{"a":{"Key":"k"}},"Exclusion":{"PolicyArn":"x"}}`))
	f.Add([]byte(`{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"GetUser"}],"MaxResults":50,"New":[null,{"x":[[]]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, in := range []any{new(everything), new(cloudtrail.LookupEventsInput)} {
			if err := protocol.DecodeJSON(body, in); err != nil {
				if code(err) != "SerializationException" && code(err) != "RequestEntityTooLarge" {
					t.Fatal(err)
				}
				continue
			}
			if len(body) > 0 && !json.Valid(body) {
				t.Fatal("encoding/json refuses what we accept")
			}
			// What was accepted survives a second trip.
			encoded, err := protocol.AppendJSON(nil, in)
			if err != nil {
				t.Fatal(err)
			}
			again := reflect.New(reflect.TypeOf(in).Elem())
			if err := protocol.DecodeJSON(encoded, again.Interface()); err != nil {
				t.Fatalf("%v\n%s", err, encoded)
			}
			encodedAgain, err := protocol.AppendJSON(nil, again.Interface())
			if err != nil || !bytes.Equal(encoded, encodedAgain) {
				t.Fatalf("%s\n%s\n%v", encoded, encodedAgain, err)
			}
		}
	})
}

func BenchmarkDecodeLookupEvents(b *testing.B) {
	b.ReportAllocs()
	body := []byte(`{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"GetUser"}],"StartTime":1577793600,"EndTime":1577797200.5,"MaxResults":50,"NextToken":"kbOt5LlZe++mOCJuPn0jBjMfyTOkqCtbRk5XXlSGEhQ="}`)
	for b.Loop() {
		if err := protocol.DecodeJSON(body, new(cloudtrail.LookupEventsInput)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeLookupEvents(b *testing.B) {
	b.ReportAllocs()
	record := strings.Repeat(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser"}},`, 20)
	out := &cloudtrail.LookupEventsOutput{Events: make([]cloudtrailtypes.Event, 50)}
	for i := range out.Events {
		out.Events[i] = cloudtrailtypes.Event{CloudTrailEvent: &record, EventName: aws.String("GetUser"), EventTime: aws.Time(time.Unix(1577793600, 0))}
	}
	dst := make([]byte, 0, 1<<17)
	for b.Loop() {
		if _, err := protocol.AppendJSON(dst, out); err != nil {
			b.Fatal(err)
		}
	}
}
