package bench

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/lanyard-iam/lanyard/policy"
	minio "github.com/minio/pkg/v3/policy"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// question is a request in the form that all engines have in common.
type question struct {
	name        string
	user        string
	action      string
	bucket, key string
	prefix      string // of a listing
	ip          string
	secure      bool
	want        bool
}

func (q *question) object() string {
	if q.key == "" {
		return q.bucket
	}
	return q.bucket + "/" + q.key
}

// questions are asked of rules(n). The first and the second are benched; the others
// make sure that the engines were given the same rules.
func questions(n int) []question {
	name := func(kind string, rule int) string { return fmt.Sprintf("%s-%04d", kind, n/2/10*10+rule) }
	base := question{user: "alice", action: "s3:GetObject", key: "reports/2026/11.csv", ip: "10.1.2.3", secure: true}
	with := func(name string, want bool, edit func(*question)) question {
		q := base
		q.name, q.want = name, want
		edit(&q)
		return q
	}
	return []question{
		with("allowed", true, func(q *question) { q.bucket = name("bucket", 0) }),
		with("not-allowed", false, func(q *question) { q.bucket, q.user = name("bucket", 0), "mallory" }),
		with("no rule about it", false, func(q *question) { q.bucket = "elsewhere" }),
		with("insecure", false, func(q *question) { q.bucket, q.secure = name("bucket", 0), false }),
		with("wrong action", false, func(q *question) { q.bucket, q.action = name("bucket", 0), "s3:DeleteObject" }),
		with("wildcard action", true, func(q *question) { q.bucket = name("logs", 1) }),
		with("wildcard action, wrong network", false, func(q *question) { q.bucket, q.ip = name("logs", 1), "11.1.2.3" }),
		with("shared", true, func(q *question) { q.bucket = name("shared", 2) }),
		with("shared, denied", false, func(q *question) { q.bucket, q.secure = name("shared", 2), false }),
		with("upload", true, func(q *question) { q.bucket, q.action = name("upload", 4), "s3:PutObject" }),
		with("upload, not hers", false, func(q *question) { q.bucket, q.action, q.user = name("upload", 4), "s3:PutObject", "bob" }),
		with("listing", true, func(q *question) {
			q.bucket, q.action, q.key, q.prefix = name("bucket", 5), "s3:ListBucket", "", "reports/"
		}),
		with("listing, other prefix", false, func(q *question) {
			q.bucket, q.action, q.key, q.prefix = name("bucket", 5), "s3:ListBucket", "", "salaries/"
		}),
	}
}

// rule is one statement in the language of each engine.
type rule struct{ iam, cedar, rego string }

// rules are n statements in S3's vocabulary, which is the one that MinIO knows: reading
// and writing, by action, by wildcard, denied, and listing; all under conditions. Each
// names resources of its own, as the policies of many teams do.
func rules(n int) []rule {
	list := make([]rule, n)
	for k := range list {
		name := func(kind string) string { return fmt.Sprintf("%s-%04d", kind, k/10*10+k%10) }
		switch k % 10 {
		case 0, 6:
			b := name("bucket")
			list[k] = rule{
				`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::` + b + `/*",` +
					`"Condition":{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:username":["alice","bob"]}}}`,
				`permit(principal, action in [Action::"s3:GetObject", Action::"s3:PutObject"], resource in Bucket::"` + b + `")` +
					` when { context.secure && ["alice","bob"].contains(context.username) };`,
				`allow if { input.bucket == "` + b + `"; input.action in {"s3:GetObject", "s3:PutObject"}; input.key != ""; input.secure; input.username in {"alice", "bob"} }`,
			}
		case 1, 7:
			b := name("logs")
			list[k] = rule{
				`{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::` + b + `/*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`,
				`permit(principal, action in Action::"s3:Get*", resource in Bucket::"` + b + `") when { context.ip.isInRange(ip("10.0.0.0/8")) };`,
				`allow if { input.bucket == "` + b + `"; startswith(input.action, "s3:Get"); input.key != ""; net.cidr_contains("10.0.0.0/8", input.ip) }`,
			}
		case 2, 8:
			b := name("shared")
			list[k] = rule{
				`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::` + b + `/*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]}}}`,
				`permit(principal, action, resource in Bucket::"` + b + `") when { context.ip.isInRange(ip("10.0.0.0/8")) || context.ip.isInRange(ip("192.168.0.0/16")) };`,
				`allow if { input.bucket == "` + b + `"; input.key != ""; some range in ["10.0.0.0/8", "192.168.0.0/16"]; net.cidr_contains(range, input.ip) }`,
			}
		case 3, 9:
			b := fmt.Sprintf("shared-%04d", k-1)
			list[k] = rule{
				`{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::` + b + `/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`,
				`forbid(principal, action, resource in Bucket::"` + b + `") when { !context.secure };`,
				`deny if { input.bucket == "` + b + `"; input.key != ""; not input.secure }`,
			}
		case 4:
			b := name("upload")
			list[k] = rule{
				`{"Effect":"Allow","Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::` + b + `/*","Condition":{"StringEquals":{"aws:username":"alice"}}}`,
				`permit(principal, action in [Action::"s3:PutObject", Action::"s3:DeleteObject"], resource in Bucket::"` + b + `") when { context.username == "alice" };`,
				`allow if { input.bucket == "` + b + `"; input.action in {"s3:PutObject", "s3:DeleteObject"}; input.key != ""; input.username == "alice" }`,
			}
		case 5:
			b := name("bucket")
			list[k] = rule{
				`{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::` + b + `","Condition":{"StringEquals":{"s3:prefix":"reports/"}}}`,
				`permit(principal, action == Action::"s3:ListBucket", resource == Bucket::"` + b + `") when { context.prefix == "reports/" };`,
				`allow if { input.bucket == "` + b + `"; input.action == "s3:ListBucket"; input.key == ""; input.prefix == "reports/" }`,
			}
		}
	}
	return list
}

