package policy_test

import (
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/policy"
)

// grounded is a set of one policy for each list of statements.
func grounded(t *testing.T, kind policy.Kind, source policy.Source, documents ...string) *policy.Set {
	t.Helper()
	var attached []policy.Attached
	for i, text := range documents {
		d, err := policy.Parse(`{"Version":"2012-10-17","Statement":[`+text+`]}`, kind)
		if err != nil {
			t.Fatal(err)
		}
		s := source
		s.ID += string(rune('a' + i))
		attached = append(attached, policy.Attached{Source: s, Document: d})
	}
	return policy.NewSet(attached)
}

// TestGrounds: what is kept of an allowed request tells what was decisive, and what
// would have denied it.
func TestGrounds(t *testing.T) {
	const (
		plain   = `{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}`
		other   = `{"Effect":"Allow","Action":"iam:*","Resource":"*"}`
		network = `{"Sid":"Net","Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]}}}`
		away    = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"172.16.0.0/12"}}}`
		trust   = `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"4711"}}}`
		names   = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"s3:GetObject","Resource":"*"}`
	)
	user := policy.Source{Type: policy.SourceUserInline, ID: "p", OwnerType: policy.OwnerUser, Owner: "alice"}
	identity := func(docs ...string) *policy.Set { return grounded(t, policy.InlinePolicy, user, docs...) }
	many := strings.TrimSuffix(strings.Repeat(plain+",", 20), ",")
	for _, test := range []struct {
		name string
		in   policy.Inputs
		want string // "" if sole
	}{
		{"sole", policy.Inputs{Identity: identity(other, plain)}, ""},
		{"sole among what does not match", policy.Inputs{Identity: identity(away+","+away, plain)}, ""},
		{"a condition", policy.Inputs{Identity: identity(network)},
			`  identity-based policy    allow  pa[1] (Net) of user/alice
                                    met: IpAddress aws:SourceIp 10.0.0.0/8 or 192.168.0.0/16; seen: 10.1.2.3

  Smallest change that would have denied it:
    - take it out of pa[1] (Net) of user/alice, or a request that does not meet IpAddress aws:SourceIp 10.0.0.0/8 or 192.168.0.0/16 (it is 10.1.2.3)
`},
		{"several", policy.Inputs{Identity: identity(plain, other, away+","+network)},
			`  identity-based policy    allow  pa[1] of user/alice
                           allow  pc[2] (Net) of user/alice
                                    met: IpAddress aws:SourceIp 10.0.0.0/8 or 192.168.0.0/16; seen: 10.1.2.3

  Smallest change that would have denied it:
    - all of these would have to change, since each allows it: pa[1] of user/alice; pc[2] (Net) of user/alice (or a request that does not meet IpAddress aws:SourceIp 10.0.0.0/8 or 192.168.0.0/16 (it is 10.1.2.3))
`},
		{"several, and a boundary", policy.Inputs{Identity: identity(plain, plain), Boundary: grounded(t, policy.ManagedPolicy, policy.Source{Type: policy.SourceBoundary, ID: "b"}, plain)},
			`  identity-based policy    allow  pa[1] of user/alice
                           allow  pb[1] of user/alice
  permissions boundary     allow  ba[1]

  Smallest change that would have denied it:
    - take it out of ba[1]
`},
		{"more than are kept", policy.Inputs{Identity: identity(many)},
			`  identity-based policy    allow  pa[1] of user/alice
                           allow  pa[2] of user/alice
                           allow  pa[3] of user/alice
                           allow  pa[4] of user/alice
                           allow  pa[5] of user/alice
                           allow  pa[6] of user/alice
                                  and 14 more statements, not kept

  Smallest change that would have denied it:
    - all of these would have to change, since each allows it: pa[1] of user/alice; pa[2] of user/alice; pa[3] of user/alice; pa[4] of user/alice; pa[5] of user/alice; pa[6] of user/alice; and perhaps 14 statements that are not kept in the record
`},
		{"a trust policy", policy.Inputs{Identity: identity(`{"Effect":"Allow","Action":"sts:*","Resource":"*"}`), ResourceIsTrust: true,
			Resource: grounded(t, policy.TrustPolicy, policy.Source{Type: policy.SourceTrust, ID: "trust policy ", OwnerType: policy.OwnerRole, Owner: "r"}, trust)},
			`  role trust policy        allow  trust policy a[1] of role/r
                                    met: StringEquals sts:ExternalId 4711; seen: 4711
  identity-based policy    allow  pa[1] of user/alice

  Smallest change that would have denied it:
    - take it out of trust policy a[1] of role/r, or a request that does not meet StringEquals sts:ExternalId 4711 (it is 4711)
    - take it out of pa[1] of user/alice
`},
		{"two that stand in for each other", policy.Inputs{Identity: identity(plain), Resource: grounded(t, policy.ResourcePolicy, policy.Source{Type: policy.SourceResource, ID: "bucket "}, names)},
			`  resource-based policy    allow  bucket a[1]
  identity-based policy    allow  pa[1] of user/alice

  Smallest change that would have denied it:
    - all of these would have to change, since each allows it: bucket a[1]; pa[1] of user/alice
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var ctx policy.Context
			ctx.SetString("aws:SourceIp", "10.1.2.3")
			ctx.SetString("sts:ExternalId", "4711")
			req := policy.Request{
				Caller: &policy.Caller{Type: policy.User, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/alice", PrincipalARN: "arn:aws:iam::111122223333:user/alice", ID: "AIDA00000000000000001"},
				Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket/key", Context: &ctx,
			}
			if test.in.ResourceIsTrust {
				req.Action, req.Resource = "sts:AssumeRole", "arn:aws:iam::111122223333:role/r"
			}
			d, sole, g := policy.EvaluateGrounds(&req, &test.in)
			if want := policy.Evaluate(&req, &test.in, nil); !d.Allowed || d != want {
				t.Fatalf("decision %+v, want %+v", d, want)
			}
			if sole != (test.want == "") || sole != (g == nil) {
				t.Fatalf("sole = %v", sole)
			}
			if g != nil && g.Render() != test.want {
				t.Errorf("got\n%swant\n%s", g.Render(), test.want)
			}
			req.Action = "s3:DeleteObject"
			if d, sole, g := policy.EvaluateGrounds(&req, &test.in); d.Allowed || sole || g != nil {
				t.Errorf("a denial has grounds: %+v", g)
			}
		})
	}
}
