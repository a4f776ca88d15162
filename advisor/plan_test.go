package advisor_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/awsmanaged"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./advisor -update): %v\n%s", path, err, got)
	}
}

// busy is an account in which there is something of everything a plan speaks of.
func busy() *advisor.Facts {
	f := safe()
	const mfaTrust = `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`
	assume := allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/deploy")
	f.Root.Devices = []advisor.Device{{Serial: "arn:aws:iam::111122223333:mfa/root-account-mfa-device", Enabled: ago(40)}}
	f.Root.Uses = []advisor.Use{{At: ago(3), Event: "CreateUser"}}
	f.Root.Email, f.Root.Password = "root@example.com", &advisor.Password{Used: ago(3)}
	f.Users = append(f.Users,
		advisor.User{
			Name: "glass", ARN: "arn:aws:iam::111122223333:user/glass", ID: "AIDAGLASSGLASSGLASS23", Created: ago(300), MFA: true, Tags: map[string]string{"Break-Glass": "yes"}, Groups: []string{"admins"},
			Devices:  []advisor.Device{{Serial: "arn:aws:iam::111122223333:u2f/user/glass/safe-ABC", Enabled: ago(200)}, {Serial: "GAHT12345678", Enabled: ago(100)}},
			Password: &advisor.Password{Changed: ago(200), Used: ago(120)}, Keys: []advisor.Key{key("AKIAGLASS", 5, -1)},
		},
		advisor.User{
			Name: "bob", ARN: "arn:aws:iam::111122223333:user/bob", ID: "AIDABOBBOBBOBBOBBOB23", Created: ago(100), MFA: true, Keys: []advisor.Key{key("AKIABOB", 95, 1)},
			Permissions: advisor.Permissions{Inline: []advisor.Inline{{"assume-deploy", assume}}},
		},
		advisor.User{Name: "new|`<b>`", ARN: "arn:aws:iam::111122223333:user/new", ID: "AIDANEWNEWNEWNEWNEW23", Created: ago(1)},
		advisor.User{
			Name: "sync", ARN: "arn:aws:iam::111122223333:user/sync", ID: "AIDASYNCSYNCSYNCSYN23", Created: ago(100), Keys: []advisor.Key{key("AKIASYNC", 20, 1)}, Certificates: 1,
			Permissions: advisor.Permissions{Inline: []advisor.Inline{{"write", allow("s3:PutObject", "arn:aws:s3:::b/*")}}, Boundary: reader},
		},
	)
	f.Roles[0].Trust = trust(`{"AWS":"arn:aws:iam::111122223333:root"}`, mfaTrust)
	const provider, idp, gone = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com", "arn:aws:iam::111122223333:saml-provider/staff", "arn:aws:iam::111122223333:saml-provider/old"
	role := func(name, text string, attached ...string) advisor.Role {
		return advisor.Role{Name: name, ARN: "arn:aws:iam::111122223333:role/" + name, ID: "AROA" + strings.ToUpper(name), Path: "/", Created: ago(90), Used: ago(2), Trust: text, Permissions: advisor.Permissions{Attached: attached}}
	}
	chained := role("chained", trust(`{"AWS":"arn:aws:iam::111122223333:role/deploy"}`, ""), reader)
	chained.Used = time.Time{}
	linked := role("AWSServiceRoleForSupport", trust(`{"Service":"support.amazonaws.com"}`, ""))
	linked.Path = "/aws-service-role/support.amazonaws.com/"
	f.Roles = append(f.Roles, chained, linked,
		role("ci", strings.Replace(trust(`{"Federated":"`+provider+`"}`, `,"Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"repo:acme/app:*"},"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}`), "AssumeRole", "AssumeRoleWithWebIdentity", 1), "arn:aws:iam::aws:policy/PowerUserAccess"),
		role("staff", strings.Replace(trust(`{"Federated":"`+idp+`"}`, ""), "AssumeRole", "AssumeRoleWithSAML", 1), reader),
		role("server", trust(`{"Service":"ec2.amazonaws.com","AWS":["444455556666","arn:aws:iam::444455556666:role/ops"]}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`)),
		role("open", trust(`"*"`, ""), reader),
	)
	f.Policies["arn:aws:iam::aws:policy/PowerUserAccess"] = advisor.Policy{Name: "PowerUserAccess", Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":["iam:*","organizations:*"],"Resource":"*"}}`}
	f.Providers = []advisor.Provider{
		{ARN: provider, Created: ago(90), Audiences: []string{"sts.amazonaws.com"}}, {ARN: gone, Created: ago(900), Expires: ago(3)}, {ARN: idp, Created: ago(300), Expires: now.AddDate(0, 0, 30)},
	}
	f.Notes = []string{"a note"}
	return f
}

func TestWhatAPlanSays(t *testing.T) {
	p := advisor.MakePlan(busy(), time.Time{})
	var text, markdown bytes.Buffer
	if err := p.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.txt", text.Bytes())
	if err := p.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.md", markdown.Bytes())
	structure, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.json", append(structure, '\n'))
	for _, line := range strings.Split(markdown.String(), "\n") {
		if cells := strings.Count(line, "|") - strings.Count(line, `\|`); strings.HasPrefix(line, "|") && cells < 3 {
			t.Errorf("a row that is none: %s", line)
		}
	}
}

func TestReview(t *testing.T) {
	if p := advisor.MakePlan(safe(), time.Time{}); !p.Review.Equal(time.Date(2027, 2, 24, 0, 0, 0, 0, time.UTC)) || p.Overdue {
		t.Errorf("review %s, overdue %t", p.Review, p.Overdue)
	}
	p := advisor.MakePlan(safe(), ago(1))
	if !p.Overdue || p.Recommendations[0].ID != "review" {
		t.Errorf("overdue %t, %+v", p.Overdue, p.Recommendations)
	}
}

// TestLevels: the words say what the policies do, whatever their names are; those of
// AWS are what AWS calls them.
func TestLevels(t *testing.T) {
	catalogue, err := awsmanaged.Load()
	if err != nil {
		t.Fatal(err)
	}
	aws := func(place string) string {
		p, ok := catalogue.Find("arn:aws:iam::aws:policy/" + place)
		if !ok {
			t.Fatalf("AWS has no policy %s", place)
		}
		return p.DefaultDocument()
	}
	own := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*AccessKey*","iam:ChangePassword","iam:GetUser","iam:*MFADevice"],"Resource":["arn:aws:iam::*:user/${aws:username}","arn:aws:iam::*:mfa/${aws:username}"]},
		{"Effect":"Allow","Action":["iam:ListVirtualMFADevices","iam:GetAccountPasswordPolicy"],"Resource":"*"}]}`
	for _, c := range []struct {
		what      string
		documents []string
		boundary  string
		want      advisor.Level
	}{
		{"AdministratorAccess", []string{aws("AdministratorAccess")}, "", advisor.Administrator},
		{"IAMFullAccess", []string{aws("IAMFullAccess")}, "", advisor.Administrator},
		{"PowerUserAccess", []string{aws("PowerUserAccess")}, "", advisor.PowerUser},
		{"ReadOnlyAccess", []string{aws("ReadOnlyAccess")}, "", advisor.ReadOnly},
		{"ViewOnlyAccess", []string{aws("job-function/ViewOnlyAccess")}, "", advisor.ReadOnly},
		{"SecurityAudit", []string{aws("SecurityAudit")}, "", advisor.ReadOnly},
		{"IAMReadOnlyAccess", []string{aws("IAMReadOnlyAccess")}, "", advisor.ReadOnly},
		{"IAMUserChangePassword", []string{aws("IAMUserChangePassword")}, "", advisor.OwnCredentials},
		{"AmazonS3FullAccess", []string{aws("AmazonS3FullAccess")}, "", advisor.Custom},
		{"nothing", nil, "", advisor.Nothing},
		{"only what is denied", []string{strings.Replace(allow("*", "*"), "Allow", "Deny", 1)}, "", advisor.Nothing},
		{"to assume roles", []string{allow("sts:AssumeRole", "*")}, "", advisor.AssumesRoles},
		{"to assume roles and look after oneself", []string{allow("sts:AssumeRole", "*"), own}, "", advisor.AssumesRoles},
		{"to assume roles and read", []string{allow("sts:AssumeRole", "*"), allow("s3:Get*", "*")}, "", advisor.Custom},
		{"oneself", []string{own}, "", advisor.OwnCredentials},
		{"others' keys", []string{allow("iam:CreateAccessKey", "*")}, "", advisor.Custom},
		{"check out, which is no checking", []string{allow("license-manager:CheckoutLicense", "*")}, "", advisor.Custom},
		{"everything that begins with G", []string{allow("s3:G*", "*")}, "", advisor.Custom},
		{"all but", []string{strings.Replace(allow("s3:DeleteBucket", "*"), `"Action"`, `"NotAction"`, 1)}, "", advisor.Administrator},
		{"everything, within a boundary that reads", []string{allow("*", "*")}, allow("s3:Get*", "*"), advisor.ReadOnly},
		{"everything, within an empty boundary", []string{allow("*", "*")}, strings.Replace(allow("*", "*"), "Allow", "Deny", 1), advisor.Nothing},
		{"reading, within a wide boundary", []string{allow("s3:Get*", "*")}, allow("*", "*"), advisor.ReadOnly},
		{"administrator with MFA only", []string{strings.Replace(allow("*", "*"), `"Resource"`, `"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}},"Resource"`, 1)}, "", advisor.Administrator},
		{"administrator but for IAM", []string{allow("*", "*"), strings.Replace(allow("iam:*", "*"), "Allow", "Deny", 1)}, "", advisor.PowerUser},
	} {
		f := safe()
		u := advisor.User{Name: "x", ARN: "arn:aws:iam::111122223333:user/x", ID: "AIDAXXXXXXXXXXXXXXX23", Created: ago(1), MFA: true}
		for _, d := range c.documents {
			u.Inline = append(u.Inline, advisor.Inline{Name: "p", Document: d})
		}
		if c.boundary != "" {
			u.Boundary = "arn:aws:iam::111122223333:policy/b"
			f.Policies[u.Boundary] = advisor.Policy{Name: "b", Document: c.boundary}
		}
		f.Users, f.Groups, f.Roles = []advisor.User{u}, nil, nil
		if got := advisor.MakePlan(f, time.Time{}).People[0].Level; got != c.want {
			t.Errorf("%s: %s, not %s", c.what, got, c.want)
		}
	}
}

