package transfer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/server"
	service "github.com/lanyard-iam/lanyard/service/iam"
	"github.com/lanyard-iam/lanyard/transfer"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// account is an account of a server to import into.
type account struct {
	testing.TB
	*lanyardtest.Lanyard
	client *iam.Client
}

func newAccount(t testing.TB, options ...lanyardtest.Option) *account {
	t.Helper()
	l := lanyardtest.New(t, options...)
	return &account{t, l, iam.NewFromConfig(l.Config())}
}

// importer imports as the administrator.
func (a *account) importer() *transfer.Importer {
	return &transfer.Importer{Client: a.client, Account: arn.AccountID(a.Account), Partition: "aws", Accounts: []arn.AccountID{arn.AccountID(a.Account)}}
}

// managed hands AWS managed policies to the server, as the command does.
func (a *account) managed(ctx context.Context, in server.ManagedPolicy) (reply server.ManagedPolicyReply, err error) {
	text, err := json.Marshal(in)
	if err != nil {
		return reply, err
	}
	resp, err := server.NewLocalClient(a.Socket).Post("http://local/managed-policies", "application/json", bytes.NewReader(text))
	if err != nil {
		return reply, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error string }
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
			return reply, err
		}
		return reply, transfer.Refusal(e.Error)
	}
	return reply, json.NewDecoder(resp.Body).Decode(&reply)
}

func (a *account) run(im *transfer.Importer, text string) *transfer.Report {
	a.Helper()
	report, err := im.Run(a.Context(), file(a, text))
	if err != nil {
		a.Fatal(err)
	}
	return report
}

func (a *account) export() string {
	a.Helper()
	var b bytes.Buffer
	if err := transfer.Export(a.Context(), a.client, &b); err != nil {
		a.Fatal(err)
	}
	return b.String()
}

func file(t testing.TB, text string) *transfer.File {
	t.Helper()
	f, err := transfer.Open(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func example(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/account.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func written(t testing.TB, r *transfer.Report, asJSON bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b, asJSON); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s", name, got)
	}
}

// essence is an exported account without what differs between two that are equal: ids,
// dates and the account.
func essence(t testing.TB, text, id string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, id, "ACCOUNT")), &v); err != nil {
		t.Fatal(err)
	}
	var strip func(any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range []string{"UserId", "GroupId", "RoleId", "PolicyId", "InstanceProfileId", "CreateDate", "UpdateDate", "RoleLastUsed"} {
				delete(v, name)
			}
			for _, inside := range v {
				strip(inside)
			}
		case []any:
			for _, inside := range v {
				strip(inside)
			}
		}
	}
	strip(v)
	return v
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	a, _ := json.MarshalIndent(got, "", " ")
	b, _ := json.MarshalIndent(want, "", " ")
	if len(a) > 60_000 {
		a, b = a[:60_000], b[:min(len(b), 60_000)]
	}
	t.Errorf("%s: got\n%s\nwant\n%s", what, a, b)
}

