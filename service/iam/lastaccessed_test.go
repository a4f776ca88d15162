package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// called puts on record that someone called an action, "iam:GetUser".
func (w *world) called(id, action, region string) {
	w.t.Helper()
	namespace, name, _ := strings.Cut(action, ":")
	w.edit(func(tx store.Tx) error {
		old, err := orZero(identity.Activities.Get(tx, id, namespace))
		if err != nil {
			return err
		}
		a := &identity.Activity{At: old.At, Region: old.Region, Actions: slices.Clone(old.Actions)}
		a.Note(identity.ActionUse{Name: name, At: second(w.now), Region: region}, 0)
		return identity.Activities.Put(tx, a, id, namespace)
	})
}

// job begins a report, as root.
func (w *world) job(subject string, granularity types.AccessAdvisorUsageGranularityType) string {
	w.t.Helper()
	in := &iam.GenerateServiceLastAccessedDetailsInput{Arn: &subject, Granularity: granularity}
	return *do(w.root(), w.iam.GenerateServiceLastAccessedDetails, in).JobId
}

// accessed reads a report: "namespace entity region total action@entity …" per service.
func (w *world) accessed(job string) (lines []string) {
	w.t.Helper()
	in := &iam.GetServiceLastAccessedDetailsInput{JobId: &job, MaxItems: aws.Int32(100)}
	for {
		out := do(w.root(), w.iam.GetServiceLastAccessedDetails, in)
		for _, s := range out.ServicesLastAccessed {
			line := []string{*s.ServiceNamespace}
			if s.LastAuthenticated != nil {
				line = append(line, fmt.Sprint(s.LastAuthenticated.Format("01-02"), " ", lastPart(s.LastAuthenticatedEntity), " ", *s.LastAuthenticatedRegion, " ", *s.TotalAuthenticatedEntities))
			}
			for _, a := range s.TrackedActionsLastAccessed {
				line = append(line, *a.ActionName)
				if a.LastAccessedTime != nil {
					line[len(line)-1] += fmt.Sprint("@", lastPart(a.LastAccessedEntity), "/", *a.LastAccessedRegion)
				}
			}
			lines = append(lines, strings.Join(line, " "))
		}
		if in.Marker = out.Marker; !out.IsTruncated {
			return lines
		}
	}
}

// entities reads who could use a service: "type name date".
func (w *world) entities(job, namespace string) (lines []string) {
	w.t.Helper()
	w.later(time.Second) // who called in the second of the first page may have done so after it
	in := &iam.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &job, ServiceNamespace: &namespace, MaxItems: aws.Int32(1)}
	for {
		out := do(w.root(), w.iam.GetServiceLastAccessedDetailsWithEntities, in)
		for _, e := range out.EntityDetailsList {
			line := fmt.Sprint(e.EntityInfo.Type, " ", *e.EntityInfo.Name)
			if e.LastAuthenticated != nil {
				line += e.LastAuthenticated.Format(" 01-02")
			}
			lines = append(lines, line)
		}
		if in.Marker = out.Marker; !out.IsTruncated {
			return lines
		}
	}
}

func lastPart(arn *string) string { return (*arn)[strings.LastIndexByte(*arn, ':')+1:] }

func (w *world) member(user, group string) {
	w.t.Helper()
	do(w.root(), w.iam.AddUserToGroup, &iam.AddUserToGroupInput{UserName: &user, GroupName: &group})
}

