package policy

import (
	"net/netip"
	"testing"
	"time"
)

// world is a scene to try requests in: who asks, which policies there are, what
// the condition keys hold.
type world struct {
	*testing.T
	caller  *Caller
	in      Inputs
	context Context
	account string // of the resource, "" for the caller's
}

func newWorld(t *testing.T, caller *Caller) *world { return &world{T: t, caller: caller} }

// grants gives the caller an identity policy with the statements.
func (w *world) grants(statements string) *world {
	w.Helper()
	w.in.Identity = setOf(w, InlinePolicy, "", "identity", statements)
	return w
}

func (w *world) decide(action, resource string) Decision {
	return Evaluate(&Request{Caller: w.caller, Action: action, Resource: resource, ResourceAccount: w.account, Context: &w.context}, &w.in, nil)
}

func (w *world) allow(action, resource string) {
	w.Helper()
	if d := w.decide(action, resource); !d.Allowed {
		w.Errorf("%s on %s is denied: %s", action, resource, describe(d))
	}
}

func (w *world) deny(action, resource string) {
	w.Helper()
	if d := w.decide(action, resource); d.Allowed {
		w.Errorf("%s on %s is allowed by %s", action, resource, describe(d))
	}
}

const aliceARN, bobARN = "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/bob"

func TestActions(t *testing.T) {
	w := newWorld(t, alice).grants(`{"Effect":"Allow","Action":["iam:Get*","IAM:listusers","s3:?etObject"],"Resource":"*"}`)
	w.allow("iam:GetUser", bobARN)
	w.allow("iam:Get", bobARN)
	w.allow("iam:ListUsers", "*")
	w.allow("s3:GetObject", "arn:aws:s3:::b/k")
	w.allow("s3:SetObject", "arn:aws:s3:::b/k")
	w.deny("s3:etObject", "arn:aws:s3:::b/k")
	w.deny("iam:ListUserTags", bobARN)
	w.deny("sts:GetCallerIdentity", "*")
	w.deny("iam:ForGetUser", bobARN)

	w = newWorld(t, alice).grants(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`)
	w.allow("s3:GetObject", "arn:aws:s3:::b/k")
	w.deny("iam:GetUser", bobARN)
}

func TestResources(t *testing.T) {
	w := newWorld(t, alice).grants(`
		{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/a/*"]},
		{"Effect":"Allow","Action":"iam:*","NotResource":["arn:aws:iam::111122223333:user/bob"]}`)
	w.allow("s3:ListBucket", "arn:aws:s3:::bucket")
	w.allow("s3:GetObject", "arn:aws:s3:::bucket/a/")
	w.allow("s3:GetObject", "arn:aws:s3:::bucket/a/b/c:d")
	w.deny("s3:GetObject", "arn:aws:s3:::bucket/b")
	w.deny("s3:GetObject", "arn:aws:s3:::Bucket/a/x")
	w.deny("s3:ListAllMyBuckets", "*")
	w.allow("iam:GetUser", aliceARN)
	w.allow("iam:ListUsers", "*")
	w.deny("iam:GetUser", bobARN)
}

// No credential policy of ours may lock a user out of enrolling a device, nor
// let one in without it: the policy of AWS's MFA tutorial.
func TestSelfManagedMFA(t *testing.T) {
	const tutorial = `
		{"Effect":"Allow","Action":["iam:ListUsers","iam:ListVirtualMFADevices"],"Resource":"*"},
		{"Effect":"Allow","Action":["iam:CreateVirtualMFADevice","iam:EnableMFADevice"],
		 "Resource":["arn:aws:iam::*:mfa/*","arn:aws:iam::*:user/${aws:username}"]},
		{"Sid":"DenyAllExceptListedIfNoMFA","Effect":"Deny",
		 "NotAction":["iam:CreateVirtualMFADevice","iam:EnableMFADevice","sts:GetSessionToken"],"Resource":"*",
		 "Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}`
	accessKey := newWorld(t, alice).grants(tutorial)
	accessKey.context.SetString("aws:username", "alice")
	accessKey.deny("iam:ListUsers", "*")
	accessKey.allow("iam:EnableMFADevice", aliceARN)
	accessKey.deny("iam:EnableMFADevice", bobARN)

	withMFA := newWorld(t, alice).grants(tutorial)
	withMFA.context.SetBool("aws:MultiFactorAuthPresent", true)
	withMFA.allow("iam:ListUsers", "*")

	without := newWorld(t, alice).grants(tutorial)
	without.context.SetBool("aws:MultiFactorAuthPresent", false)
	without.deny("iam:ListUsers", "*")
}

// conditionCase is a condition block, the keys of the request, and the answer.
type conditionCase struct {
	block string
	keys  map[string]any
	holds bool
}

func checkConditions(t *testing.T, cases []conditionCase) {
	t.Helper()
	for _, c := range cases {
		w := newWorld(t, alice).grants(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + c.block + `}}`)
		for key, v := range c.keys {
			switch v := v.(type) {
			case string:
				w.context.SetString(key, v)
			case []string:
				w.context.SetStrings(key, v)
			case bool:
				w.context.SetBool(key, v)
			case int:
				w.context.SetInt(key, int64(v))
			case time.Time:
				w.context.SetTime(key, v)
			case netip.Addr:
				w.context.SetIP(key, v)
			}
		}
		if d := w.decide("a:B", "*"); d.Allowed != c.holds {
			t.Errorf("{%s} with %v: got %v, want %v", c.block, c.keys, d.Allowed, c.holds)
		}
	}
}

type keys = map[string]any

func TestStringConditions(t *testing.T) {
	checkConditions(t, []conditionCase{
		{`"StringEquals":{"k":"a"}`, keys{"k": "a"}, true},
		{`"StringEquals":{"k":"a"}`, keys{"K": "a"}, true},
		{`"StringEquals":{"k":"a"}`, keys{"k": "A"}, false},
		{`"StringEquals":{"k":"a*"}`, keys{"k": "ab"}, false},
		{`"StringEquals":{"k":["a","b"]}`, keys{"k": "b"}, true},
		{`"StringEquals":{"k":"a","l":"b"}`, keys{"k": "a"}, false},
		{`"StringEquals":{"k":"a","l":"b"}`, keys{"k": "a", "l": "b"}, true},
		{`"StringEquals":{"k":"a"},"StringLike":{"k":"b*"}`, keys{"k": "a"}, false},
		{`"StringNotEquals":{"k":["a","b"]}`, keys{"k": "c"}, true},
		{`"StringNotEquals":{"k":["a","b"]}`, keys{"k": "b"}, false},
		{`"StringNotEquals":{"k":"a"}`, nil, true},
		{`"StringEqualsIgnoreCase":{"k":"ÉA"}`, keys{"k": "éa"}, true},
		{`"StringEqualsIgnoreCase":{"k":"k"}`, keys{"k": "\u212a"}, false},
		{`"StringNotEqualsIgnoreCase":{"k":"A"}`, keys{"k": "a"}, false},
		{`"StringLike":{"k":"a*c?"}`, keys{"k": "abcé"}, true},
		{`"StringLike":{"k":"a*"}`, keys{"k": "A"}, false},
		{`"StringNotLike":{"k":["a*","b*"]}`, keys{"k": "c"}, true},
		{`"StringNotLike":{"k":["a*","b*"]}`, keys{"k": "bc"}, false},
		{`"StringEquals":{"k":true}`, keys{"k": true}, true},
		{`"StringEquals":{"k":7}`, keys{"k": 7}, true},
		{`"StringEquals":{"k":""}`, keys{"k": ""}, true},
	})
}

func TestNumericConditions(t *testing.T) {
	checkConditions(t, []conditionCase{
		{`"NumericEquals":{"k":"7"}`, keys{"k": 7}, true},
		{`"NumericEquals":{"k":7.0}`, keys{"k": "07.000"}, true},
		{`"NumericEquals":{"k":"-0"}`, keys{"k": "0"}, true},
		{`"NumericNotEquals":{"k":[1,2]}`, keys{"k": 2}, false},
		{`"NumericNotEquals":{"k":1}`, nil, true},
		{`"NumericLessThan":{"k":3600}`, keys{"k": 3599}, true},
		{`"NumericLessThan":{"k":3600}`, keys{"k": 3600}, false},
		{`"NumericLessThanEquals":{"k":3600}`, keys{"k": 3600}, true},
		{`"NumericLessThan":{"k":"-2"}`, keys{"k": "-10"}, true},
		{`"NumericGreaterThan":{"k":"0.1"}`, keys{"k": "0.11"}, true},
		{`"NumericGreaterThanEquals":{"k":"1.5"}`, keys{"k": "1.49999999999999999999"}, false},
		{`"NumericLessThan":{"k":1}`, keys{"k": "abc"}, false},
		{`"NumericNotEquals":{"k":1}`, keys{"k": "abc"}, true},
	})
}

func TestDateConditions(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	checkConditions(t, []conditionCase{
		{`"DateEquals":{"k":"2026-11-22T12:00:00Z"}`, keys{"k": noon}, true},
		{`"DateEquals":{"k":"2026-11-22T14:00+02:00"}`, keys{"k": noon}, true},
		{`"DateEquals":{"k":"1795348800"}`, keys{"k": noon}, true},
		{`"DateEquals":{"k":1795348800}`, keys{"k": 1795348800}, true},
		{`"DateEquals":{"k":"2026-11-22T12:00:00.000000001Z"}`, keys{"k": noon}, false},
		{`"DateNotEquals":{"k":"2026"}`, keys{"k": noon}, true},
		{`"DateGreaterThan":{"k":"2026"}`, keys{"k": noon}, true},
		{`"DateLessThan":{"k":"2026-11-23"}`, keys{"k": noon}, true},
		{`"DateLessThan":{"k":"2026-11-22"}`, keys{"k": noon}, false},
		{`"DateLessThanEquals":{"k":"2026-12"}`, keys{"k": noon}, true},
		{`"DateGreaterThanEquals":{"k":"2026-11-22T12:00:00Z"}`, keys{"k": "2026-11-22T12:00:00Z"}, true},
		{`"DateLessThan":{"k":"2030"}`, keys{"k": "soon"}, false},
		{`"DateLessThan":{"k":"2030"}`, nil, false},
	})
}

func TestOtherConditions(t *testing.T) {
	checkConditions(t, []conditionCase{
		{`"Bool":{"k":"TRUE"}`, keys{"k": true}, true},
		{`"Bool":{"k":false}`, keys{"k": false}, true},
		{`"Bool":{"k":"true"}`, keys{"k": "1"}, false},
		{`"Bool":{"k":"false"}`, nil, false},
		{`"BinaryEquals":{"k":"YWxpY2U="}`, keys{"k": "alice"}, true},
		{`"BinaryEquals":{"k":"YWxpY2U="}`, keys{"k": "bob"}, false},
		{`"ArnEquals":{"k":"arn:aws:iam::*:user/*"}`, keys{"k": aliceARN}, true},
		{`"ArnLike":{"k":"arn:aws:sns:*:111122223333:topic"}`, keys{"k": "arn:aws:sns:us-east-1:111122223333:topic"}, true},
		{`"ArnNotLike":{"k":"arn:aws:iam::*:user/*"}`, keys{"k": aliceARN}, false},
		{`"ArnNotEquals":{"k":"arn:aws:iam::*:user/*"}`, nil, true},
		{`"ArnLike":{"k":"arn:aws:lambda:*:*:function:*"}`, keys{"k": "arn:aws:lambda:us-east-1:111122223333:function:f:live"}, true},
		{`"Null":{"k":"true"}`, nil, true},
		{`"Null":{"k":"true"}`, keys{"k": "x"}, false},
		{`"Null":{"k":"false"}`, keys{"k": "x"}, true},
		{`"Null":{"k":"false"}`, nil, false},
		{`"Null":{"k":"true"}`, keys{"k": ""}, false},
		{`"Null":{"k":"false"}`, keys{"k": ""}, false},
		{`"Null":{"k":"true"}`, keys{"k": []string{}}, true},
		{`"StringEqualsIfExists":{"k":"a"}`, nil, true},
		{`"StringEqualsIfExists":{"k":"a"}`, keys{"k": "b"}, false},
		{`"StringNotEqualsIfExists":{"k":"a"}`, nil, true},
		{`"NumericLessThanIfExists":{"k":1}`, nil, true},
		{`"BoolIfExists":{"k":"false"}`, keys{"k": true}, false},
	})
}

// T117: vacuous truth exactly as AWS has it.
func TestT117_SetOperators(t *testing.T) {
	tags := func(v ...string) keys { return keys{"k": v} }
	checkConditions(t, []conditionCase{
		{`"ForAllValues:StringEquals":{"k":["a","b"]}`, tags("a"), true},
		{`"ForAllValues:StringEquals":{"k":["a","b"]}`, tags("a", "c"), false},
		{`"ForAllValues:StringEquals":{"k":["a","b"]}`, nil, true},
		{`"ForAllValues:StringEquals":{"k":"a"}`, tags(""), true},
		{`"ForAllValues:StringEquals":{"k":"a"}`, tags("", "a"), false},
		{`"ForAllValues:StringEquals":{"k":"a"}`, keys{"k": "a"}, true},
		{`"ForAllValues:StringNotEquals":{"k":"a"}`, tags("b", "c"), true},
		{`"ForAllValues:StringNotEquals":{"k":"a"}`, tags("b", "a"), false},
		{`"ForAllValues:StringNotEquals":{"k":"a"}`, nil, true},
		{`"ForAnyValue:StringLike":{"k":"a*"}`, tags("b", "ab"), true},
		{`"ForAnyValue:StringLike":{"k":"a*"}`, tags("b"), false},
		{`"ForAnyValue:StringEquals":{"k":"a"}`, nil, false},
		{`"ForAnyValue:StringEqualsIfExists":{"k":"a"}`, nil, true},
		{`"ForAnyValue:StringNotEquals":{"k":"a"}`, tags("a", "b"), true},
		{`"ForAnyValue:StringNotEquals":{"k":"a"}`, tags("a"), false},
		{`"ForAnyValue:StringNotEquals":{"k":"a"}`, nil, false},
		{`"ForAllValues:StringEquals":{"k":[]}`, nil, true},
		{`"ForAllValues:StringEquals":{"k":[]}`, tags("a"), false},
		{`"ForAnyValue:StringEquals":{"k":[]}`, nil, false},
		{`"ForAnyValue:StringEquals":{"k":[]}`, tags("a"), false},
		{`"StringEqualsIfExists":{"k":[]}`, nil, true},
		{`"StringEqualsIfExists":{"k":[]}`, keys{"k": "a"}, false},
		{`"ForAllValues:Null":{"k":"true"}`, tags("a"), true},
		{`"ForAnyValue:Null":{"k":"false"}`, tags("a"), false},
		{`"StringEquals":{"k":"a"}`, tags("b", "a"), true},
		{`"StringNotEquals":{"k":"a"}`, tags("b", "a"), false},
		{`"ForAllValues:StringEquals":{"k":"a"},"Null":{"k":"false"}`, nil, false},
	})
}

// T118: numbers and dates that are none match nothing, and round nothing.
func TestT118_ExactNumbers(t *testing.T) {
	forty := "1234567890123456789012345678901234567890"
	checkConditions(t, []conditionCase{
		{`"NumericEquals":{"k":"` + forty + `"}`, keys{"k": forty}, true},
		{`"NumericEquals":{"k":"` + forty + `"}`, keys{"k": forty[:39] + "1"}, false},
		{`"NumericEquals":{"k":"0.3"}`, keys{"k": "0.30000000000000004"}, false},
		{`"NumericEquals":{"k":"9007199254740993"}`, keys{"k": "9007199254740992"}, false},
		{`"NumericGreaterThan":{"k":"0"}`, keys{"k": "1e309"}, false},
		{`"NumericGreaterThan":{"k":"0"}`, keys{"k": "NaN"}, false},
		{`"NumericGreaterThan":{"k":"0"}`, keys{"k": "0x10"}, false},
		{`"NumericGreaterThan":{"k":"0"}`, keys{"k": "1_0"}, false},
		{`"NumericGreaterThan":{"k":"0"}`, keys{"k": "1."}, false},
		{`"NumericGreaterThan":{"k":"0"}`, keys{"k": ""}, false},
		{`"DateGreaterThan":{"k":"2000"}`, keys{"k": "2016-12-31T23:59:60Z"}, false},
		{`"DateGreaterThan":{"k":"2000"}`, keys{"k": "2026-02-30"}, false},
		{`"DateGreaterThan":{"k":"2000"}`, keys{"k": "2026-02-28T10:00+1"}, false},
		{`"DateGreaterThan":{"k":"2000"}`, keys{"k": "99999999999999999999"}, false},
	})
}

func TestT119_Addresses(t *testing.T) {
	ip := netip.MustParseAddr
	ten := `"IpAddress":{"k":"10.0.0.0/8"}`
	checkConditions(t, []conditionCase{
		{ten, keys{"k": ip("10.255.0.1")}, true},
		{ten, keys{"k": ip("::ffff:10.0.0.1")}, true},
		{ten, keys{"k": "::ffff:10.0.0.1"}, true},
		{ten, keys{"k": ip("11.0.0.1")}, false},
		{ten, keys{"k": ip("::10.0.0.1")}, false},
		{ten, keys{"k": "010.0.0.1"}, false},
		{ten, keys{"k": "10.1"}, false},
		{`"IpAddress":{"k":"10.1.2.3/8"}`, keys{"k": ip("10.9.9.9")}, true},
		{`"IpAddress":{"k":"10.1.2.3"}`, keys{"k": ip("10.1.2.3")}, true},
		{`"IpAddress":{"k":"10.1.2.3"}`, keys{"k": ip("10.1.2.4")}, false},
		{`"IpAddress":{"k":"::ffff:10.0.0.0/104"}`, keys{"k": ip("10.1.2.4")}, true},
		{`"IpAddress":{"k":"fe80::/10"}`, keys{"k": ip("fe80::1")}, true},
		{`"IpAddress":{"k":"fe80::/10"}`, keys{"k": ip("fe80::1%eth0")}, false},
		{`"IpAddress":{"k":"0.0.0.0/0"}`, keys{"k": ip("2001:db8::1")}, false},
		{`"NotIpAddress":{"k":["10.0.0.0/8","192.0.2.0/24"]}`, keys{"k": ip("192.0.2.9")}, false},
		{`"NotIpAddress":{"k":["10.0.0.0/8","192.0.2.0/24"]}`, keys{"k": ip("198.51.100.9")}, true},
		{`"NotIpAddress":{"k":"10.0.0.0/8"}`, nil, true},
	})
}

// T120: a wildcard never reaches into the next part of an ARN.
func TestT120_ARNParts(t *testing.T) {
	w := newWorld(t, alice).grants(`{"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::b*","arn:aws:sns:*:*:topic","arn:aws:iam::1*3:user/*","arn:aws*:sqs:us-*::q"]}`)
	w.allow("s3:GetObject", "arn:aws:s3:::b")
	w.allow("s3:GetObject", "arn:aws:s3:::b/x:y:z")
	w.deny("s3:GetObject", "arn:aws:s3:::not-b")
	w.deny("s3:GetObject", "arn:aws:s3::b")
	w.deny("s3:GetObject", "arn:aws:s3::b:c")
	w.deny("s3:GetObject", "arn:aws:s3:b:c:bucket")
	w.deny("s3:GetObject", "xarn:aws:s3:::b")
	w.allow("sns:Publish", "arn:aws:sns:us-east-1:111122223333:topic")
	w.deny("sns:Publish", "arn:aws:sns:us-east-1:111122223333:x:topic")
	w.allow("iam:GetUser", aliceARN)
	w.deny("iam:GetUser", "arn:aws:iam::1:3:user/alice")
	w.allow("sqs:SendMessage", "arn:aws-cn:sqs:us-east-1::q")
	w.deny("sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:q")

	checkConditions(t, []conditionCase{
		{`"ArnLike":{"k":"arn:aws:s3:::b*"}`, keys{"k": "arn:aws:s3:::bad-b"}, true},
		{`"ArnLike":{"k":"arn:aws:s3:::b*"}`, keys{"k": "arn:aws:s3:x::bad-b"}, false},
		{`"ArnLike":{"k":"arn:aws:s3:*:b"}`, keys{"k": "arn:aws:s3:::b"}, false},
		{`"ArnLike":{"k":"arn:*:b"}`, keys{"k": "arn:aws:s3:::b"}, false},
		{`"ArnLike":{"k":"*"}`, keys{"k": "arn:aws:s3:::b"}, false},
		{`"ArnLike":{"k":"*:*:*:*:*:*"}`, keys{"k": "arn:aws:s3:::b"}, true},
	})
}
