package sdk_test

import (
	"compress/gzip"
	"context"
	"encoding/base32"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/server"
)

// oldData is a data directory that an early Lanyard 0.1 filled, before attachments became
// rows without a value, with what is known of it besides.
//
// Account 123456789012 has the users Alice (of the path /div/, with a boundary, attached
// and inline policies, a password, a key and an MFA device), bob (in the group Devs),
// carol and admin; the role Deploy, which Alice may assume; the role Orphan, whose trusted
// user is gone; the policies /team/Reader (two versions) and Bound, an instance profile,
// and a spare MFA device.
type oldData struct {
	Alice, Bob, Admin, Role, Sess []string // access key id, secret, token
	Seed, Serial, SealKey         string
	Filled                        time.Time

	*lanyardtest.Lanyard
	now time.Time
}

// signAt signs as if it were that time.
type signAt struct {
	*v4.Signer
	now time.Time
}

func (s signAt) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, options ...func(*v4.SignerOptions)) error {
	return s.Signer.SignHTTP(ctx, c, r, hash, service, region, s.now, options...)
}

func openOldData(t *testing.T) (d *oldData, dir string) {
	d = new(oldData)
	text, err := os.ReadFile("testdata/data-0.1/known.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open("testdata/data-0.1/lanyard.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lanyard.db"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, must(gzip.NewReader(packed))(t)); err != nil {
		t.Fatal(err)
	}
	d.now = d.Filled.Add(10 * time.Minute)
	return d, dir
}

func (d *oldData) start(t *testing.T, dir string) {
	socket, err := os.MkdirTemp("", "lanyard")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(socket) })
	d.Lanyard = lanyardtest.Start(t, server.Config{
		DataDir: dir, SealKey: d.SealKey, Listen: "127.0.0.1:0", Socket: filepath.Join(socket, "s"),
		Clock: func() time.Time { return d.now },
	})
}

func (d *oldData) config(credentials []string) aws.Config {
	credentials = append(slices.Clone(credentials), "")
	return d.ConfigFor(credentials[0], credentials[1], credentials[2])
}

func (d *oldData) iam(credentials []string) *iam.Client {
	return iam.NewFromConfig(d.config(credentials), func(o *iam.Options) { o.HTTPSignerV4 = signAt{v4.NewSigner(), d.now} })
}

func (d *oldData) sts(credentials []string) *sts.Client {
	return sts.NewFromConfig(d.config(credentials), func(o *sts.Options) { o.HTTPSignerV4 = signAt{v4.NewSigner(), d.now} })
}

// TestOldDataDirectory: what an earlier version wrote is read, decides as it did, and can
// be changed and deleted to the last; and so it is after a restart.
func TestOldDataDirectory(t *testing.T) {
	d, dir := openOldData(t)
	t.Run("first start", func(t *testing.T) {
		d.start(t, dir)
		d.works(t)
	})
	t.Run("second start", func(t *testing.T) {
		d.start(t, dir)
		d.counts(t)
	})
}