func TestServiceLastAccessed(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.user("bob")
	w.user("carol") // who never does anything
	w.group("devs")
	w.member("alice", "devs")
	w.member("bob", "devs")
	w.member("carol", "devs")
	w.role("deployer")
	s3 := w.policy("s3", allow("s3:Get*", "*"))
	do(w.root(), w.iam.AttachGroupPolicy, &iam.AttachGroupPolicyInput{GroupName: aws.String("devs"), PolicyArn: &s3})
	do(w.root(), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: &s3})
	do(w.root(), w.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: aws.String("deployer"), PolicyArn: &s3})
	w.may("alice", allow("iam:GetUser", "*"), statement("Deny", "ec2:*", "*", ""))
	w.may("bob", allow("ec2:*", "*"))
	alice, bob, deployer := w.record("alice").ID, w.record("bob").ID, w.roleRecord("deployer").ID

	w.called(alice, "s3:GetObject", "eu-west-1") // 1 March
	w.called(alice, "iam:GetUser", "us-east-1")
	w.called(alice, "ec2:RunInstances", "us-east-1") // refused, and not listed: nothing allows it
	w.later(24 * time.Hour)
	w.called(bob, "s3:GetObject", "eu-west-2")
	w.called(deployer, "s3:ListBucket", "eu-west-3")
	w.called(alice, "iam:ListUsers", "us-east-1") // refused: no policy allows it, but iam is listed

	const service, action = types.AccessAdvisorUsageGranularityTypeServiceLevel, types.AccessAdvisorUsageGranularityTypeActionLevel
	scope := "arn:aws:iam::111122223333:"
	for _, c := range []struct {
		subject string
		level   types.AccessAdvisorUsageGranularityType
		want    []string
	}{
		{scope + "user/alice", "", []string{"iam 03-02 user/alice us-east-1 1", "s3 03-01 user/alice eu-west-1 1"}},
		{scope + "user/alice", action, []string{"iam 03-02 user/alice us-east-1 1 GetUser@user/alice/us-east-1 ListUsers@user/alice/us-east-1", "s3 03-01 user/alice eu-west-1 1 GetObject@user/alice/eu-west-1"}},
		{scope + "user/bob", service, []string{"ec2", "s3 03-02 user/bob eu-west-2 1"}},
		{scope + "user/carol", service, []string{"s3"}},
		{scope + "group/devs", action, []string{"s3 03-02 user/bob eu-west-2 2 GetObject@user/bob/eu-west-2"}},
		{scope + "role/deployer", service, []string{"s3 03-02 role/deployer eu-west-3 1"}},
		{s3, action, []string{"s3 03-02 " + map[bool]string{true: "user/bob eu-west-2", false: "role/deployer eu-west-3"}[bob < deployer] + " 3 GetObject@user/bob/eu-west-2 ListBucket@role/deployer/eu-west-3"}},
	} {
		equal(t, c.subject+" "+string(c.level), w.accessed(w.job(c.subject, c.level)), c.want)
	}
	equal(t, "entities of a user", w.entities(w.job(scope+"user/alice", ""), "iam"), []string{"USER alice 03-02"})
	equal(t, "entities of a service that the user may not use", w.entities(w.job(scope+"user/alice", ""), "ec2"), nil)
	group := w.entities(w.job(scope+"group/devs", ""), "s3")
	equal(t, "entities of a group", group, []string{"USER bob 03-02", "USER alice 03-01", "USER carol"})
	all := w.entities(w.job(s3, ""), "s3")
	slices.Sort(all[:2])
	equal(t, "entities of a policy", all, []string{"ROLE deployer 03-02", "USER bob 03-02", "USER alice 03-01", "USER carol"})

	// What an AWS managed policy allows, in pages.
	do(w.root(), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("carol"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	everything := w.accessed(w.job(scope+"user/carol", ""))
	if len(everything) != len(w.iam.namespaces) || !slices.IsSorted(everything) {
		t.Errorf("an administrator may use %d services of %d", len(everything), len(w.iam.namespaces))
	}
	equal(t, "who uses AdministratorAccess", w.entities(w.job("arn:aws:iam::aws:policy/AdministratorAccess", ""), "s3"), []string{"USER carol"})
	actions := w.accessed(w.job("arn:aws:iam::aws:policy/IAMReadOnlyAccess", action))
	if i := slices.IndexFunc(actions, func(l string) bool { return strings.HasPrefix(l, "iam ") }); i < 0 || !strings.Contains(actions[i], " GetUser ") || strings.Contains(actions[i], "CreateUser") {
		t.Errorf("actions of IAMReadOnlyAccess: %q", actions)
	}

	// Older than the tracking period is never.
	w.later(lastUsedWindow - time.Minute)
	equal(t, "after the tracking period", w.accessed(w.job(scope+"user/alice", "")), []string{"iam 03-02 user/alice us-east-1 1", "s3"})
	w.later(time.Hour)
	equal(t, "after the tracking period", w.accessed(w.job(scope+"user/alice", action)), []string{"iam GetUser", "s3"})

	// What goes, leaves nothing.
	w.may("bob")
	do(w.root(), w.iam.RemoveUserFromGroup, &iam.RemoveUserFromGroupInput{GroupName: aws.String("devs"), UserName: aws.String("bob")})
	do(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("bob")})
	w.consistent(t)
}

