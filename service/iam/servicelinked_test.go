package iam

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/uuid"
	"github.com/lanyard-iam/lanyard/arn"
)

// linked makes the service-linked role of a service, as root.
func (w *world) linked(service string) *types.Role {
	w.t.Helper()
	return do(w.root(), w.iam.CreateServiceLinkedRole, &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service}).Role
}

func TestServiceLinkedRoleIsTheServicesOwn(t *testing.T) {
	w := newWorld(t)
	made := do(w.root(), w.iam.CreateServiceLinkedRole, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("ecs.amazonaws.com"), Description: aws.String("for the clusters")}).Role
	if *made.Arn != "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS" || *made.Path != "/aws-service-role/ecs.amazonaws.com/" ||
		*made.RoleName != "AWSServiceRoleForECS" || *made.Description != "for the clusters" || *made.MaxSessionDuration != 3600 || made.Tags != nil {
		t.Errorf("role = %s", asJSON(made))
	}
	if got := decoded(t, made.AssumeRolePolicyDocument); got != `{"Version":"2012-10-17","Statement":[{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":{"Service":["ecs.amazonaws.com"]}}]}` {
		t.Errorf("trust policy = %s", got)
	}
	got := do(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: made.RoleName}).Role
	got.RoleLastUsed = nil
	if asJSON(got) != asJSON(made) {
		t.Errorf("created\n%s\nread\n%s", asJSON(made), asJSON(got))
	}
	attached := do(w.root(), w.iam.ListAttachedRolePolicies, &iam.ListAttachedRolePoliciesInput{RoleName: made.RoleName}).AttachedPolicies
	if len(attached) != 1 || *attached[0].PolicyArn != "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy" {
		t.Errorf("attached: %s", asJSON(attached))
	}
	users := do(w.root(), w.iam.ListEntitiesForPolicy, &iam.ListEntitiesForPolicyInput{PolicyArn: attached[0].PolicyArn}).PolicyRoles
	if len(users) != 1 || *users[0].RoleName != "AWSServiceRoleForECS" {
		t.Errorf("the policy is used by %s", asJSON(users))
	}
	w.consistent(t)

	// With a suffix a service may have several, where it allows that.
	suffixed := do(w.root(), w.iam.CreateServiceLinkedRole, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("autoscaling.amazonaws.com"), CustomSuffix: aws.String("blue")}).Role
	if *suffixed.RoleName != "AWSServiceRoleForAutoScaling_blue" {
		t.Errorf("with a suffix: %s", asJSON(suffixed))
	}
	w.linked("autoscaling.amazonaws.com")
}

// Services whose policy has the name of the role, or that are several in one.
func TestServiceLinkedRolesOfManyServices(t *testing.T) {
	w := newWorld(t)
	for _, service := range []string{"imagebuilder.amazonaws.com", "lex.amazonaws.com", "spot.amazonaws.com", "cassandra.application-autoscaling.amazonaws.com"} {
		r := w.linked(service)
		if !strings.HasPrefix(*r.RoleName, "AWSServiceRoleFor") {
			t.Errorf("%s has %s", service, asJSON(r))
		}
	}
	w.consistent(t)
}

func TestServiceLinkedRoleRefusals(t *testing.T) {
	w := newWorld(t)
	create := func(service string, suffix *string, code, message string) {
		t.Helper()
		refused(w.root(), w.iam.CreateServiceLinkedRole, &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service, CustomSuffix: suffix}, code, message)
	}
	w.linked("batch.amazonaws.com")
	create("batch.amazonaws.com", nil, "InvalidInput", "Service role name AWSServiceRoleForBatch has been taken in this account, please try a different suffix.")
	create("ecs.amazonaws.com", aws.String("x"), "InvalidInput", "Custom suffix is not allowed for ecs.amazonaws.com")
	create("example.amazonaws.com", nil, "InvalidInput", "Service principal example.amazonaws.com is not one that has a service-linked role.")
	create("Ecs.amazonaws.com", nil, "InvalidInput", "Service principal Ecs.amazonaws.com is not one that has a service-linked role.")
	long := strings.Repeat("x", 64)
	create("autoscaling.amazonaws.com", &long, "InvalidInput", "Service role name AWSServiceRoleForAutoScaling_"+long+" is longer than 64 characters.")
	w.role("awsserviceroleforsso") // a customer's role of that name
	create("sso.amazonaws.com", nil, "InvalidInput", "Service role name AWSServiceRoleForSSO has been taken in this account, please try a different suffix.")

	remove := func(name, message string) {
		t.Helper()
		refused(w.root(), w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: &name}, "NoSuchEntity", message)
	}
	remove("none", "The role with name none cannot be found.")
	remove("AWSServiceRoleForSSO", "The service-linked role with name AWSServiceRoleForSSO cannot be found.")
	refused(w.rootOf(theirs), w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: aws.String("AWSServiceRoleForBatch")}, "NoSuchEntity", "The role with name AWSServiceRoleForBatch cannot be found.")
	w.consistent(t)
}

