package iam

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
	"pgregory.net/rapid"
)

// Whatever becomes of people and their credentials, in two accounts: records and
// indexes agree, every refusal is one of AWS's, and nobody is deleted on whom
// something hangs.
func TestAnySequenceOfOperationsKeepsCredentialsConsistent(t *testing.T) {
	w := newWorld(t)
	brought := []*forged{w.forge("a", 1000, nil), w.forge("b", 1000, nil), w.forge("c", 1000, nil)}
	key, sameKey := w.sshKey(2048)
	otherKey, _ := w.sshKey(2048)
	rapid.Check(t, func(t *rapid.T) {
		w.empty(t)
		m := &crowd{world: w, devices: map[string]device{}, certificates: brought, keys: []string{key, sameKey, otherKey}}
		t.Repeat(m.actions())
	})
}

// crowd does random things to a world. What hangs on policies is another test's.
type crowd struct {
	*world
	devices      map[string]device // by serial number
	certificates []*forged         // what people bring
	keys         []string
}

// Few names, in more than one case, so that they meet.
var (
	someUsers    = rapid.SampledFrom([]string{"alice", "ALICE", "bob", "carol", "root"})
	someGroups   = rapid.SampledFrom([]string{"devs", "Devs", "ops"})
	someDevices  = rapid.SampledFrom([]string{"phone", "tablet", "key"})
	somePaths    = rapid.SampledFrom([]string{"/", "/a/", "/a/b/"})
	someServices = rapid.SampledFrom([]string{codecommit, bedrock})
	someNames    = rapid.SampledFrom([]string{"web", "Web", "mail"})
	someAliases  = rapid.SampledFrom([]string{"acme", "acme-corp"})
	someAccounts = rapid.SampledFrom([]actorOf{(*world).root, func(w *world) actor { return w.rootOf(theirs) }})
)

type actorOf func(*world) actor

// act performs an operation that may be refused, but for a reason of AWS's.
func act[I, O any](t *rapid.T, m *crowd, handle func(*service.Call, *I) (*O, error), in *I) bool {
	t.Helper()
	_, err := try(someAccounts.Draw(t, "account")(m.world), handle, in)
	if err != nil && codeOf(err) == "" {
		t.Fatalf("%T: an error that is not AWS's: %v", in, err)
	}
	return err == nil
}

