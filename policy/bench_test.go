package policy

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// benchCaller, benchContext: a user session with the keys that every request has.
func benchCaller() *Caller {
	return &Caller{
		Type: User, Account: "111122223333", ID: "AIDAJQABLZS4A3QDU576Q",
		ARN: "arn:aws:iam::111122223333:user/alice", PrincipalARN: "arn:aws:iam::111122223333:user/alice",
	}
}

func fillBenchContext(c *Context, now time.Time) {
	c.SetString("aws:PrincipalArn", "arn:aws:iam::111122223333:user/alice")
	c.SetString("aws:PrincipalAccount", "111122223333")
	c.SetString("aws:PrincipalType", "User")
	c.SetString("aws:userid", "AIDAJQABLZS4A3QDU576Q")
	c.SetString("aws:username", "alice")
	c.SetString("aws:PrincipalTag/team", "blue")
	c.SetBool("aws:PrincipalIsAWSService", false)
	c.SetBool("aws:ViaAWSService", false)
	c.SetBool("aws:SecureTransport", true)
	c.SetBool("aws:MultiFactorAuthPresent", true)
	c.SetInt("aws:MultiFactorAuthAge", 120)
	c.SetTime("aws:CurrentTime", now)
	c.SetInt("aws:EpochTime", now.Unix())
	c.SetTime("aws:TokenIssueTime", now)
	c.SetIP("aws:SourceIp", netip.AddrFrom4([4]byte{10, 1, 2, 3}))
	c.SetString("aws:UserAgent", "aws-cli/2.31.0")
	c.SetString("aws:RequestedRegion", "us-east-1")
	c.SetString("aws:ResourceAccount", "111122223333")
}