// An account that is full of roles can still be used by services.
func TestServiceLinkedRolesAreBeyondTheQuota(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.RolesPerAccount = 1
	w.role("r")
	w.linked("ecs.amazonaws.com")
	w.consistent(t)
	if n := do(w.root(), w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap["Roles"]; n != 2 {
		t.Errorf("%d roles", n)
	}
}

func TestDeletionOfAServiceLinkedRole(t *testing.T) {
	w := newWorld(t)
	r := w.linked("ecs.amazonaws.com")
	task := *do(w.root(), w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: aws.String("awsserviceroleforecs")}).DeletionTaskId
	if !regexp.MustCompile(`^task/aws-service-role/ecs\.amazonaws\.com/AWSServiceRoleForECS/[0-9a-f-]{36}$`).MatchString(task) {
		t.Errorf("task id %s", task)
	}
	refused(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: r.RoleName}, "NoSuchEntity", "The role with name AWSServiceRoleForECS cannot be found.")
	w.consistent(t)

	status := &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: &task}
	if got := do(w.root(), w.iam.GetServiceLinkedRoleDeletionStatus, status); got.Status != types.DeletionTaskStatusTypeSucceeded || got.Reason != nil {
		t.Errorf("status = %s", asJSON(got))
	}
	unknown := func(a actor, id string) {
		t.Helper()
		refused(a, w.iam.GetServiceLinkedRoleDeletionStatus, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: &id}, "NoSuchEntity", "The deletion task with id "+id+" cannot be found.")
	}
	unknown(w.rootOf(theirs), task)
	unknown(w.root(), "task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/"+uuid.NewString())
	for _, id := range []string{"x", "task/aws-service-role/", "task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/1", "task/aws-service-role/ecs.amazonaws.com//" + uuid.NewString(), task + "/x"} {
		refused(w.root(), w.iam.GetServiceLinkedRoleDeletionStatus, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: &id}, "InvalidInput", "Deletion task id "+id+" is not valid.")
	}

	// It can be made again, as another one, and old deletions are forgotten.
	again := w.linked("ecs.amazonaws.com")
	if *again.RoleId == *r.RoleId {
		t.Error("the unique id was given again")
	}
	w.later(31 * 24 * time.Hour)
	do(w.root(), w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: again.RoleName})
	unknown(w.root(), task)
}

// Whoever deletes a role and makes it again all day long leaves no more than so many
// records; the newest can be asked for.
func TestDeletionsOfServiceLinkedRolesAreBounded(t *testing.T) {
	w := newWorld(t)
	var tasks []string
	for range maxDeletions + 2 {
		r := w.linked("ecs.amazonaws.com")
		w.later(time.Second)
		tasks = append(tasks, *do(w.root(), w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: r.RoleName}).DeletionTaskId)
	}
	for i, task := range tasks {
		in := &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: &task}
		if _, err := try(w.root(), w.iam.GetServiceLinkedRoleDeletionStatus, in); (err == nil) != (i >= 2) {
			t.Errorf("deletion %d of %d: %v", i, len(tasks), err)
		}
	}
	w.consistent(t)
}

