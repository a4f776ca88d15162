package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// bearerOps are the operations on the policies of one kind of bearer, by their
// inputs' common parts, so that each rule is tested on all three kinds.
type bearerOps struct {
	kind       string
	make       func(w *world, name string)
	attach     func(a actor, name, policyARN string) error
	detach     func(a actor, name, policyARN string) error
	attached   func(a actor, name string, prefix, marker *string, size *int32) ([]types.AttachedPolicy, *string, error)
	put        func(a actor, name, policyName, document string) error
	get        func(a actor, name, policyName string) (owner, policy, document string, err error)
	delete     func(a actor, name, policyName string) error
	list       func(a actor, name string, marker *string, size *int32) ([]string, *string, error)
	maxInline  int
	quotaName  string
	boundary   func(a actor, name, policyARN string) error // nil for groups
	noBoundary func(a actor, name string) error
}

func allBearers(w *world) []bearerOps {
	s := w.iam
	return []bearerOps{
		{
			kind: "user", make: func(w *world, name string) { w.user(name) }, maxInline: 2048, quotaName: "PoliciesPerUser",
			attach: func(a actor, name, p string) error {
				_, err := try(a, s.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: &p})
				return err
			},
			detach: func(a actor, name, p string) error {
				_, err := try(a, s.DetachUserPolicy, &iam.DetachUserPolicyInput{UserName: &name, PolicyArn: &p})
				return err
			},
			attached: func(a actor, name string, prefix, marker *string, size *int32) ([]types.AttachedPolicy, *string, error) {
				out, err := try(a, s.ListAttachedUserPolicies, &iam.ListAttachedUserPoliciesInput{UserName: &name, PathPrefix: prefix, Marker: marker, MaxItems: size})
				if err != nil {
					return nil, nil, err
				}
				return out.AttachedPolicies, out.Marker, nil
			},
			put: func(a actor, name, policyName, document string) error {
				_, err := try(a, s.PutUserPolicy, &iam.PutUserPolicyInput{UserName: &name, PolicyName: &policyName, PolicyDocument: &document})
				return err
			},
			get: func(a actor, name, policyName string) (string, string, string, error) {
				out, err := try(a, s.GetUserPolicy, &iam.GetUserPolicyInput{UserName: &name, PolicyName: &policyName})
				if err != nil {
					return "", "", "", err
				}
				return *out.UserName, *out.PolicyName, *out.PolicyDocument, nil
			},
			delete: func(a actor, name, policyName string) error {
				_, err := try(a, s.DeleteUserPolicy, &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: &policyName})
				return err
			},
			list: func(a actor, name string, marker *string, size *int32) ([]string, *string, error) {
				out, err := try(a, s.ListUserPolicies, &iam.ListUserPoliciesInput{UserName: &name, Marker: marker, MaxItems: size})
				if err != nil {
					return nil, nil, err
				}
				return out.PolicyNames, out.Marker, nil
			},
			boundary: func(a actor, name, p string) error {
				_, err := try(a, s.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: &name, PermissionsBoundary: &p})
				return err
			},
			noBoundary: func(a actor, name string) error {
				_, err := try(a, s.DeleteUserPermissionsBoundary, &iam.DeleteUserPermissionsBoundaryInput{UserName: &name})
				return err
			},
		},
		{
			kind: "group", make: func(w *world, name string) { w.group(name) }, maxInline: 5120, quotaName: "PoliciesPerGroup",
			attach: func(a actor, name, p string) error {
				_, err := try(a, s.AttachGroupPolicy, &iam.AttachGroupPolicyInput{GroupName: &name, PolicyArn: &p})
				return err
			},
			detach: func(a actor, name, p string) error {
				_, err := try(a, s.DetachGroupPolicy, &iam.DetachGroupPolicyInput{GroupName: &name, PolicyArn: &p})
				return err
			},
			attached: func(a actor, name string, prefix, marker *string, size *int32) ([]types.AttachedPolicy, *string, error) {
				out, err := try(a, s.ListAttachedGroupPolicies, &iam.ListAttachedGroupPoliciesInput{GroupName: &name, PathPrefix: prefix, Marker: marker, MaxItems: size})
				if err != nil {
					return nil, nil, err
				}
				return out.AttachedPolicies, out.Marker, nil
			},
			put: func(a actor, name, policyName, document string) error {
				_, err := try(a, s.PutGroupPolicy, &iam.PutGroupPolicyInput{GroupName: &name, PolicyName: &policyName, PolicyDocument: &document})
				return err
			},
			get: func(a actor, name, policyName string) (string, string, string, error) {
				out, err := try(a, s.GetGroupPolicy, &iam.GetGroupPolicyInput{GroupName: &name, PolicyName: &policyName})
				if err != nil {
					return "", "", "", err
				}
				return *out.GroupName, *out.PolicyName, *out.PolicyDocument, nil
			},
			delete: func(a actor, name, policyName string) error {
				_, err := try(a, s.DeleteGroupPolicy, &iam.DeleteGroupPolicyInput{GroupName: &name, PolicyName: &policyName})
				return err
			},
			list: func(a actor, name string, marker *string, size *int32) ([]string, *string, error) {
				out, err := try(a, s.ListGroupPolicies, &iam.ListGroupPoliciesInput{GroupName: &name, Marker: marker, MaxItems: size})
				if err != nil {
					return nil, nil, err
				}
				return out.PolicyNames, out.Marker, nil
			},
		},
		{
			kind: "role", make: func(w *world, name string) { w.role(name) }, maxInline: 10240, quotaName: "PoliciesPerRole",
			attach: func(a actor, name, p string) error {
				_, err := try(a, s.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &p})
				return err
			},
			detach: func(a actor, name, p string) error {
				_, err := try(a, s.DetachRolePolicy, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &p})
				return err
			},
			attached: func(a actor, name string, prefix, marker *string, size *int32) ([]types.AttachedPolicy, *string, error) {
				out, err := try(a, s.ListAttachedRolePolicies, &iam.ListAttachedRolePoliciesInput{RoleName: &name, PathPrefix: prefix, Marker: marker, MaxItems: size})
				if err != nil {
					return nil, nil, err
				}
				return out.AttachedPolicies, out.Marker, nil
			},
			put: func(a actor, name, policyName, document string) error {
				_, err := try(a, s.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &policyName, PolicyDocument: &document})
				return err
			},
			get: func(a actor, name, policyName string) (string, string, string, error) {
				out, err := try(a, s.GetRolePolicy, &iam.GetRolePolicyInput{RoleName: &name, PolicyName: &policyName})
				if err != nil {
					return "", "", "", err
				}
				return *out.RoleName, *out.PolicyName, *out.PolicyDocument, nil
			},
			delete: func(a actor, name, policyName string) error {
				_, err := try(a, s.DeleteRolePolicy, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policyName})
				return err
			},
			list: func(a actor, name string, marker *string, size *int32) ([]string, *string, error) {
				out, err := try(a, s.ListRolePolicies, &iam.ListRolePoliciesInput{RoleName: &name, Marker: marker, MaxItems: size})
				if err != nil {
					return nil, nil, err
				}
				return out.PolicyNames, out.Marker, nil
			},
			boundary: func(a actor, name, p string) error {
				_, err := try(a, s.PutRolePermissionsBoundary, &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: &p})
				return err
			},
			noBoundary: func(a actor, name string) error {
				_, err := try(a, s.DeleteRolePermissionsBoundary, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
				return err
			},
		},
	}
}

