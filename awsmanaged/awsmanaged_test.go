package awsmanaged

import (
	"encoding/json"
	"io/fs"
	"os"
	"reflect"
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
		"AmazonEC2FullAccess", "AmazonEKSClusterPolicy", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy",
		"AmazonEC2ContainerRegistryReadOnly", "AmazonEC2ContainerRegistryPowerUser", "AmazonSSMManagedInstanceCore",
		"CloudWatchAgentServerPolicy", "AWSXRayDaemonWriteAccess", "AmazonVPCFullAccess", "AmazonRoute53FullAccess",
		"AmazonSQSFullAccess", "AmazonSNSFullAccess", "CloudWatchLogsFullAccess", "SecretsManagerReadWrite",
		"AWSKeyManagementServicePowerUser", "AWSStepFunctionsFullAccess", "AWSSupportAccess", "AWSBillingReadOnlyAccess",
		"service-role/AmazonECSTaskExecutionRolePolicy", "service-role/AWSLambdaVPCAccessExecutionRole",
		"service-role/AWSLambdaSQSQueueExecutionRole", "service-role/AmazonRDSEnhancedMonitoringRole",
		"service-role/AWSGlueServiceRole", "service-role/AWSBackupServiceRolePolicyForBackup",
		"job-function/NetworkAdministrator", "job-function/DatabaseAdministrator", "job-function/SystemAdministrator",
		"job-function/DataScientist", "job-function/SupportUser", "root-task/IAMDeleteRootUserCredentials",
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
	const documentLimit = 150_000 // ReadOnlyAccess, the longest, has 141,167 bytes
	ids := map[string]string{}
	for p := range catalogue(t).All() {
		c := p.Content()
		if !strings.HasPrefix(c.ID, arn.PrefixPolicy) || len(c.ID) != idLength {
			t.Errorf("%s: id %q is not a policy id", p.Name, c.ID)
		}
		if other, ok := ids[c.ID]; ok {
			t.Errorf("%s and %s have the same id", p.Name, other)
		}
		ids[c.ID] = p.Name
		if len(p.Name) > 128 || len(p.ARN("aws-us-gov")) > 2048 || len(c.Description) > 1000 {
			t.Errorf("%s: a name, ARN or description longer than the API allows", p.Name)
		}
		if c.Updated.Before(c.Created) {
			t.Errorf("%s: updated before it was created", p.Name)
		}
		d := c.Default()
		if d.Created.After(c.Updated) {
			t.Errorf("%s: default version %s is newer than the policy's update", p.Name, d.ID)
		}
		if len(d.Document) > documentLimit {
			t.Errorf("%s: a document of %d bytes", p.Name, len(d.Document))
		}
		if v, ok := c.Version(d.ID); !ok || v != d {
			t.Errorf("%s: default version is not found by its id", p.Name)
		}
		if _, ok := c.Version("v0"); ok {
			t.Errorf("%s: has a version v0", p.Name)
		}
	}
}

// Nobody is given everything by a policy whose name does not say so, and one that
// calls itself read-only holds no action that changes what it reads about, whatever
// pattern it is written with.
func TestPoliciesKeepWhatTheirNamesPromise(t *testing.T) {
	writes := []string{"Create", "Delete", "Put", "Update", "Attach", "Detach", "Add", "Remove", "Set", "Modify", "Terminate", "Run", "Pass", "Assume", "Write", "Change"}
	for p := range catalogue(t).All() {
		readOnly := strings.Contains(p.Name, "ReadOnly") || p.Name == "ViewOnlyAccess" || p.Name == "SecurityAudit"
		for _, action := range actions(t, p) {
			if action == "*" && p.Name != "AdministratorAccess" && p.Name != "AWSMcpServiceActionsFullAccess" { // the latter has a condition
				t.Errorf("%s allows every action", p.Name)
			}
			service, verb, _ := strings.Cut(action, ":")
			if !readOnly || slices.Contains(notOnlyReading, p.Name+" "+action) {
				continue
			}
			if verb == "*" || slices.ContainsFunc(writes, func(w string) bool { return strings.HasPrefix(verb, w) }) {
				t.Errorf("%s allows %s:%s", p.Name, service, verb)
			}
		}
	}
}

// notOnlyReading are AWS's own exceptions, none of which changes anything.
var notOnlyReading = []string{
	"AWSCleanRoomsMLReadOnlyAccess cleanrooms:PassMembership",
	"AWSCleanRoomsMLReadOnlyAccess cleanrooms:PassCollaboration",
	"AmazonS3ExpressReadOnlyAccess s3express:CreateSession",
	"ReadOnlyAccess s3express:CreateSession",
}