// engine prepares the rules once and each question once, so that what is measured is
// the decision and not the building of requests.
type engine struct {
	name    string
	prepare func(tb testing.TB, rules []rule) func(q question) (ask func() bool)
}

func engines() []engine {
	return []engine{{"lanyard", lanyard}, {"minio", minIO}, {"cedar", cedarGo}, {"opa", opa}}
}

// perDocument is how many statements a managed policy of this kind has.
const perDocument = 10

func documents(rules []rule) []string {
	var docs []string
	for i := 0; i < len(rules); i += perDocument {
		var statements []string
		for _, r := range rules[i:min(i+perDocument, len(rules))] {
			statements = append(statements, r.iam)
		}
		docs = append(docs, `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)
	}
	return docs
}

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func lanyard(tb testing.TB, rules []rule) func(question) func() bool {
	var attached []policy.Attached
	for i, text := range documents(rules) {
		doc, err := policy.Parse(text, policy.ManagedPolicy)
		if err != nil {
			tb.Fatal(err)
		}
		attached = append(attached, policy.Attached{Source: policy.Source{Type: policy.SourceCustomerManaged, ID: strconv.Itoa(i)}, Document: doc})
	}
	inputs := &policy.Inputs{Identity: policy.NewSet(attached)}
	return func(q question) func() bool {
		user := "arn:aws:iam::111122223333:user/" + q.user
		keys := new(policy.Context)
		keys.SetString("aws:PrincipalArn", user)
		keys.SetString("aws:PrincipalAccount", "111122223333")
		keys.SetString("aws:PrincipalType", "User")
		keys.SetString("aws:userid", "AIDAJQABLZS4A3QDU576Q")
		keys.SetString("aws:username", q.user)
		keys.SetBool("aws:PrincipalIsAWSService", false)
		keys.SetBool("aws:ViaAWSService", false)
		keys.SetBool("aws:SecureTransport", q.secure)
		keys.SetTime("aws:CurrentTime", now)
		keys.SetInt("aws:EpochTime", now.Unix())
		keys.SetIP("aws:SourceIp", netip.MustParseAddr(q.ip))
		keys.SetString("aws:UserAgent", "aws-cli/2.31.0")
		keys.SetString("aws:RequestedRegion", "us-east-1")
		keys.SetString("aws:ResourceAccount", "111122223333")
		if q.action == "s3:ListBucket" {
			keys.SetString("s3:prefix", q.prefix)
		}
		request := &policy.Request{
			Caller: &policy.Caller{Type: policy.User, Account: "111122223333", ID: "AIDAJQABLZS4A3QDU576Q", ARN: user, PrincipalARN: user},
			Action: q.action, Resource: "arn:aws:s3:::" + q.object(), Context: keys,
		}
		return func() bool { return policy.Evaluate(request, inputs, nil).Allowed }
	}
}

// minIO decides as MinIO's server does: the policies of a user are merged into one.
func minIO(tb testing.TB, rules []rule) func(question) func() bool {
	var parsed []minio.Policy
	for _, text := range documents(rules) {
		p, err := minio.ParseConfig(strings.NewReader(text))
		if err != nil {
			tb.Fatal(err)
		}
		parsed = append(parsed, *p)
	}
	merged := minio.MergePolicies(parsed...)
	return func(q question) func() bool {
		args := minio.Args{
			AccountName: q.user, Action: minio.Action(q.action), BucketName: q.bucket, ObjectName: q.key,
			ConditionValues: map[string][]string{
				"CurrentTime":     {now.Format(time.RFC3339)},
				"EpochTime":       {strconv.FormatInt(now.Unix(), 10)},
				"SecureTransport": {strconv.FormatBool(q.secure)},
				"SourceIp":        {q.ip},
				"UserAgent":       {"aws-cli/2.31.0"},
				"principaltype":   {"User"},
				"userid":          {q.user},
				"username":        {q.user},
			},
		}
		if q.action == "s3:ListBucket" {
			args.ConditionValues["prefix"] = []string{q.prefix}
		}
		return func() bool { return merged.IsAllowed(args) }
	}
}

// cedarGo puts an object below its bucket and an action below its wildcard, which is
// how Cedar says "all objects of" and "all actions like".
func cedarGo(tb testing.TB, rules []rule) func(question) func() bool {
	policies := cedar.NewPolicySet()
	for i, r := range rules {
		var p cedar.Policy
		if err := p.UnmarshalCedar([]byte(r.cedar)); err != nil {
			tb.Fatal(err)
		}
		policies.Add(cedar.PolicyID(strconv.Itoa(i)), &p)
	}
	return func(q question) func() bool {
		action, bucket := cedar.NewEntityUID("Action", types.String(q.action)), cedar.NewEntityUID("Bucket", types.String(q.bucket))
		entities := cedar.EntityMap{bucket: {UID: bucket}, action: {UID: action}}
		if strings.HasPrefix(q.action, "s3:Get") {
			entities[action] = cedar.Entity{UID: action, Parents: cedar.NewEntityUIDSet(cedar.NewEntityUID("Action", "s3:Get*"))}
		}
		resource := bucket
		if q.key != "" {
			resource = cedar.NewEntityUID("Object", types.String(q.object()))
			entities[resource] = cedar.Entity{UID: resource, Parents: cedar.NewEntityUIDSet(bucket)}
		}
		ip, err := types.ParseIPAddr(q.ip)
		if err != nil {
			tb.Fatal(err)
		}
		request := cedar.Request{
			Principal: cedar.NewEntityUID("User", types.String(q.user)), Action: action, Resource: resource,
			Context: cedar.NewRecord(cedar.RecordMap{
				"secure": types.Boolean(q.secure), "username": types.String(q.user), "ip": ip, "prefix": types.String(q.prefix),
			}),
		}
		return func() bool {
			decision, _ := cedar.Authorize(policies, entities, request)
			return decision == cedar.Allow
		}
	}
}

// opa compares the bucket first in each rule and for equality, so that OPA's rule index
// finds the rules that could hold.
func opa(tb testing.TB, rules []rule) func(question) func() bool {
	var module strings.Builder
	module.WriteString("package authz\n\ndefault allowed := false\n\nallowed if { allow; not deny }\n\ndefault allow := false\n\ndefault deny := false\n\n")
	for _, r := range rules {
		module.WriteString(r.rego + "\n")
	}
	query, err := rego.New(rego.Query("data.authz.allowed"), rego.Module("authz.rego", module.String())).PrepareForEval(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	return func(q question) func() bool {
		input, err := ast.InterfaceToValue(map[string]any{
			"username": q.user, "action": q.action, "bucket": q.bucket, "key": q.key, "prefix": q.prefix, "ip": q.ip, "secure": q.secure,
		})
		if err != nil {
			tb.Fatal(err)
		}
		return func() bool {
			results, err := query.Eval(context.Background(), rego.EvalParsedInput(input))
			if err != nil {
				tb.Fatal(err)
			}
			return results.Allowed()
		}
	}
}

// TestEnginesAgree: what is compared are the same decisions.
func TestEnginesAgree(t *testing.T) {
	for _, n := range []int{50, 1000} {
		list := rules(n)
		for _, e := range engines() {
			prepared := e.prepare(t, list)
			for _, q := range questions(n) {
				if got := prepared(q)(); got != q.want {
					t.Errorf("%d statements, %s, %s: allowed = %v, want %v", n, e.name, q.name, got, q.want)
				}
			}
		}
	}
}

// BenchmarkDecision is one decision with n statements attached, conditions included:
// one that a statement allows, and one where its condition does not hold.
func BenchmarkDecision(b *testing.B) {
	for _, n := range []int{50, 1000} {
		list := rules(n)
		for _, q := range questions(n)[:2] {
			for _, e := range engines() {
				b.Run(fmt.Sprintf("statements=%d/%s/%s", n, q.name, e.name), func(b *testing.B) {
					ask := e.prepare(b, list)(q)
					if ask() != q.want {
						b.Fatalf("allowed = %v", !q.want)
					}
					b.ReportAllocs()
					for b.Loop() {
						ask()
					}
				})
			}
		}
	}
}

// BenchmarkUnrelated shows what statements cost that cannot match: ten that matter and
// more and more about other services and other resources.
func BenchmarkUnrelated(b *testing.B) {
	for _, unrelated := range []int{0, 100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("unrelated=%d/lanyard", unrelated), func(b *testing.B) {
			list := rules(10)
			for k := range unrelated {
				text := fmt.Sprintf(`{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:us-east-1:111122223333:table/t%05d"}`, k)
				if k%2 == 1 {
					text = fmt.Sprintf(`{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::other-%05d/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, k)
				}
				list = append(list, rule{iam: text})
			}
			ask := lanyard(b, list)(questions(10)[0])
			if !ask() {
				b.Fatal("denied")
			}
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}