// onEachBearer runs a test on a user, a group and a role named "Thing".
func onEachBearer(t *testing.T, test func(t *testing.T, w *world, b bearerOps)) {
	for _, kind := range []int{0, 1, 2} {
		w := newWorld(t)
		b := allBearers(w)[kind]
		t.Run(b.kind, func(t *testing.T) {
			w.t = t
			b.make(w, "Thing")
			test(t, w, b)
			w.consistent(t)
		})
	}
}

func (w *world) succeeds(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Errorf("%v", err)
	}
}

func (w *world) fails(err error, code, message string) {
	w.t.Helper()
	checkError(w.t, "the operation", err, code, message)
}

func (w *world) isDenied(err error) {
	w.t.Helper()
	if codeOf(err) != "AccessDenied" {
		w.t.Errorf("%v, want AccessDenied", err)
	}
}

func TestAttachAndDetach(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		root := w.root()
		p := *do(root, w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: aws.String("Own"), Path: aws.String("/x/"), PolicyDocument: aws.String(allow("s3:*", "*"))}).Policy.Arn
		shows := func(want ...string) {
			t.Helper()
			list, marker, err := b.attached(root, "thing", nil, nil, nil)
			if err != nil || marker != nil || list == nil {
				t.Fatalf("attached = %v, %v, %v", list, marker, err)
			}
			equal(t, "attached", names(list, func(a types.AttachedPolicy) *string { return a.PolicyArn }), want)
			for _, a := range list {
				if !strings.HasSuffix(*a.PolicyArn, "/"+*a.PolicyName) {
					t.Errorf("%s is named %s", *a.PolicyArn, *a.PolicyName)
				}
			}
		}
		shows()
		w.succeeds(b.attach(root, "THING", readOnly))
		w.succeeds(b.attach(root, "thing", p))
		w.succeeds(b.attach(root, "thing", p)) // again: it is attached already
		w.consistent(t)
		shows(p, readOnly)
		if got := do(root, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &p}).Policy; *got.AttachmentCount != 1 {
			t.Errorf("AttachmentCount = %d", *got.AttachmentCount)
		}
		list, _, err := b.attached(root, "thing", aws.String("/x/"), nil, nil)
		if err != nil || len(list) != 1 || *list[0].PolicyArn != p {
			t.Errorf("below /x/: %s, %v", asJSON(list), err)
		}
		first, marker, err := b.attached(root, "thing", nil, nil, aws.Int32(1))
		w.succeeds(err)
		second, end, err := b.attached(root, "thing", nil, marker, nil)
		if err != nil || end != nil || len(first) != 1 || len(second) != 1 || *first[0].PolicyArn != p || *second[0].PolicyArn != readOnly {
			t.Errorf("pages: %s %s %v", asJSON(first), asJSON(second), err)
		}

		const attaching, other = " does not exist or is not attachable.", " was not found."
		w.fails(b.attach(root, "thing", "arn:aws:iam::aws:policy/None"), "NoSuchEntity", "Policy arn:aws:iam::aws:policy/None"+attaching)
		w.fails(b.attach(root, "thing", "arn:aws:iam::111122223333:policy/Own"), "NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/Own"+attaching)
		w.fails(b.attach(root, "thing", serviceLinked), "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
		w.fails(b.attach(root, "thing", "arn:aws:iam::111122223333:user/Own"), "InvalidInput", "ARN arn:aws:iam::111122223333:user/Own is not valid.")
		w.fails(b.attach(root, "thing", "twenty characters or more"), "ValidationError", "Invalid ARN:  Could not be parsed!")
		w.fails(b.attach(root, "none", readOnly), "NoSuchEntity", "The "+b.kind+" with name none cannot be found.")
		w.fails(b.detach(root, "none", readOnly), "NoSuchEntity", "The "+b.kind+" with name none cannot be found.")
		w.fails(b.detach(root, "thing", administrator), "NoSuchEntity", "Policy "+administrator+other)
		w.fails(b.detach(root, "thing", "arn:aws:iam::aws:policy/None"), "NoSuchEntity", "Policy arn:aws:iam::aws:policy/None"+other)
		_, _, err = b.attached(root, "none", nil, nil, nil)
		w.fails(err, "NoSuchEntity", "The "+b.kind+" with name none cannot be found.")

		w.succeeds(b.detach(root, "thing", p))
		w.fails(b.detach(root, "thing", p), "NoSuchEntity", "Policy "+p+other)
		shows(readOnly)
		do(root, w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: &p})
		w.succeeds(b.detach(root, "thing", readOnly))
		shows()
	})
}