// actions returns what a policy's statements allow.
func actions(t *testing.T, p *Policy) []string {
	t.Helper()
	type statement struct {
		Effect string
		Action any
	}
	var doc struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(p.DefaultDocument()), &doc); err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	statements := make([]statement, 1) // one, or a list
	err := json.Unmarshal(doc.Statement, &statements)
	if err != nil {
		err = json.Unmarshal(doc.Statement, &statements[0])
	}
	if err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	var out []string
	for _, s := range statements {
		if s.Effect != "Allow" {
			continue
		}
		switch a := s.Action.(type) {
		case string:
			out = append(out, a)
		case []any:
			for _, v := range a {
				out = append(out, v.(string))
			}
		}
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
	for i := 0; i < len(all); i += 97 {
		p := all[i]
		if got := slices.Collect(c.After(p.Path + p.Name)); !slices.Equal(got, all[i+1:]) {
			t.Errorf("After %s%s yields %d, want %d", p.Path, p.Name, len(got), len(all)-i-1)
		}
	}
	last := all[len(all)-1]
	if got := slices.Collect(c.After(last.Path + last.Name)); len(got) != 0 {
		t.Errorf("%d policies follow the last", len(got))
	}
	// A policy that a later release dropped still marks its place.
	if got := slices.Collect(c.After("/AdministratorAccess+")); got[0] != all[slices.IndexFunc(all, func(p *Policy) bool { return p.Name == "AdministratorAccess" })+1] {
		t.Errorf("After a missing name begins with %s", got[0].Name)
	}
}

func TestLoadRefusesBadFiles(t *testing.T) {
	const good = `{"id":"ANPAAAAAAAAAAAAAAAAAA","created":"2015-02-06T18:39:46Z","updated":"2015-02-06T18:39:46Z","versions":[{"id":"v1","created":"2015-02-06T18:39:46Z","document":{}}]}`
	archive := func(places string, file string) fstest.MapFS {
		return fstest.MapFS{"places": {Data: []byte(places)}, "0": {Data: []byte(file)}}
	}
	for what, file := range map[string]string{
		"not JSON":         "[{]",
		"no array":         good,
		"another number":   "[" + good + "," + good + "]",
		"no policy":        "[]",
		"unknown member":   "[" + strings.Replace(good, `"id"`, `"name":"A","id"`, 1) + "]",
		"no versions":      `[{"id":"ANPA","created":"2015-02-06T18:39:46Z","updated":"2015-02-06T18:39:46Z"}]`,
		"no document":      "[" + strings.Replace(good, `,"document":{}`, "", 1) + "]",
		"no creation time": "[" + strings.Replace(good, `"created":"2015-02-06T18:39:46Z",`, "", 1) + "]",
	} {
		if _, err := read(archive("/A", file), "0", []string{"/A"}); err == nil {
			t.Errorf("%s: read", what)
		}
	}
	if _, err := load(fstest.MapFS{}); err == nil {
		t.Error("an archive without places is loaded")
	}
	c, err := load(archive("/B\n/a/b/C\n\n", "["+strings.ReplaceAll(good, "ANPAAAAAAAAAAAAAAAAAA", "ANPABBBBBBBBBBBBBBBBB")+","+good+"]"))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := c.Find("arn:aws:iam::aws:policy/a/b/C")
	if !ok || p.Name != "C" || p.Path != "/a/b/" || p.Content().ID != "ANPAAAAAAAAAAAAAAAAAA" {
		t.Error("a policy two folders deep is not found")
	}
}

// An id that AWS's is not known for must not change from release to release.
func TestDerivedIDs(t *testing.T) {
	p, ok := catalogue(t).Find("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
	if !ok || p.Content().ID != "ANPAFRH2CT4ML46TUWCYE" {
		t.Errorf("id of AmazonEKSClusterPolicy = %s", p.Content().ID)
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

// The archive in the binary is what the folder says. After a change: make data.
func TestArchiveIsTheFolder(t *testing.T) {
	c, n := catalogue(t), 0
	err := fs.WalkDir(os.DirFS("."), "data", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		place, ok := strings.CutSuffix(strings.TrimPrefix(name, "data"), ".json")
		if !ok {
			t.Errorf("%s: not a .json file", name)
		}
		want, err := parse(place, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		p, ok := c.byPlace[place]
		if !ok || !reflect.DeepEqual(p.Content(), want) {
			t.Errorf("%s differs in data.zip: run make data", name)
		}
		return nil
	})
	if err != nil || n != c.Len() {
		t.Errorf("%d files, %d policies in data.zip: run make data (%v)", n, c.Len(), err)
	}
}