func (d *oldData) works(t *testing.T) {
	ctx := t.Context()
	const scope = "arn:aws:iam::123456789012:"
	reader, bound := aws.String(scope+"policy/team/Reader"), aws.String(scope+"policy/Bound")
	admin := d.iam(d.Admin)

	// Who uses a policy, from the index whose records have changed.
	users := func(policyARN *string, usage types.PolicyUsageType) (names []string) {
		t.Helper()
		out := must(admin.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: policyARN, PolicyUsageFilter: usage}))(t)
		for _, u := range out.PolicyUsers {
			names = append(names, "user "+*u.UserName)
		}
		for _, g := range out.PolicyGroups {
			names = append(names, "group "+*g.GroupName)
		}
		for _, r := range out.PolicyRoles {
			names = append(names, "role "+*r.RoleName)
		}
		return names
	}
	wantUsers := func(policyARN *string, usage types.PolicyUsageType, want ...string) {
		t.Helper()
		if got := users(policyARN, usage); !slices.Equal(got, want) {
			t.Errorf("%s is used by %q, want %q", *policyARN, got, want)
		}
	}
	wantUsers(reader, types.PolicyUsageTypePermissionsPolicy, "user Alice", "group Devs", "role Deploy")
	wantUsers(bound, types.PolicyUsageTypePermissionsBoundary, "user Alice", "role Deploy")
	if p := must(admin.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: reader}))(t).Policy; *p.AttachmentCount != 3 || *p.DefaultVersionId != "v2" {
		t.Errorf("policy %+v", p)
	}
	trust := must(admin.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("Orphan")}))(t).Role.AssumeRolePolicyDocument
	if !strings.Contains(*trust, "AIDA") {
		t.Errorf("the trust policy names %s", *trust)
	}

	// Keys and sessions of before, by the policies of before.
	must(d.iam(d.Alice).ListUsers(ctx, &iam.ListUsersInput{}))(t)
	must(d.iam(d.Bob).ListUsers(ctx, &iam.ListUsersInput{}))(t)
	_, err := d.iam(d.Bob).DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("carol")})
	refused(t, err, "AccessDenied")
	must(d.iam(d.Role).DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("carol")}))(t)
	_, err = d.iam(d.Role).CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("dave")})
	refused(t, err, "AccessDenied")
	if who := must(d.sts(d.Sess).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t); *who.Arn != scope+"user/div/Alice" {
		t.Errorf("the session is of %s", *who.Arn)
	}
	must(d.sts(d.Alice).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(scope + "role/svc/Deploy"), RoleSessionName: aws.String("new")}))(t)

	// The MFA device.
	seed, err := base32.StdEncoding.DecodeString(d.Seed)
	if err != nil {
		t.Fatal(err)
	}
	code := mfa.Code(seed, d.now.Unix()/30)
	withMFA := must(d.sts(d.Alice).GetSessionToken(ctx, &sts.GetSessionTokenInput{SerialNumber: &d.Serial, TokenCode: &code}))(t).Credentials
	must(d.iam([]string{*withMFA.AccessKeyId, *withMFA.SecretAccessKey, *withMFA.SessionToken}).ListUsers(ctx, &iam.ListUsersInput{}))(t)
	_, err = d.sts(d.Alice).GetSessionToken(ctx, &sts.GetSessionTokenInput{SerialNumber: &d.Serial, TokenCode: &code})
	refused(t, err, "AccessDenied")

	// The trail, with records of before.
	trail := cloudtrail.NewFromConfig(d.config(d.Admin), func(o *cloudtrail.Options) { o.HTTPSignerV4 = signAt{v4.NewSigner(), d.now} })
	if events := must(trail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{EndTime: aws.Time(d.Filled.Add(time.Second))}))(t).Events; len(events) < 30 {
		t.Errorf("%d events of before", len(events))
	}

	// Changed and deleted to the last.
	alice, alicia, deploy, devs := aws.String("Alice"), aws.String("Alicia"), aws.String("Deploy"), aws.String("Devs")
	must(admin.UpdateUser(ctx, &iam.UpdateUserInput{UserName: alice, NewUserName: alicia}))(t)
	wantUsers(reader, types.PolicyUsageTypePermissionsPolicy, "user Alicia", "group Devs", "role Deploy")
	_, err = admin.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: reader})
	refused(t, err, "DeleteConflict")
	must(admin.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: alicia, PolicyArn: reader}))(t)
	must(admin.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: alicia, PolicyArn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}))(t)
	must(admin.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: deploy, PolicyArn: reader}))(t)
	must(admin.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: deploy, PolicyArn: reader}))(t)
	wantUsers(reader, types.PolicyUsageTypePermissionsPolicy, "group Devs", "role Deploy")
	must(admin.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: deploy, PolicyArn: reader}))(t)
	must(admin.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: alicia}))(t)
	must(admin.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: deploy}))(t)
	must(admin.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: bound}))(t)
	must(admin.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: alicia, SerialNumber: &d.Serial}))(t)
	must(admin.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &d.Serial}))(t)
	must(admin.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: alicia}))(t)
	must(admin.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: alicia, AccessKeyId: &d.Alice[0]}))(t)
	must(admin.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: alicia, PolicyName: aws.String("in")}))(t)
	must(admin.DeleteUser(ctx, &iam.DeleteUserInput{UserName: alicia}))(t)
	must(admin.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("IP"), RoleName: deploy}))(t)
	must(admin.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("IP")}))(t)
	must(admin.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: deploy, PolicyName: aws.String("in")}))(t)
	must(admin.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: deploy}))(t)
	must(admin.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: devs, PolicyArn: reader}))(t)
	must(admin.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: reader, VersionId: aws.String("v1")}))(t)
	must(admin.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: reader}))(t)
	_, err = d.iam(d.Alice).ListUsers(ctx, &iam.ListUsersInput{})
	refused(t, err, "InvalidClientTokenId")
	_, err = d.sts(d.Role).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId")
	d.counts(t)
}

// counts: what is left are two users (bob, admin), two roles (Orphan and the owner's), one
// device and nothing else.
func (d *oldData) counts(t *testing.T) {
	t.Helper()
	have := must(d.iam(d.Admin).GetAccountSummary(t.Context(), &iam.GetAccountSummaryInput{}))(t).SummaryMap
	for name, want := range map[string]int32{"Users": 2, "Groups": 1, "Roles": 2, "Policies": 0, "PolicyVersionsInUse": 0, "InstanceProfiles": 0, "MFADevices": 1, "MFADevicesInUse": 0} {
		if have[name] != want {
			t.Errorf("%s is %d, want %d", name, have[name], want)
		}
	}
}