func (m *crowd) actions() map[string]func(*rapid.T) {
	s := m.iam
	user := func(t *rapid.T) *string { return aws.String(someUsers.Draw(t, "user")) }
	group := func(t *rapid.T) *string { return aws.String(someGroups.Draw(t, "group")) }
	path := func(t *rapid.T) *string { return aws.String(somePaths.Draw(t, "path")) }
	return map[string]func(*rapid.T){
		"": func(t *rapid.T) { m.t = t; m.consistent(t) },

		"CreateUser": func(t *rapid.T) {
			act(t, m, s.CreateUser, &iam.CreateUserInput{UserName: user(t), Path: path(t)})
		},
		"UpdateUser": func(t *rapid.T) {
			act(t, m, s.UpdateUser, &iam.UpdateUserInput{UserName: user(t), NewUserName: user(t), NewPath: path(t)})
		},
		"DeleteUser": func(t *rapid.T) { m.deleteUser(t, *user(t)) },
		"TagUser": func(t *rapid.T) {
			act(t, m, s.TagUser, &iam.TagUserInput{UserName: user(t), Tags: tags("k=v")})
		},
		"CreateGroup": func(t *rapid.T) {
			act(t, m, s.CreateGroup, &iam.CreateGroupInput{GroupName: group(t), Path: path(t)})
		},
		"UpdateGroup": func(t *rapid.T) {
			act(t, m, s.UpdateGroup, &iam.UpdateGroupInput{GroupName: group(t), NewGroupName: group(t), NewPath: path(t)})
		},
		"DeleteGroup": func(t *rapid.T) { act(t, m, s.DeleteGroup, &iam.DeleteGroupInput{GroupName: group(t)}) },
		"AddUserToGroup": func(t *rapid.T) {
			act(t, m, s.AddUserToGroup, &iam.AddUserToGroupInput{GroupName: group(t), UserName: user(t)})
		},
		"RemoveUserFromGroup": func(t *rapid.T) {
			act(t, m, s.RemoveUserFromGroup, &iam.RemoveUserFromGroupInput{GroupName: group(t), UserName: user(t)})
		},
		"CreateAccessKey": func(t *rapid.T) { act(t, m, s.CreateAccessKey, &iam.CreateAccessKeyInput{UserName: user(t)}) },
		"UpdateAccessKey": func(t *rapid.T) {
			status := rapid.SampledFrom([]types.StatusType{types.StatusTypeActive, types.StatusTypeInactive}).Draw(t, "status")
			act(t, m, s.UpdateAccessKey, &iam.UpdateAccessKeyInput{UserName: user(t), AccessKeyId: m.anyKey(t), Status: status})
		},
		"DeleteAccessKey": func(t *rapid.T) {
			act(t, m, s.DeleteAccessKey, &iam.DeleteAccessKeyInput{UserName: user(t), AccessKeyId: m.anyKey(t)})
		},
		"CreateLoginProfile": func(t *rapid.T) {
			act(t, m, s.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: user(t), Password: aws.String(goodPassword)})
		},
		"DeleteLoginProfile": func(t *rapid.T) {
			act(t, m, s.DeleteLoginProfile, &iam.DeleteLoginProfileInput{UserName: user(t)})
		},
		"CreateAccountAlias": func(t *rapid.T) {
			act(t, m, s.CreateAccountAlias, &iam.CreateAccountAliasInput{AccountAlias: aws.String(someAliases.Draw(t, "alias"))})
		},
		"DeleteAccountAlias": func(t *rapid.T) {
			act(t, m, s.DeleteAccountAlias, &iam.DeleteAccountAliasInput{AccountAlias: aws.String(someAliases.Draw(t, "alias"))})
		},

		"UploadServerCertificate": func(t *rapid.T) {
			in := upload(someNames.Draw(t, "name"), rapid.SampledFrom(m.certificates).Draw(t, "certificate"))
			in.Path = path(t)
			act(t, m, s.UploadServerCertificate, in)
		},
		"UpdateServerCertificate": func(t *rapid.T) {
			act(t, m, s.UpdateServerCertificate, &iam.UpdateServerCertificateInput{ServerCertificateName: aws.String(someNames.Draw(t, "name")), NewServerCertificateName: aws.String(someNames.Draw(t, "new name")), NewPath: path(t)})
		},
		"DeleteServerCertificate": func(t *rapid.T) {
			act(t, m, s.DeleteServerCertificate, &iam.DeleteServerCertificateInput{ServerCertificateName: aws.String(someNames.Draw(t, "name"))})
		},
		"UploadSigningCertificate": func(t *rapid.T) {
			act(t, m, s.UploadSigningCertificate, &iam.UploadSigningCertificateInput{UserName: user(t), CertificateBody: &rapid.SampledFrom(m.certificates).Draw(t, "certificate").pem})
		},
		"DeleteSigningCertificate": func(t *rapid.T) {
			act(t, m, s.DeleteSigningCertificate, &iam.DeleteSigningCertificateInput{UserName: user(t), CertificateId: anyID(t, m, identity.SigningCertificates)})
		},
		"UploadSSHPublicKey": func(t *rapid.T) {
			act(t, m, s.UploadSSHPublicKey, &iam.UploadSSHPublicKeyInput{UserName: user(t), SSHPublicKeyBody: aws.String(rapid.SampledFrom(m.keys).Draw(t, "key"))})
		},
		"DeleteSSHPublicKey": func(t *rapid.T) {
			act(t, m, s.DeleteSSHPublicKey, &iam.DeleteSSHPublicKeyInput{UserName: user(t), SSHPublicKeyId: anyID(t, m, identity.SSHPublicKeys)})
		},
		"CreateServiceSpecificCredential": func(t *rapid.T) {
			act(t, m, s.CreateServiceSpecificCredential, credentialFor(*user(t), someServices.Draw(t, "service")))
		},
		"DeleteServiceSpecificCredential": func(t *rapid.T) {
			act(t, m, s.DeleteServiceSpecificCredential, &iam.DeleteServiceSpecificCredentialInput{UserName: user(t), ServiceSpecificCredentialId: anyID(t, m, identity.ServiceCredentials)})
		},

		"CreateVirtualMFADevice": func(t *rapid.T) { m.createDevice(t) },
		"EnableMFADevice": func(t *rapid.T) {
			if d, ok := m.anyDevice(t); ok {
				act(t, m, s.EnableMFADevice, d.pair(*user(t)))
				m.later(time.Minute)
			}
		},
		"DeactivateMFADevice": func(t *rapid.T) {
			if d, ok := m.anyDevice(t); ok {
				act(t, m, s.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: user(t), SerialNumber: &d.serial})
			}
		},
		"DeleteVirtualMFADevice": func(t *rapid.T) {
			if d, ok := m.anyDevice(t); ok && act(t, m, s.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &d.serial}) {
				delete(m.devices, d.serial)
			}
		},
	}
}