// TestEverybodyIsInThePlanOnce: each user is a person, for emergencies or not, or a
// workload; more permissions never lower a level; the sections hold what the plan does.
func TestEverybodyIsInThePlanOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		for i := range f.Users {
			if rapid.Bool().Draw(t, "for emergencies") {
				f.Users[i].Tags = map[string]string{advisor.BreakGlassTag: "yes"}
			}
		}
		p := advisor.MakePlan(f, time.Time{})
		seen := map[string]int{}
		levels := map[string]advisor.Level{}
		for _, u := range slices.Concat(p.People, p.BreakGlass) {
			seen[u.ARN]++
			levels[u.ARN] = u.Level
		}
		for _, w := range p.Workloads {
			seen[w.ARN]++
			levels[w.ARN] = w.Level
		}
		for _, u := range f.Users {
			if seen[u.ARN] != 1 {
				t.Errorf("%s is there %d times", u.Name, seen[u.ARN])
			}
		}
		rows := map[string]int{}
		for _, s := range p.Sections() {
			rows[s.ID] = len(s.Rows)
			for _, row := range s.Rows {
				if len(row) != len(s.Head) {
					t.Errorf("%s: %d cells under %d heads", s.ID, len(row), len(s.Head))
				}
			}
		}
		if rows["people"] != len(p.People) || rows["roles"] != len(p.Roles) || rows["findings"] != len(p.Findings) {
			t.Errorf("%v", rows)
		}
		for i := range f.Users {
			f.Users[i].Attached = []string{admin}
		}
		for _, u := range advisor.MakePlan(f, time.Time{}).People {
			if u.Level != advisor.Administrator {
				t.Errorf("%s with %s: %s", u.Name, admin, u.Level)
			}
		}
	})
}