// TestImport: the report and the dry run say the same, word by word, as text and as
// JSON; a second run changes nothing; what is made works and is on the trail.
func TestImport(t *testing.T) {
	a := newAccount(t)
	im := a.importer()
	im.DryRun = true
	before := a.export()
	dry := a.run(im, example(t))
	golden(t, "dry-run.txt", written(t, dry, false))
	if after := a.export(); after != before {
		t.Errorf("a dry run changed the account")
	}
	im.DryRun = false
	report := a.run(im, example(t))
	golden(t, "report.txt", written(t, report, false))
	golden(t, "report.json", written(t, report, true))
	if !reflect.DeepEqual(dry.Entities, report.Entities) {
		t.Errorf("the dry run said otherwise: %v", dry.Entities)
	}
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	once := a.export()
	again := a.run(im, example(t))
	for _, e := range again.Entities {
		if e.Result != transfer.Unchanged && e.Result != transfer.LeftOut {
			t.Errorf("the second run: %+v", e)
		}
	}
	if twice := a.export(); twice != once {
		t.Error("the second run changed the account")
	}

	for want, got := range map[string]func() (string, error){
		"arn:aws:iam::" + a.Account + ":policy/boundaries/developer": func() (string, error) {
			out, err := a.client.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("alice")})
			if err != nil {
				return "", err
			}
			return *out.User.PermissionsBoundary.PermissionsBoundaryArn, nil
		},
		"v2": func() (string, error) {
			out, err := a.client.GetPolicy(t.Context(), &iam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::" + a.Account + ":policy/teams/Data-Read")})
			if err != nil {
				return "", err
			}
			return *out.Policy.DefaultVersionId, nil
		},
		"deploy": func() (string, error) { // roles that trust each other
			out, err := a.client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("runner")})
			if err != nil || !strings.Contains(*out.Role.AssumeRolePolicyDocument, "role%2Fdeploy") {
				return "", fmt.Errorf("%v %v", out, err)
			}
			return "deploy", nil
		},
	} {
		if s, err := got(); err != nil || s != want {
			t.Errorf("%q, %v, want %q", s, err, want)
		}
	}
	trail := cloudtrail.NewFromConfig(a.Config())
	for name, want := range map[string]int{"CreateUser": 3, "CreateRole": 6, "UpdateAssumeRolePolicy": 5, "CreatePolicyVersion": 2, "AddUserToGroup": 3} {
		out, err := trail.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyEventName, AttributeValue: &name}}})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, e := range out.Events {
			if strings.Contains(*e.CloudTrailEvent, a.AccessKeyID) {
				n++
			}
		}
		if n != want {
			t.Errorf("%d %s on the trail, want %d", n, name, want)
		}
	}
}

// TestExportImportExport: an account that is exported and imported somewhere else is the
// same, but for ids, dates and the account.
func TestExportImportExport(t *testing.T) {
	one := newAccount(t)
	im := one.importer()
	im.PutManaged = one.managed
	one.run(im, example(t))
	exported := one.export()
	two := newAccount(t, func(c *server.Config) { c.Accounts = []arn.AccountID{"444455556666"} })
	im = two.importer()
	im.PutManaged = two.managed
	report := two.run(im, exported)
	for _, e := range report.Entities {
		if len(e.LeftOut) > 0 || e.Result == transfer.LeftOut && e.Name != server.OwnerRole || e.Result == transfer.Failed {
			t.Errorf("%+v", e)
		}
	}
	same(t, "exported again", essence(t, two.export(), two.Account), essence(t, exported, one.Account))
}