func TestServiceLastAccessedJobs(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.user("eve")
	const aliceARN = "arn:aws:iam::111122223333:user/alice"
	generate := func(a actor, subject string) (string, error) {
		out, err := try(a, w.iam.GenerateServiceLastAccessedDetails, &iam.GenerateServiceLastAccessedDetailsInput{Arn: &subject})
		if err != nil {
			return "", err
		}
		return *out.JobId, nil
	}
	for subject, want := range map[string]string{
		"arn:aws:iam::111122223333:user/nobody":             "NoSuchEntity",
		"arn:aws:iam::111122223333:user/ALICE":              "NoSuchEntity", // an ARN is exact
		"arn:aws:iam::111122223333:user/x/alice":            "NoSuchEntity",
		"arn:aws:iam::444455556666:user/alice":              "NoSuchEntity",
		"arn:aws:iam::111122223333:policy/none":             "NoSuchEntity",
		"arn:aws:iam::aws:policy/None":                      "NoSuchEntity",
		"arn:aws:iam::111122223333:root":                    "InvalidInput",
		"arn:aws:iam::111122223333:instance-profile/server": "InvalidInput",
		"arn:aws:s3:::bucket/with/a/long/name":              "InvalidInput",
		"not an arn, but long enough":                       "InvalidInput",
	} {
		if _, err := generate(w.root(), subject); codeOf(err) != want {
			t.Errorf("%s: %v, want %s", subject, err, want)
		}
	}

	job, err := generate(w.root(), aliceARN)
	w.must(err)
	if len(job) != 36 {
		t.Errorf("job %q", job)
	}
	get := func(a actor, id string) error {
		_, err := try(a, w.iam.GetServiceLastAccessedDetails, &iam.GetServiceLastAccessedDetailsInput{JobId: &id})
		_, err2 := try(a, w.iam.GetServiceLastAccessedDetailsWithEntities, &iam.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &id, ServiceNamespace: aws.String("s3")})
		if codeOf(err) != codeOf(err2) {
			t.Errorf("details: %v; with entities: %v", err, err2)
		}
		return err
	}
	w.must(get(w.root(), job))

	// A job is its caller's: a user's, or a role's in one session.
	w.may("eve", allow("*", "*"))
	role := w.asRole()
	other := role
	p := *role.p
	p.UserID = role.p.ID + ":other"
	other.p = &p
	for name, a := range map[string]actor{"another user": w.as("eve"), "another account": w.rootOf(theirs), "a role": role} {
		if err := get(a, job); codeOf(err) != "NoSuchEntity" {
			t.Errorf("%s reads it: %v", name, err)
		}
	}
	if job, err = generate(role, aliceARN); err != nil {
		t.Fatal(err)
	}
	w.must(get(role, job))
	if err := get(other, job); codeOf(err) != "NoSuchEntity" {
		t.Errorf("another session reads it: %v", err)
	}
	for i := range job {
		if job[i] == '-' {
			continue
		}
		forged := []byte(job)
		forged[i] = "0123456789abcdef"[(strings.IndexByte("0123456789abcdef", job[i])+1)%16]
		if err := get(role, string(forged)); codeOf(err) != "NoSuchEntity" {
			t.Errorf("%s for %s: %v", forged, job, err)
		}
	}
	refused(role, w.iam.GetServiceLastAccessedDetails, &iam.GetServiceLastAccessedDetailsInput{JobId: aws.String(strings.ToUpper(job))}, "NoSuchEntity", "The job with id "+strings.ToUpper(job)+" cannot be found.")

	w.later(accessJobLifetime - time.Second)
	w.must(get(role, job))
	w.later(time.Second)
	if err := get(role, job); codeOf(err) != "NoSuchEntity" {
		t.Errorf("an old job: %v", err)
	}
	job, err = generate(w.root(), aliceARN)
	w.must(err)
	do(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("alice")})
	if err := get(w.root(), job); codeOf(err) != "NoSuchEntity" {
		t.Errorf("about a user who is gone: %v", err)
	}

	// Who may ask about whom.
	w.user("alice")
	w.may("eve", allow("iam:GenerateServiceLastAccessedDetails", "arn:aws:iam::111122223333:user/eve"), allow("iam:GetServiceLastAccessedDetails", "*"))
	eve := w.as("eve")
	_, err = generate(eve, aliceARN)
	if codeOf(err) != "AccessDenied" {
		t.Errorf("eve asks about alice: %v", err)
	}
	if job, err = generate(eve, eve.p.ARN); err != nil {
		t.Fatal(err)
	}
	do(eve, w.iam.GetServiceLastAccessedDetails, &iam.GetServiceLastAccessedDetailsInput{JobId: &job})
	denied(eve, w.iam.GetServiceLastAccessedDetailsWithEntities, &iam.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &job, ServiceNamespace: aws.String("iam")})
}