func TestAttachmentQuota(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		var all []string
		for i := range 10 {
			all = append(all, w.policy(fmt.Sprintf("p%d", i), allow("s3:*", "*")))
			w.succeeds(b.attach(w.root(), "thing", all[i]))
		}
		w.fails(b.attach(w.root(), "thing", readOnly), "LimitExceeded", "Cannot exceed quota for "+b.quotaName+": 10")
		w.succeeds(b.attach(w.root(), "thing", all[3])) // is attached: no more than before
		w.succeeds(b.detach(w.root(), "thing", all[3]))
		w.succeeds(b.attach(w.root(), "thing", readOnly))
	})
}

// T316, T317, T318, T507: who attaches a policy gives its permissions. The right to do
// so can be limited to bearers (resource) and to policies (iam:PolicyARN).
func TestT316_T317_T318_AttachNeedsPermission(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		mallory := w.user("mallory")
		thing := "arn:aws:iam::111122223333:" + b.kind + "/Thing"
		w.isDenied(b.attach(mallory, "thing", administrator))
		w.may("mallory", allow("iam:Attach*", thing+"s"))
		w.isDenied(b.attach(mallory, "thing", administrator))
		w.may("mallory", allowIf("iam:*", thing, `{"ArnEquals":{"iam:PolicyARN":"`+readOnly+`"}}`))
		w.isDenied(b.attach(mallory, "thing", administrator))
		w.isDenied(b.attach(mallory, "thing", strings.ToLower(administrator)))
		w.succeeds(b.attach(mallory, "thing", readOnly))
		w.succeeds(b.detach(mallory, "THING", readOnly))
		w.may("mallory", allow("iam:Attach*", thing))
		w.succeeds(b.attach(mallory, "thing", administrator))
		w.isDenied(b.detach(mallory, "thing", administrator))
		_, _, err := b.attached(mallory, "thing", nil, nil, nil)
		w.isDenied(err)
	})
}