// benchSet holds n statements in documents of ten: a handful of services, half
// the statements about actions that the request is about, each with conditions.
func benchSet(tb testing.TB, n int) *Set {
	tb.Helper()
	var docs []Attached
	for d := range n / 10 {
		text := `{"Version":"2012-10-17","Statement":[`
		for i := range 10 {
			if i > 0 {
				text += ","
			}
			k := d*10 + i
			switch i % 5 {
			case 0:
				text += fmt.Sprintf(`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket-%04d/*",
					"Condition":{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:PrincipalTag/team":["red","blue"]}}}`, k)
			case 1:
				text += fmt.Sprintf(`{"Effect":"Allow","Action":"s3:Get*","Resource":["arn:aws:s3:::logs-%04d","arn:aws:s3:::logs-%04d/*"],
					"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, k, k)
			case 2:
				text += fmt.Sprintf(`{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::secret-%04d/*",
					"Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}`, k)
			case 3:
				text += fmt.Sprintf(`{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:us-east-1:111122223333:table/t%04d"}`, k)
			case 4:
				text += fmt.Sprintf(`{"Effect":"Allow","Action":"iam:Get*","Resource":"arn:aws:iam::111122223333:user/team%04d/${aws:username}"}`, k)
			}
		}
		text += `]}`
		doc, err := Parse(text, ManagedPolicy)
		if err != nil {
			tb.Fatal(err)
		}
		docs = append(docs, Attached{Source{Type: SourceCustomerManaged, ID: fmt.Sprint(d)}, doc})
	}
	return NewSet(docs)
}

func benchmarkDecide(b *testing.B, n int) {
	var ctx Context
	fillBenchContext(&ctx, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	in := &Inputs{Identity: benchSet(b, n)}
	req := &Request{
		Caller: benchCaller(), Action: "s3:GetObject",
		Resource: fmt.Sprintf("arn:aws:s3:::bucket-%04d/reports/2026/11.csv", n/2/10*10), Context: &ctx,
	}
	if d := Evaluate(req, in, nil); !d.Allowed {
		b.Fatal(d.Message(req))
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(req, in, nil)
	}
}

// TestDecideAllocatesNothing: the hot path leaves no garbage.
func TestDecideAllocatesNothing(t *testing.T) {
	var ctx Context
	fillBenchContext(&ctx, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	in := &Inputs{Identity: benchSet(t, 50), Boundary: benchSet(t, 10)}
	req := &Request{Caller: benchCaller(), Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket-0000/x", Context: &ctx}
	if n := testing.AllocsPerRun(100, func() { Evaluate(req, in, nil) }); n != 0 {
		t.Errorf("a decision allocates %v times", n)
	}
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { ctx.Reset(); fillBenchContext(&ctx, now) }); n != 0 {
		t.Errorf("filling a context again allocates %v times", n)
	}
}

func BenchmarkDecide50(b *testing.B)   { benchmarkDecide(b, 50) }
func BenchmarkDecide1000(b *testing.B) { benchmarkDecide(b, 1000) }

// BenchmarkDecideSameAction1000: all statements are about the action asked for,
// each on a resource of its own.
func BenchmarkDecideSameAction1000(b *testing.B) {
	var docs []Attached
	for i := range 1000 {
		doc, err := Parse(fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject",
			"Resource":"arn:aws:s3:::bucket-%04d/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`, i), ManagedPolicy)
		if err != nil {
			b.Fatal(err)
		}
		docs = append(docs, Attached{Source{ID: fmt.Sprint(i)}, doc})
	}
	var ctx Context
	fillBenchContext(&ctx, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	in := &Inputs{Identity: NewSet(docs)}
	req := &Request{Caller: benchCaller(), Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket-0707/k", Context: &ctx}
	if d := Evaluate(req, in, nil); !d.Allowed {
		b.Fatal(d.Message(req))
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(req, in, nil)
	}
}

// BenchmarkDecideLayers decides with every layer present.
func BenchmarkDecideLayers(b *testing.B) {
	var ctx Context
	fillBenchContext(&ctx, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	full, err := Parse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, ManagedPolicy)
	if err != nil {
		b.Fatal(err)
	}
	all := NewSet([]Attached{{Source{ID: "FullAWSAccess"}, full}})
	in := &Inputs{Identity: benchSet(b, 50), Boundary: all, Session: all, SCPs: []*Set{all, all, all}}
	req := &Request{Caller: benchCaller(), Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket-0020/x", Context: &ctx}
	if d := Evaluate(req, in, nil); !d.Allowed {
		b.Fatal(d.Message(req))
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(req, in, nil)
	}
}

// BenchmarkContext fills the keys of one request.
func BenchmarkContext(b *testing.B) {
	var ctx Context
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		ctx.Reset()
		fillBenchContext(&ctx, now)
	}
}

const typicalTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"c7f3"}}}]}`

const typicalInline = `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::data","arn:aws:s3:::data/*"]},{"Sid":"MFA","Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}`

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(typicalInline)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(typicalInline, InlinePolicy); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports what a role's two small policies keep in memory,
// compiled and as sets, beyond their text.
func BenchmarkMemory(b *testing.B) {
	const roles = 2000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var perDocument, perRole float64
	for b.Loop() {
		docs := make([][2]*Document, roles)
		before := heap()
		for i := range docs {
			docs[i][0], _ = Parse(typicalTrust, TrustPolicy)
			docs[i][1], _ = Parse(typicalInline, InlinePolicy)
		}
		perDocument = float64(heap()-before) / roles / 2
		sets := make([][2]*Set, roles)
		for i := range sets {
			sets[i][0] = NewSet([]Attached{{Source{Type: SourceTrust}, docs[i][0]}})
			sets[i][1] = NewSet([]Attached{{Source{Type: SourceRoleInline, ID: "inline"}, docs[i][1]}})
		}
		perRole = float64(heap()-before)/roles + float64(len(typicalTrust)+len(typicalInline))
		runtime.KeepAlive(docs)
		runtime.KeepAlive(sets)
	}
	b.ReportMetric(perDocument, "B/document")
	b.ReportMetric(perRole, "B/role-with-text")
}