// TestConverges: whatever was changed since, an import makes equal what the file has, and
// leaves alone what it has not.
func TestConverges(t *testing.T) {
	a := newAccount(t)
	ctx, c := t.Context(), a.client
	a.run(a.importer(), example(t))
	want := essence(t, a.export(), a.Account)
	policy := aws.String("arn:aws:iam::" + a.Account + ":policy/teams/Data-Read")
	document := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	steps := []func() error{
		func() error {
			_, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("mine")})
			return err
		},
		func() error {
			_, err := c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
			return err
		},
		func() error {
			_, err := c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: policy})
			return err
		},
		func() error {
			_, err := c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("self"), PolicyDocument: document})
			return err
		},
		func() error {
			_, err := c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("more"), PolicyDocument: document})
			return err
		},
		func() error {
			_, err := c.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("alice")})
			return err
		},
		func() error {
			_, err := c.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("bob"), PermissionsBoundary: policy})
			return err
		},
		func() error {
			_, err := c.TagUser(ctx, &iam.TagUserInput{UserName: aws.String("bob"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("x")}, {Key: aws.String("new"), Value: aws.String("y")}}})
			return err
		},
		func() error {
			_, err := c.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("bob"), NewPath: aws.String("/moved/"), NewUserName: aws.String("BOB")})
			return err
		},
		func() error {
			_, err := c.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: aws.String("bob"), GroupName: aws.String("devs")})
			return err
		},
		func() error {
			_, err := c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: aws.String("bob"), GroupName: aws.String("admins")})
			return err
		},
		func() error {
			_, err := c.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: aws.String("devs"), NewPath: aws.String("/elsewhere/")})
			return err
		},
		func() error {
			_, err := c.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: aws.String("devs"), PolicyName: aws.String("work")})
			return err
		},
		func() error {
			_, err := c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("deploy"), PolicyDocument: aws.String(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`)})
			return err
		},
		func() error {
			_, err := c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("lambda-orders")})
			return err
		},
		func() error {
			_, err := c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: aws.String("deploy"), TagKeys: []string{"env"}})
			return err
		},
		func() error {
			_, err := c.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: aws.String("runner"), InstanceProfileName: aws.String("runner")})
			return err
		},
		func() error {
			_, err := c.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: policy, VersionId: aws.String("v1")})
			return err
		},
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	report := a.run(a.importer(), example(t))
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("mine")}); err != nil {
		t.Errorf("what is not in the file: %v", err)
	}
	same(t, "imported again", essence(t, a.export(), a.Account), want)
}

// TestVersions: whatever versions a policy has and the file has, the import ends with
// those of the file, and the same one in force.
func TestVersions(t *testing.T) {
	a := newAccount(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		name := fmt.Sprintf("p%d", n)
		draw := func(label string) string {
			count := rapid.IntRange(1, 5).Draw(r, label)
			inForce := rapid.IntRange(1, count).Draw(r, label+" in force")
			var versions []string
			for i := 1; i <= count; i++ {
				versions = append(versions, fmt.Sprintf(`{"VersionId":"v%d","Document":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get%d","Resource":"*"}]}}`,
					i*rapid.IntRange(1, 1).Draw(r, "one"), rapid.IntRange(1, 6).Draw(r, label+" document")))
			}
			return fmt.Sprintf(`{"Policies":[{"PolicyName":%q,"Path":"/","Arn":"arn:aws:iam::%s:policy/%s","DefaultVersionId":"v%d","PolicyVersionList":[%s]}]}`,
				name, a.Account, name, inForce, strings.Join(versions, ","))
		}
		first, second := draw("first"), draw("second")
		for _, text := range []string{first, second} {
			report, err := a.importer().Run(t.Context(), file(t, text))
			if err != nil || report.Err() != nil {
				r.Fatalf("%v %v", err, report.Err())
			}
			report, err = a.importer().Run(t.Context(), file(t, text))
			if err != nil || report.Entities[0].Result != transfer.Unchanged {
				r.Fatalf("again: %v %+v\n%s", err, report.Entities, text)
			}
		}
		if _, err := a.client.GetPolicy(t.Context(), &iam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::" + a.Account + ":policy/" + name)}); err != nil {
			r.Fatal(err)
		}
	})
}

// stopper lets some changes through and then the connection is gone.
type stopper struct{ left atomic.Int64 }

func (s *stopper) Do(r *http.Request) (*http.Response, error) {
	text := new(bytes.Buffer)
	if _, err := text.ReadFrom(r.Body); err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(text.Bytes()))
	if action := text.String(); !strings.HasPrefix(action, "Action=Get") && !strings.HasPrefix(action, "Action=List") && s.left.Add(-1) < 0 {
		return nil, errors.New("the connection is gone")
	}
	return http.DefaultClient.Do(r)
}

// TestInterrupted: wherever an import stops, nobody may more than in the end, and
// another run goes on from there.
func TestInterrupted(t *testing.T) {
	whole := newAccount(t)
	whole.run(whole.importer(), example(t))
	want := essence(t, whole.export(), whole.Account)
	trusts := rolesOf(t, whole)
	stops := 0
	a := newAccount(t)
	for at := int64(0); ; at += 3 {
		a.Reset()
		s := new(stopper)
		s.left.Store(at)
		im := a.importer()
		im.Client = iam.NewFromConfig(a.Config(), func(o *iam.Options) { o.HTTPClient, o.Retryer = s, aws.NopRetryer{} })
		report, err := im.Run(t.Context(), file(t, example(t)))
		if err == nil {
			break
		}
		stops++
		if report.Err() == nil || !strings.Contains(err.Error(), "the connection is gone") {
			t.Fatalf("after %d changes: %v, %v", at, err, report.Err())
		}
		for name, r := range rolesOf(t, a) {
			if r.trust != trusts[name].trust && strings.Contains(r.trust, "Allow") || strings.Contains(r.trust, "Allow") && r.rest != trusts[name].rest {
				t.Errorf("after %d changes the role %s can be assumed, and is not complete: %+v", at, name, r)
			}
		}
		a.run(a.importer(), example(t))
		same(t, fmt.Sprintf("stopped after %d changes, and run again", at), essence(t, a.export(), a.Account), want)
	}
	if stops < 5 {
		t.Errorf("it was stopped %d times only", stops)
	}
}