// Customers can neither change what a service-linked role may do or who may use it,
// nor make a role that looks like one, nor take its policy for themselves.
func TestServiceLinkedRolesAreProtected(t *testing.T) {
	w := newWorld(t)
	r := w.linked("ecs.amazonaws.com")
	name := r.RoleName
	protected := func(err error, what string) {
		t.Helper()
		checkError(t, what, err, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForECS' - this role is only modifiable by AWS")
	}
	root, slrPolicy := w.root(), aws.String("arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy")
	for _, b := range allBearers(w) {
		if b.kind != "role" {
			continue
		}
		protected(b.attach(root, *name, readOnly), "attach")
		protected(b.detach(root, *name, *slrPolicy), "detach")
		protected(b.put(root, *name, "p", allow("*", "*")), "put")
		protected(b.delete(root, *name, "p"), "delete")
		protected(b.boundary(root, *name, readOnly), "boundary")
		protected(b.noBoundary(root, *name), "no boundary")
	}
	_, err := try(root, w.iam.DeleteRole, &iam.DeleteRoleInput{RoleName: name})
	protected(err, "DeleteRole")
	_, err = try(root, w.iam.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(trusting("*"))})
	protected(err, "UpdateAssumeRolePolicy")
	_, err = try(root, w.iam.UpdateRole, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("new"), MaxSessionDuration: aws.Int32(7200)})
	protected(err, "UpdateRole")
	do(root, w.iam.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("p")})
	_, err = try(root, w.iam.AddRoleToInstanceProfile, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("p"), RoleName: name})
	protected(err, "AddRoleToInstanceProfile")
	if got := do(root, w.iam.GetRole, &iam.GetRoleInput{RoleName: name}).Role; got.Description != nil || *got.MaxSessionDuration != 3600 {
		t.Errorf("after refused changes: %s", asJSON(got))
	}

	w.role("mine")
	const notForCustomers = "Cannot attach a Service Role Policy to a Customer Role."
	refused(root, w.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: aws.String("mine"), PolicyArn: slrPolicy}, "PolicyNotAttachable", notForCustomers)
	refused(root, w.iam.PutRolePermissionsBoundary, &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("mine"), PermissionsBoundary: slrPolicy}, "PolicyNotAttachable", notForCustomers)
	refused(root, w.iam.CreateRole, &iam.CreateRoleInput{RoleName: aws.String("fake"), Path: aws.String("/aws-service-role/ecs.amazonaws.com/"), AssumeRolePolicyDocument: aws.String(trusting("*"))},
		"UnmodifiableEntity", "Cannot perform the operation on the protected role 'fake' - this role is only modifiable by AWS")

	// Its description and its tags are the customer's.
	do(root, w.iam.UpdateRole, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("new")})
	do(root, w.iam.UpdateRoleDescription, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("newer")})
	do(root, w.iam.TagRole, &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{tag("team", "blue"), tag("x", "y")}})
	do(root, w.iam.UntagRole, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"x"}})
	if got := do(root, w.iam.GetRole, &iam.GetRoleInput{RoleName: name}).Role; *got.Description != "newer" || len(got.Tags) != 1 {
		t.Errorf("described and tagged: %s", asJSON(got))
	}
	w.consistent(t)
}

func TestServiceLinkedRolePermissions(t *testing.T) {
	w := newWorld(t)
	admin := w.user("admin")
	create := &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("ecs.amazonaws.com")}
	refused(admin, w.iam.CreateServiceLinkedRole, create, "AccessDenied", "User: arn:aws:iam::111122223333:user/admin is not authorized to perform: iam:CreateServiceLinkedRole on resource: arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS because no identity-based policy allows the iam:CreateServiceLinkedRole action")

	// Which service it is for is judged on the way in and on the way out.
	forECS := `{"StringLike":{"iam:AWSServiceName":"ecs.amazonaws.com"}}`
	w.may("admin", allowIf("iam:CreateServiceLinkedRole", "arn:aws:iam::*:role/aws-service-role/*", forECS), allowIf("iam:DeleteServiceLinkedRole", "*", forECS))
	denied(admin, w.iam.CreateServiceLinkedRole, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("rds.amazonaws.com")})
	do(admin, w.iam.CreateServiceLinkedRole, create)
	w.linked("rds.amazonaws.com")
	denied(admin, w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: aws.String("AWSServiceRoleForRDS")})
	task := do(admin, w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: aws.String("AWSServiceRoleForECS")}).DeletionTaskId

	// The status is asked for of the role that was.
	status := &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}
	denied(admin, w.iam.GetServiceLinkedRoleDeletionStatus, status)
	w.may("admin", allow("iam:GetServiceLinkedRoleDeletionStatus", "arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/*"))
	denied(admin, w.iam.GetServiceLinkedRoleDeletionStatus, status)
	w.may("admin", allow("iam:GetServiceLinkedRoleDeletionStatus", "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"))
	do(admin, w.iam.GetServiceLinkedRoleDeletionStatus, status)
	denied(admin, w.iam.GetServiceLinkedRoleDeletionStatus, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: aws.String("x")})
	denied(admin, w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: aws.String("none")})
}

// Whoever reads a task id reads one that was made, and nothing else.
func FuzzDeletionTask(f *testing.F) {
	f.Add("task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
	f.Add("task/aws-service-role///")
	f.Fuzz(func(t *testing.T, id string) {
		path, role, ok := parseDeletionTask(id)
		if !ok {
			return
		}
		if !strings.HasPrefix(id, "task"+path+role+"/") || strings.Count(id, "/") != 4 || path == arn.ServiceLinkedPath {
			t.Errorf("%q is role %q at %q", id, role, path)
		}
	})
}
