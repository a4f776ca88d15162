package awsmanaged

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lanyard-iam/lanyard/arn"
)

func catalogue(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestThePoliciesThatPeopleAttachAreThere(t *testing.T) {
	c := catalogue(t)
	for _, name := range []string{
		"AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess", "job-function/ViewOnlyAccess", "SecurityAudit",
		"IAMFullAccess", "IAMReadOnlyAccess", "IAMUserChangePassword", "IAMUserSSHKeys",
		"AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "AmazonDynamoDBFullAccess",
		"service-role/AWSLambdaBasicExecutionRole", "job-function/Billing",
	} {
		full := "arn:aws:iam::aws:policy/" + name
		p, ok := c.Find(full)
		if !ok {
			t.Errorf("%s is missing", full)
			continue
		}
		if p.ARN("aws") != full {
			t.Errorf("ARN of %s = %s", full, p.ARN("aws"))
		}
	}
}

func TestFindIgnoresThePartition(t *testing.T) {
	c := catalogue(t)
	p, ok := c.Find("arn:aws-cn:iam::aws:policy/AdministratorAccess")
	if !ok || p.ARN("aws-cn") != "arn:aws-cn:iam::aws:policy/AdministratorAccess" {
		t.Errorf("Find in aws-cn = %v, %v", p, ok)
	}
}

func TestFindRefuses(t *testing.T) {
	c := catalogue(t)
	for _, name := range []string{
		"",
		"AdministratorAccess",
		"arn:aws:iam::aws:policy/NoSuchPolicy",
		"arn:aws:iam::aws:policy/administratoraccess", // names are compared exactly
		"arn:aws:iam::aws:policy/Billing",             // its path is job-function
		"arn:aws:iam::aws:policy//AdministratorAccess",
		"arn:aws:iam::aws:policy/job-function/../SecurityAudit",
		"arn:aws:iam::123456789012:policy/AdministratorAccess", // a customer's own of that name
		"arn:aws:iam:us-east-1:aws:policy/AdministratorAccess",
		"arn:aws:organizations::aws:policy/AdministratorAccess",
		"arn:aws:iam::aws:role/AdministratorAccess",
		"arn:aws:iam::aws:policy/aws-service-role/../Administrator",
	} {
		if p, ok := c.Find(name); ok {
			t.Errorf("Find(%q) = %s", name, p.Name)
		}
	}
}

func TestEachPolicyIsWellFormed(t *testing.T) {
	ids := map[string]string{}
	for p := range catalogue(t).All() {
		if !strings.HasPrefix(p.ID, arn.PrefixPolicy) || len(p.ID) != 21 {
			t.Errorf("%s: id %q is not a policy id", p.Name, p.ID)
		}
		if other, ok := ids[p.ID]; ok {
			t.Errorf("%s and %s have the same id", p.Name, other)
		}
		ids[p.ID] = p.Name
		if p.Description == "" || len(p.Description) > 1000 {
			t.Errorf("%s: description of %d characters", p.Name, len(p.Description))
		}
		if p.Updated.Before(p.Created) {
			t.Errorf("%s: updated before it was created", p.Name)
		}
		if d := p.Default(); d.Created.After(p.Updated) {
			t.Errorf("%s: default version %s is newer than the policy's update", p.Name, d.ID)
		}
		if v, ok := p.Version(p.Default().ID); !ok || v != p.Default() {
			t.Errorf("%s: default version is not found by its id", p.Name)
		}
		if _, ok := p.Version("v0"); ok {
			t.Errorf("%s: has a version v0", p.Name)
		}
	}
}

// A policy that calls itself read-only must not hold an action that writes,
// whatever pattern it is written with.
func TestReadOnlyPoliciesOnlyRead(t *testing.T) {
	reads := []string{"Get", "GET", "List", "Describe", "BatchGet", "BatchCheck", "Lookup", "Search", "Generate", "Simulate",
		"Test", "Validate", "View", "Check", "Detect", "Estimate", "Filter", "Query", "Scan", "Select", "PartiQLSelect", "AdminGet", "AdminList",
		"ESHttpGet", "ESHttpHead", "GitPull", "IsMember", "Download"}
	c := catalogue(t)
	for _, name := range []string{"ReadOnlyAccess", "job-function/ViewOnlyAccess", "SecurityAudit", "IAMReadOnlyAccess", "AmazonS3ReadOnlyAccess", "AWSCloudTrail_ReadOnlyAccess", "AmazonEC2ReadOnlyAccess"} {
		p, ok := c.Find("arn:aws:iam::aws:policy/" + name)
		if !ok {
			t.Fatal(name)
		}
		for _, action := range actions(t, p) {
			_, verb, _ := strings.Cut(action, ":")
			if !slices.ContainsFunc(reads, func(r string) bool { return strings.HasPrefix(verb, r) }) {
				t.Errorf("%s allows %s", name, action)
			}
		}
	}
}

// actions returns what a policy's statements allow.
func actions(t *testing.T, p *Policy) []string {
	t.Helper()
	var doc struct {
		Statement []struct {
			Effect string
			Action any
		}
	}
	if err := json.Unmarshal([]byte(p.Default().Document), &doc); err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	var out []string
	for _, s := range doc.Statement {
		switch a := s.Action.(type) {
		case string:
			out = append(out, a)
		case []any:
			for _, v := range a {
				out = append(out, v.(string))
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s has no actions", p.Name)
	}
	return out
}

func TestServiceLinkedPoliciesAreNotAttachable(t *testing.T) {
	for p := range catalogue(t).All() {
		if got, want := p.Attachable(), !strings.HasPrefix(p.Path, "/aws-service-role/"); got != want {
			t.Errorf("%s%s: Attachable = %v", p.Path, p.Name, got)
		}
	}
	p, ok := catalogue(t).Find("arn:aws:iam::aws:policy/aws-service-role/AWSOrganizationsServiceTrustPolicy")
	if !ok || p.Attachable() {
		t.Error("AWSOrganizationsServiceTrustPolicy should be there and not be attachable")
	}
}

func TestAllIsSortedAndAfterContinuesIt(t *testing.T) {
	c := catalogue(t)
	all := slices.Collect(c.All())
	if len(all) != c.Len() || !slices.IsSortedFunc(all, func(a, b *Policy) int { return strings.Compare(a.Path+a.Name, b.Path+b.Name) }) {
		t.Fatal("All is not the sorted catalogue")
	}
	if got := slices.Collect(c.After("")); !slices.Equal(got, all) {
		t.Errorf("After nothing yields %d of %d", len(got), len(all))
	}
	for i, p := range all {
		if got := slices.Collect(c.After(p.Path + p.Name)); !slices.Equal(got, all[i+1:]) {
			t.Errorf("After %s%s yields %d, want %d", p.Path, p.Name, len(got), len(all)-i-1)
		}
	}
	// A policy that a later release dropped still marks its place.
	if got := slices.Collect(c.After("/AdministratorAccess0")); got[0] != all[slices.IndexFunc(all, func(p *Policy) bool { return p.Name == "AdministratorAccess" })+1] {
		t.Errorf("After a missing name begins with %s", got[0].Name)
	}
}

func TestLoadRefusesBadFiles(t *testing.T) {
	const good = `{"id":"ANPAAAAAAAAAAAAAAAAAA","created":"2015-02-06T18:39:46Z","updated":"2015-02-06T18:39:46Z","versions":[{"id":"v1","created":"2015-02-06T18:39:46Z","document":{}}]}`
	for what, file := range map[string]struct{ name, text string }{
		"not JSON":         {"data/A.json", "{"},
		"another suffix":   {"data/A.txt", good},
		"unknown member":   {"data/A.json", strings.Replace(good, `"id"`, `"name":"A","id"`, 1)},
		"no versions":      {"data/A.json", `{"id":"ANPA","created":"2015-02-06T18:39:46Z","updated":"2015-02-06T18:39:46Z"}`},
		"no document":      {"data/A.json", strings.Replace(good, `,"document":{}`, "", 1)},
		"no creation time": {"data/A.json", strings.Replace(good, `"created":"2015-02-06T18:39:46Z",`, "", 1)},
	} {
		if _, err := load(fstest.MapFS{file.name: {Data: []byte(file.text)}}); err == nil {
			t.Errorf("%s: loaded", what)
		}
	}
	c, err := load(fstest.MapFS{"data/a/b/C.json": {Data: []byte(good)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Find("arn:aws:iam::aws:policy/a/b/C"); !ok {
		t.Error("a file two folders deep is not found")
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		catalogue(b)
	}
}

func BenchmarkFind(b *testing.B) {
	c := catalogue(b)
	b.ReportAllocs()
	for b.Loop() {
		c.Find("arn:aws:iam::aws:policy/job-function/Billing")
	}
}