type trustAndRest struct{ trust, rest string }

// rolesOf are the trust policies of an account's roles, and all else of them.
func rolesOf(t *testing.T, a *account) map[string]trustAndRest {
	t.Helper()
	roles := map[string]trustAndRest{}
	for _, r := range essence(t, a.export(), a.Account).(map[string]any)["RoleDetailList"].([]any) {
		r := r.(map[string]any)
		trust, _ := json.Marshal(r["AssumeRolePolicyDocument"])
		delete(r, "AssumeRolePolicyDocument")
		delete(r, "InstanceProfileList")
		rest, _ := json.Marshal(r)
		roles[r["RoleName"].(string)] = trustAndRest{string(trust), string(rest)}
	}
	return roles
}

// T337, T415, T506: an import can do nothing that whoever runs it could not do by hand.
func TestT337_T415_T506_ImportIsNoBackDoor(t *testing.T) {
	a := newAccount(t)
	ctx := t.Context()
	const self = `{"UserDetailList":[{"Path":"/","UserName":"low","Arn":"arn:aws:iam::210987654321:user/low","GroupList":[],
		"AttachedManagedPolicies":[{"PolicyName":"AdministratorAccess","PolicyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}]}]}`
	reads := `"iam:Get*","iam:List*"`
	for _, test := range []struct{ name, actions, want string }{
		{"nothing", `"sts:GetCallerIdentity"`, "AccessDenied"},
		{"reads", reads, "AccessDenied"},
		{"other changes", reads + `,"iam:CreateGroup","iam:PutUserPolicy","iam:TagUser"`, "AccessDenied"},
		{"all but themselves", `"iam:*"],"Resource":"*"},{"Effect":"Deny","Action":["iam:Attach*"`, "AccessDenied"},
	} {
		name := aws.String("low")
		_, _ = a.client.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
		document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + test.actions + `],"Resource":"*"}]}`
		if _, err := a.client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String("p"), PolicyDocument: &document}); err != nil {
			t.Fatal(err)
		}
		key, err := a.client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
		if err != nil {
			t.Fatal(err)
		}
		before := a.export()
		im := a.importer()
		im.Client = iam.NewFromConfig(a.ConfigFor(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, ""))
		for _, text := range []string{self, example(t)} {
			_, err = im.Run(ctx, file(t, text))
			var refused smithy.APIError
			if test.name == "all but themselves" && text != self {
				continue // it is allowed a part
			}
			if !errors.As(err, &refused) || refused.ErrorCode() != test.want || !transfer.Refused(err) {
				t.Errorf("%s: %v", test.name, err)
			}
			if test.name != "other changes" && test.name != "all but themselves" || text == self {
				if after := a.export(); after != before {
					t.Errorf("%s: the account was changed", test.name)
				}
			}
		}
		if err := transfer.Export(ctx, im.Client, new(bytes.Buffer)); (err == nil) != (test.name != "nothing") {
			t.Errorf("%s: export: %v", test.name, err)
		}
		if _, err := a.client.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: key.AccessKey.AccessKeyId}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestQuotas: what has no room is left out, and the dry run knows.