// Policies that AWS manages can be asked about, and the list of services knows what
// they allow.
func TestServiceLastAccessedOfAWSPolicies(t *testing.T) {
	w := newWorld(t)
	n := 0
	for p := range w.iam.managed.All() {
		if n++; n%7 != 0 || !strings.Contains(p.DefaultDocument(), `"Allow"`) {
			continue
		}
		if len(w.accessed(w.job(p.ARN("aws"), ""))) == 0 {
			t.Errorf("%s allows no service", p.Name)
		}
	}
}

// Who calls between two pages is not lost because the order changes.
func TestEntitiesWhoActBetweenPages(t *testing.T) {
	w := newWorld(t)
	w.group("devs")
	do(w.root(), w.iam.PutGroupPolicy, &iam.PutGroupPolicyInput{GroupName: aws.String("devs"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("s3:*", "*"))})
	for _, name := range []string{"alice", "bob", "carol"} {
		w.user(name)
		w.member(name, "devs")
	}
	w.called(w.record("bob").ID, "s3:GetObject", "us-east-1")
	w.later(time.Hour)
	w.called(w.record("alice").ID, "s3:GetObject", "us-east-1")
	w.later(time.Hour)
	in := &iam.GetServiceLastAccessedDetailsWithEntitiesInput{
		JobId: aws.String(w.job("arn:aws:iam::111122223333:group/devs", "")), ServiceNamespace: aws.String("s3"), MaxItems: aws.Int32(1),
	}
	var seen []string
	for {
		w.later(time.Minute)
		out := do(w.root(), w.iam.GetServiceLastAccessedDetailsWithEntities, in)
		for _, e := range out.EntityDetailsList {
			seen = append(seen, *e.EntityInfo.Name)
		}
		if !out.IsTruncated {
			break
		}
		if in.Marker == nil {
			w.later(time.Minute)
			w.called(w.record("carol").ID, "s3:GetObject", "us-east-1")
		}
		in.Marker = out.Marker
	}
	equal(t, "entities", seen, []string{"alice", "bob", "carol"})
}