// deleteUser deletes a user and checks that they were free of everything.
func (m *crowd) deleteUser(t *rapid.T, name string) {
	var u *identity.User
	held := 0
	m.view(func(r store.Reader) error {
		if u, _ = identity.FindUser(r, ours, name); u != nil {
			held = len(idsBelow(r, identity.SigningCertificates, string(ours), u.ID)) +
				len(idsBelow(r, identity.SSHPublicKeys, string(ours), u.ID)) + len(idsBelow(r, identity.ServiceCredentials, string(ours), u.ID))
		}
		return nil
	})
	_, err := try(m.root(), m.iam.DeleteUser, &iam.DeleteUserInput{UserName: &name})
	free := u != nil && u.Login == nil && held+len(u.AccessKeys)+len(u.MFA)+len(u.Inline)+len(u.Attached)+len(u.Groups) == 0
	if (err == nil) != free {
		t.Fatalf("DeleteUser of %+v: %v", u, err)
	}
}

func (m *crowd) createDevice(t *rapid.T) {
	in := &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String(someDevices.Draw(t, "device")), Path: aws.String(somePaths.Draw(t, "path"))}
	out, err := try(m.root(), m.iam.CreateVirtualMFADevice, in)
	switch codeOf(err) {
	case "EntityAlreadyExists":
	case "":
		made := out.VirtualMFADevice
		m.devices[*made.SerialNumber] = deviceOf(m.world, made)
	default:
		t.Fatalf("CreateVirtualMFADevice: %v", err)
	}
}

func (m *crowd) anyDevice(t *rapid.T) (device, bool) {
	serial := "arn:aws:iam::111122223333:mfa" + somePaths.Draw(t, "path") + someDevices.Draw(t, "device")
	d, ok := m.devices[serial]
	return d, ok
}

// anyKey is the id of some user's key, or of none.
func (m *crowd) anyKey(t *rapid.T) *string { return anyID(t, m, identity.AccessKeys) }

// anyID is the id of some record of a table, or of none.
func anyID[T any](t *rapid.T, m *crowd, table store.Table[T]) *string {
	ids := []string{"AKIAUNKNOWNUNKNOWNUN"}
	m.view(func(r store.Reader) error {
		ids = append(ids, idsBelow(r, table)...)
		return nil
	})
	return aws.String(rapid.SampledFrom(ids).Draw(t, "id"))
}

// idsBelow are the last parts of the keys with a prefix.
func idsBelow[T any](r store.Reader, table store.Table[T], prefix ...string) (ids []string) {
	table.Scan(r, "", func(key store.Key, _ *T) bool {
		ids = append(ids, key.Last())
		return true
	}, prefix...)
	return ids
}