func TestQuotas(t *testing.T) {
	a := newAccount(t, func(c *server.Config) {
		c.Limits = service.DefaultLimits()
		c.Limits.UsersPerAccount, c.Limits.GroupsPerUser, c.Limits.VersionsPerPolicy, c.Limits.TrustPolicySize = 3, 1, 2, 210
		c.Limits.RolesPerAccount = 6
	})
	im := a.importer()
	im.DryRun = true
	dry := a.run(im, example(t))
	im.DryRun = false
	report := a.run(im, example(t))
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(dry.Entities, report.Entities) {
		t.Errorf("the dry run said otherwise")
	}
	text := written(t, report, false)
	for _, want := range []string{
		"left out   user               ci                               over quota: there are 3 already",
		"left out     of user          alice                            group admins: a user is in 1 groups at most",
		"left out     of policy        Data-Read                        version v2: a policy has 2 versions at most",
		"left out     of role          vendor                           trust policy: nobody can assume it: it has 2",
		"left out   role               orphan                           over quota: there are 6 already",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestAWSManagedPolicies: those of the file go before the catalogue's, with --aws-managed
// alone.
func TestAWSManagedPolicies(t *testing.T) {
	a := newAccount(t)
	im := a.importer()
	im.PutManaged, im.DryRun = a.managed, true
	dry := a.run(im, example(t))
	im.DryRun = false
	report := a.run(im, example(t))
	if !reflect.DeepEqual(dry.Entities, report.Entities) {
		t.Errorf("the dry run said otherwise")
	}
	text := written(t, report, false)
	for _, want := range []string{
		"updated    AWS managed policy AmazonSQSReadOnlyAccess          default version v9",
		"created    AWS managed policy AWSNotInAnyCatalogue2026         default version v1",
		"created    user               ci                               create at /machines/; attach arn:aws:iam::aws:policy/AWSNotInAnyCatalogue2026",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	out, err := a.client.GetPolicyVersion(t.Context(), &iam.GetPolicyVersionInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"), VersionId: aws.String("v9")})
	if err != nil || !strings.Contains(*out.PolicyVersion.Document, "sqs%3AGetQueueAttributes") {
		t.Errorf("%v %v", out, err)
	}
	listed := 0
	pages := iam.NewListPoliciesPaginator(a.client, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, MaxItems: aws.Int32(100)})
	names := map[string]bool{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Policies {
			if names[*p.Arn] {
				t.Errorf("%s is listed twice", *p.Arn)
			}
			names[*p.Arn] = true
			if *p.PolicyName == "AWSNotInAnyCatalogue2026" || *p.PolicyName == "AmazonSQSReadOnlyAccess" && *p.DefaultVersionId == "v9" {
				listed++
			}
		}
	}
	if listed != 2 {
		t.Errorf("%d of 2 are listed", listed)
	}
	// Bad ones are left out, and the rest goes on.
	bad := strings.ReplaceAll(example(t), `"Action": "new2026:*"`, `"Action": "nocolon"`)
	bad = strings.ReplaceAll(bad, "AWSNotInAnyCatalogue2026", "AWSBroken2026")
	report = a.run(im, bad)
	text = written(t, report, false)
	for _, want := range []string{
		`left out   AWS managed policy AWSBroken2026`,
		"attached policy arn:aws:iam::aws:policy/AWSBroken2026: the catalogue has no such AWS managed policy",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestHostileNames: what a file says comes to a terminal without its control characters,
// and names that cannot be are refused by the service.
func TestHostileNames(t *testing.T) {
	a := newAccount(t)
	for _, name := range []string{"\\u001b[31mred", "a b", strings.Repeat("x", 200), "..", "\\u202eevil", "<script>", "*"} {
		text := `{"UserDetailList":[{"Path":"/","UserName":"` + name + `","Arn":"arn:aws:iam::210987654321:user/` + name + `"},
			{"Path":"/","UserName":"fine","Arn":"arn:aws:iam::210987654321:user/fine"}]}`
		report := a.run(a.importer(), text)
		if name != ".." && report.Err() == nil {
			t.Errorf("%q was made", name)
		}
		if out := written(t, report, false); strings.ContainsAny(out, "\x1b\u202e") {
			t.Errorf("%q reaches the terminal: %q", name, out)
		}
		if r := report.Entities[1]; r.Result == transfer.Failed {
			t.Errorf("what follows: %+v", r)
		}
	}
	// An AWS managed policy that cannot be is one that is not here.
	report := a.run(a.importer(), `{"UserDetailList":[{"Path":"/","UserName":"uses","Arn":"arn:aws:iam::210987654321:user/uses",
		"AttachedManagedPolicies":[{"PolicyName":"x","PolicyArn":"arn:aws:s3::aws:x y"}]},
		{"Path":"/","UserName":"last","Arn":"arn:aws:iam::210987654321:user/last"}]}`)
	if r := report.Entities; r[0].Result != transfer.LeftOut || r[1].Result != transfer.Created {
		t.Errorf("%+v", r)
	}
}