func TestInlinePolicies(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		root := w.root()
		for _, name := range []string{"b", "A", "a", "c"} { // names of inline policies have case
			w.succeeds(b.put(root, "thing", name, allow("s3:"+name, "*")))
		}
		list, marker, err := b.list(root, "thing", nil, nil)
		if err != nil || marker != nil {
			t.Errorf("list = %v %v %v", list, marker, err)
		}
		equal(t, "names", list, []string{"A", "a", "b", "c"})
		var seen []string
		for marker = nil; ; {
			var page []string
			page, marker, err = b.list(root, "THING", marker, aws.Int32(3))
			w.succeeds(err)
			seen = append(seen, page...)
			if marker == nil {
				break
			}
		}
		equal(t, "names in pages", seen, list)
		w.succeeds(b.put(root, "thing", "a", allow("s3:new", "*"))) // overwrites
		owner, name, document, err := b.get(root, "thing", "a")
		if err != nil || owner != "Thing" || name != "a" || decoded(t, &document) != allow("s3:new", "*") {
			t.Errorf("policy = %s %s %s %v", owner, name, document, err)
		}
		w.succeeds(b.delete(root, "thing", "a"))
		missing := "The " + b.kind + " policy with name a cannot be found."
		w.fails(b.delete(root, "thing", "a"), "NoSuchEntity", missing)
		_, _, _, err = b.get(root, "thing", "a")
		w.fails(err, "NoSuchEntity", missing)
		list, _, _ = b.list(root, "thing", nil, nil)
		equal(t, "names", list, []string{"A", "b", "c"})

		nobody := "The " + b.kind + " with name none cannot be found."
		w.fails(b.put(root, "none", "a", allow("*", "*")), "NoSuchEntity", nobody)
		w.fails(b.delete(root, "none", "a"), "NoSuchEntity", nobody)
		_, _, _, err = b.get(root, "none", "a")
		w.fails(err, "NoSuchEntity", nobody)
		_, _, err = b.list(root, "none", nil, nil)
		w.fails(err, "NoSuchEntity", nobody)
		w.fails(b.put(root, "thing", "a", "{"), "MalformedPolicyDocument", "This policy contains invalid Json")
		w.fails(b.put(root, "thing", "a", trusting("*")), "MalformedPolicyDocument", "Policy document should not specify a principal.")
	})
}