// An AWS managed policy that was imported counts with what it says, whether it stands in
// the place of one of the catalogue or beside it.
func TestServiceLastAccessedOfImportedPolicies(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	for _, place := range []string{"/ReadOnlyAccess", "/Newest"} {
		w.edit(func(tx store.Tx) error {
			return identity.ManagedPolicies.Put(tx, &identity.ManagedPolicy{
				ID: awsmanaged.DerivedID(place), Created: w.now, Updated: w.now, Default: "v1",
				Versions: []identity.ManagedPolicyVersion{{ID: "v1", Created: w.now, Document: allow("sqs:*", "*")}},
			}, place)
		})
		name := "arn:aws:iam::aws:policy" + place
		equal(t, place, w.accessed(w.job(name, "")), []string{"sqs"})
		attached := &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: &name}
		do(w.root(), w.iam.AttachUserPolicy, attached)
		equal(t, "a user with "+place, w.accessed(w.job(alice.p.ARN, "")), []string{"sqs"})
		do(w.root(), w.iam.DetachUserPolicy, &iam.DetachUserPolicyInput{UserName: attached.UserName, PolicyArn: &name})
	}
}

// Outside an organization there is nothing to report on it.
func TestOrganizationsAccessReport(t *testing.T) {
	w := newWorld(t)
	w.user("eve")
	generate := noOrganization[iam.GenerateOrganizationsAccessReportInput, iam.GenerateOrganizationsAccessReportOutput]
	in := &iam.GenerateOrganizationsAccessReportInput{EntityPath: aws.String("o-a1b2c3d4e5/r-f6g7h8i9j0example"), OrganizationsPolicyId: aws.String("p-1")}
	refused(w.root(), generate, in, "OrganizationNotFoundException", "The request was rejected because no organization is associated with your account.")
	refused(w.root(), w.iam.GetOrganizationsAccessReport, &iam.GetOrganizationsAccessReportInput{JobId: aws.String("x")}, "NoSuchEntity", "The job with id x cannot be found.")
	w.may("eve", allowIf("iam:GenerateOrganizationsAccessReport", "arn:aws:iam::111122223333:access-report/o-a1b2c3d4e5/*", `{"StringEquals":{"iam:OrganizationsPolicyId":"p-1"}}`))
	refused(w.as("eve"), generate, in, "OrganizationNotFoundException", "The request was rejected because no organization is associated with your account.")
	in.OrganizationsPolicyId = aws.String("p-2")
	denied(w.as("eve"), generate, in)
	denied(w.as("eve"), w.iam.GetOrganizationsAccessReport, &iam.GetOrganizationsAccessReportInput{JobId: aws.String("x")})
}

func FuzzAccessJobs(f *testing.F) {
	w := newWorld(f)
	jobs, p := w.iam.jobs, w.root().p
	f.Add("AIDACKCEVSQ6C2EXAMPLE", true, "")
	f.Add("ANPAZZZZZZZZZZZZZZZZZ", false, "00000000-0000-0000-0000-000000000000")
	f.Add("AROA00000000000000000", false, "urn:uuid:00000000-0000-0000-0000-000000000000")
	f.Fuzz(func(t *testing.T, entity string, actions bool, id string) {
		about, err := onUniqueID(entity)
		if err != nil {
			about = onAWSPolicy(entity)
		} else if again, ok := about.uniqueID(); !ok || again != strings.ToUpper(entity) {
			t.Errorf("%s became %s, %v", entity, again, ok)
		}
		want := accessJob{about: about, actions: actions, created: second(w.now)}
		made, err := jobs.id(p, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := jobs.open(p, made, w.now); err != nil || got != want {
			t.Errorf("%+v became %+v, %v", want, got, err)
		}
		if got, err := jobs.open(p, id, w.now); err == nil {
			if again, err := jobs.id(p, got); err != nil || again != id {
				t.Errorf("%s is also %s, %v", id, again, err)
			}
		}
	})
}