// The quota is for all inline policies of a bearer together, white space not counted.
func TestInlinePolicySizes(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		sized := func(n int) string {
			document := allow("s3:*", "arn:aws:s3:::")
			return strings.Replace(document, "arn:aws:s3:::", "arn:aws:s3:::"+strings.Repeat("x", n-len(document)), 1)
		}
		root, half := w.root(), b.maxInline/2
		message := fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s Thing", b.maxInline, b.kind)
		w.fails(b.put(root, "thing", "a", sized(b.maxInline+1)), "LimitExceeded", message)
		w.succeeds(b.put(root, "thing", "a", sized(half)))
		w.succeeds(b.put(root, "thing", "b", strings.ReplaceAll(sized(half), ",", " ,\n\t\r ")))
		w.fails(b.put(root, "thing", "c", sized(100)), "LimitExceeded", message)
		w.fails(b.put(root, "thing", "b", sized(half+1)), "LimitExceeded", message)
		w.succeeds(b.put(root, "thing", "b", sized(half-100))) // counts in place of the one before
		w.succeeds(b.put(root, "thing", "c", sized(100)))
	})
}

// T319, T320, T321, T329, T509: inline policies are permissions, also when a Deny
// is taken away.
func TestT319_T320_T321_T329_InlinePoliciesNeedPermission(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		mallory := w.user("mallory")
		thing := "arn:aws:iam::111122223333:" + b.kind + "/Thing"
		w.succeeds(b.put(w.root(), "thing", "guard", statement("Deny", "*", "*", "")))
		w.isDenied(b.put(mallory, "thing", "p", allow("*", "*")))
		w.isDenied(b.delete(mallory, "thing", "guard"))
		w.may("mallory", allow("iam:Put*", "arn:aws:iam::111122223333:"+b.kind+"/Thin"))
		w.isDenied(b.put(mallory, "thing", "p", allow("*", "*")))
		w.may("mallory", allow("iam:Put*Policy", thing))
		w.succeeds(b.put(mallory, "thing", "p", allow("*", "*")))
		w.isDenied(b.delete(mallory, "thing", "guard"))
		_, _, _, err := b.get(mallory, "thing", "p")
		w.isDenied(err)
		_, _, err = b.list(mallory, "thing", nil, nil)
		w.isDenied(err)
		w.may("mallory", allow("iam:Delete*Policy", thing))
		w.succeeds(b.delete(mallory, "thing", "guard"))
	})
}

func TestPermissionsBoundaries(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		if b.boundary == nil { // groups have none
			return
		}
		root, p := w.root(), w.policy("limit", allow("s3:*", "*"))
		usage := func(policyARN string) int32 {
			t.Helper()
			return *do(root, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &policyARN}).Policy.PermissionsBoundaryUsageCount
		}
		w.succeeds(b.noBoundary(root, "thing")) // there is none
		w.succeeds(b.boundary(root, "thing", p))
		w.succeeds(b.boundary(root, "thing", p))
		if usage(p) != 1 {
			t.Errorf("usage = %d", usage(p))
		}
		w.consistent(t)
		w.succeeds(b.boundary(root, "THING", readOnly)) // in place of the other
		if usage(p) != 0 || usage(readOnly) != 1 {
			t.Errorf("usage = %d, %d", usage(p), usage(readOnly))
		}
		w.consistent(t)
		w.fails(b.boundary(root, "thing", "limit"), "ValidationError", "Value (limit) for parameter PermissionsBoundary is invalid.")
		w.fails(b.boundary(root, "thing", "arn:aws:iam::111122223333:policy/none"), "NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/none does not exist or is not attachable.")
		w.fails(b.boundary(root, "thing", serviceLinked), "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
		w.fails(b.boundary(root, "none", p), "NoSuchEntity", "The "+b.kind+" with name none cannot be found.")
		w.fails(b.noBoundary(root, "none"), "NoSuchEntity", "The "+b.kind+" with name none cannot be found.")
		if usage(readOnly) != 1 {
			t.Error("a refused change took the boundary away")
		}
		w.succeeds(b.noBoundary(root, "thing"))
		if usage(readOnly) != 0 {
			t.Errorf("usage = %d", usage(readOnly))
		}
	})
}

// T328: a boundary is only as good as the permission to take it away. The key
// iam:PermissionsBoundary is the boundary asked for, where one is, else the one that is there.
func TestT328_BoundariesNeedPermission(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		if b.boundary == nil { // groups have none
			return
		}
		mallory, limit := w.user("mallory"), w.policy("limit", allow("s3:*", "*"))
		within := `{"StringEquals":{"iam:PermissionsBoundary":"` + limit + `"}}`
		w.isDenied(b.boundary(mallory, "thing", administrator))
		w.isDenied(b.noBoundary(mallory, "thing"))

		w.may("mallory", allowIf("iam:*", "*", within))
		w.isDenied(b.boundary(mallory, "thing", administrator))
		w.isDenied(b.attach(mallory, "thing", administrator)) // no boundary yet
		w.isDenied(b.put(mallory, "thing", "p", allow("*", "*")))
		w.succeeds(b.boundary(mallory, "thing", limit))
		w.succeeds(b.attach(mallory, "thing", administrator)) // within the boundary
		w.succeeds(b.put(mallory, "thing", "p", allow("*", "*")))
		w.succeeds(b.delete(mallory, "thing", "p"))
		w.succeeds(b.detach(mallory, "thing", administrator))

		w.may("mallory", allowIf("iam:*", "*", within), statement("Deny", "iam:Delete*PermissionsBoundary", "*", ""))
		w.isDenied(b.noBoundary(mallory, "thing"))
		w.succeeds(b.boundary(w.root(), "thing", readOnly))
		w.isDenied(b.attach(mallory, "thing", administrator)) // within another boundary
		w.may("mallory", allowIf("iam:*", "*", within))
		w.isDenied(b.noBoundary(mallory, "thing"))
	})
}

// A boundary holds its bearer, whatever policies they get.
func TestBoundaryHoldsItsBearer(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	name := aws.String("alice")
	limit := w.policy("limit", allow("iam:Get*", "*"))
	do(w.root(), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(administrator)})
	do(alice, w.iam.ListUsers, &iam.ListUsersInput{})
	do(w.root(), w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: &limit})
	denied(alice, w.iam.ListUsers, &iam.ListUsersInput{})
	denied(alice, w.iam.DeleteUserPermissionsBoundary, &iam.DeleteUserPermissionsBoundaryInput{UserName: name})
	do(alice, w.iam.GetUser, &iam.GetUserInput{})
}

func TestAttachedListIsSortedWhateverTheOrderOfAttaching(t *testing.T) {
	onEachBearer(t, func(t *testing.T, w *world, b bearerOps) {
		for _, name := range []string{"m", "Z", "a"} {
			w.succeeds(b.attach(w.root(), "thing", w.policy(name, allow("s3:*", "*"))))
		}
		list, _, err := b.attached(w.root(), "thing", nil, nil, nil)
		w.succeeds(err)
		got := names(list, func(a types.AttachedPolicy) *string { return a.PolicyArn })
		if len(got) != 3 || !slices.IsSorted(got) {
			t.Errorf("attached = %q", got)
		}
	})
}
