package iam

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

const tokenSerial = "GAHT12345678"

// asOwner runs what the owner of the host does in an account, twice as transactions do.
func (w *world) asOwner(account arn.AccountID, fn func(c *service.Call) error) error {
	w.t.Helper()
	var err error
	for _, again := range []error{errAgain, nil} {
		updated := w.db.Update(context.Background(), func(tx store.Tx) error {
			c := &service.Call{Now: w.now, Rand: rand.Reader, Scope: arn.Scope{Partition: "aws", Account: account}, Reader: tx, Tx: tx}
			if err = fn(c); err != nil {
				return err
			}
			return again
		})
		if err == nil && !errors.Is(updated, again) {
			w.must(updated)
		}
	}
	return err
}

// token imports a hardware token.
func (w *world) token(serial string) device {
	w.t.Helper()
	seed := []byte("seed of " + serial + ", long")
	w.must(w.asOwner(ours, func(c *service.Call) error {
		return w.iam.ImportTokens(c, []mfa.Token{{Line: 1, Serial: serial, Seed: seed}})
	}))
	return device{w, serial, seed}
}

// A token that was imported is used like a virtual device, by its number; it stays in
// the account when a person gives it back, and the next one gets it.
func TestHardwareToken(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.user("bob")
	token := w.token(tokenSerial)
	phone := w.device("phone")
	w.consistent(t)
	if list := do(w.root(), w.iam.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{}).VirtualMFADevices; len(list) != 1 {
		t.Errorf("virtual devices %s", asJSON(list))
	}
	wrong := token.pair("alice")
	wrong.AuthenticationCode2 = wrong.AuthenticationCode1
	refused(w.root(), w.iam.EnableMFADevice, wrong, "InvalidAuthenticationCode", "Authentication code for device is not valid.")
	w.enable("alice", token)
	w.enable("alice", phone)
	w.consistent(t)
	equal(t, "her devices", serials(do(w.root(), w.iam.ListMFADevices, &iam.ListMFADevicesInput{UserName: aws.String("alice")}).MFADevices), []string{tokenSerial, phoneARN})
	summary := do(w.root(), w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap
	if summary["MFADevices"] != 2 || summary["MFADevicesInUse"] != 2 {
		t.Errorf("summary %v", summary)
	}
	refused(w.root(), w.iam.EnableMFADevice, token.pair("bob"), "EntityAlreadyExists", "MFA Device is already in use.")

	// Codes, once each, and the clock of the token.
	w.must(w.present("alice", token, 0))
	if err := w.present("alice", token, 0); err == nil {
		t.Error("a code worked twice")
	}
	if err := w.present("bob", token, 1); err == nil {
		t.Error("a code of someone else's token")
	}
	do(w.root(), w.iam.ResyncMFADevice, token.resync("alice", 240))
	w.later(2 * mfa.Period)
	w.must(w.present("alice", token, 240))

	// It cannot be made, tagged or deleted through the API: there it is no such device.
	none := "VirtualMFADevice with serial number " + tokenSerial + " doesn't exist."
	refused(w.root(), w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &token.serial}, "NoSuchEntity", none)
	refused(w.root(), w.iam.TagMFADevice, &iam.TagMFADeviceInput{SerialNumber: &token.serial, Tags: []types.Tag{tag("a", "b")}}, "NoSuchEntity", none)
	refused(w.root(), w.iam.UntagMFADevice, &iam.UntagMFADeviceInput{SerialNumber: &token.serial, TagKeys: []string{"a"}}, "NoSuchEntity", none)
	refused(w.root(), w.iam.ListMFADeviceTags, &iam.ListMFADeviceTagsInput{SerialNumber: &token.serial}, "NoSuchEntity", none)
	refused(w.root(), w.iam.GetMFADevice, &iam.GetMFADeviceInput{SerialNumber: &token.serial, UserName: aws.String("alice")}, "NoSuchEntity", "MFADevice with serial number "+tokenSerial+" doesn't exist.")
	refused(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &token.serial, UserName: aws.String("bob")}, "NoSuchEntity", none)
	refused(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("alice")}, "DeleteConflict", "Cannot delete entity, must delete MFA device first.")

	denied(alice, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &token.serial})
	do(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &token.serial, UserName: aws.String("alice")})
	w.consistent(t)
	if err := w.present("alice", token, 242); err == nil {
		t.Error("a code of a token that was given back")
	}
	// The token is two hours fast; the next person's codes still tell.
	in := token.pair("bob")
	in.AuthenticationCode1, in.AuthenticationCode2 = token.code(10), token.code(11)
	refused(w.root(), w.iam.EnableMFADevice, in, "InvalidAuthenticationCode", "Authentication code for device is not valid.") // older than the last one used
	w.later(3 * time.Hour)
	do(w.root(), w.iam.EnableMFADevice, token.pair("bob"))
	w.consistent(t)
}

// The root user has one, too.
func TestHardwareTokenOfRoot(t *testing.T) {
	w := newWorld(t)
	token := w.token(tokenSerial)
	do(w.root(), w.iam.EnableMFADevice, token.pair("root"))
	equal(t, "root's devices", serials(do(w.root(), w.iam.ListMFADevices, &iam.ListMFADevicesInput{}).MFADevices), []string{tokenSerial})
	w.consistent(t)
	do(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &token.serial, UserName: aws.String("root")})
	w.consistent(t)
}

// T300: a token's number names no account, so that in another account there is none.
func TestT300_TokensOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	token := w.token(tokenSerial)
	eve := w.rootOf(theirs)
	do(eve, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("alice")})
	refused(eve, w.iam.EnableMFADevice, token.pair("alice"), "NoSuchEntity", "VirtualMFADevice with serial number "+tokenSerial+" doesn't exist.")
	// The same number in both is two tokens.
	seed := bytes.Repeat([]byte{7}, 20)
	w.must(w.asOwner(theirs, func(c *service.Call) error {
		return w.iam.ImportTokens(c, []mfa.Token{{Serial: tokenSerial, Seed: seed}})
	}))
	do(eve, w.iam.EnableMFADevice, device{w, tokenSerial, seed}.pair("alice"))
	w.enable("alice", token)
	w.consistent(t)
}

func TestImportTokens(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	seed := bytes.Repeat([]byte("SECRET"), 4)
	load := func(serials ...string) error {
		return w.asOwner(ours, func(c *service.Call) error {
			var list []mfa.Token
			for i, serial := range serials {
				list = append(list, mfa.Token{Line: i + 1, Serial: serial, Seed: seed})
			}
			return w.iam.ImportTokens(c, list)
		})
	}
	w.must(load("TOKEN-0001", "TOKEN-0002"))
	for _, test := range []struct {
		serials []string
		want    string
	}{
		{[]string{"TOKEN-0003", "TOKEN-0002"}, "line 2: the account has a token TOKEN-0002"},
		{[]string{"TOKEN-0003", "TOKEN-0003"}, "line 2: the account has a token TOKEN-0003"},
		{[]string{"short"}, "line 1: a serial number has from 9 to 256 letters, digits and _-.+=@"},
		{[]string{strings.Repeat("x", 257)}, "line 1: a serial number has from 9 to 256 letters, digits and _-.+=@"},
		{[]string{"arn:aws:iam::111122223333:mfa/x"}, "line 1: a serial number has from 9 to 256 letters, digits and _-.+=@"},
		{[]string{"u2f/user/alice/key"}, "line 1: a serial number has from 9 to 256 letters, digits and _-.+=@"},
		{[]string{"TOKEN 0003"}, "line 1: a serial number has from 9 to 256 letters, digits and _-.+=@"},
	} {
		if _, ok := errors.AsType[*TokenError](load(test.serials...)); !ok || load(test.serials...).Error() != test.want {
			t.Errorf("%q: %v", test.serials, load(test.serials...))
		}
	}
	w.iam.limits.UsersPerAccount = 3
	if err := load("TOKEN-0003", "TOKEN-0004"); err == nil || err.Error() != "an account has at most 3 tokens" {
		t.Errorf("a fourth: %v", err)
	}
	w.consistent(t) // nothing of what was refused is there

	w.view(func(r store.Reader) error {
		d, err := identity.MFADevices.Get(r, string(ours), "TOKEN-0001")
		if err != nil {
			return err
		}
		if text, _ := json.Marshal(d); bytes.Contains(d.Seed, seed) || bytes.Contains(text, []byte("SECRET")) {
			t.Error("the seed is kept in the clear")
		}
		return nil
	})

	token := device{w, "TOKEN-0002", seed}
	w.enable("alice", token)
	var list []Token
	w.must(w.asOwner(ours, func(c *service.Call) (err error) {
		list, err = w.iam.Tokens(c)
		return err
	}))
	if !slices.Equal(list, []Token{{"TOKEN-0001", ""}, {"TOKEN-0002", "alice"}}) {
		t.Errorf("tokens %v", list)
	}
	w.device("phone")
	for serial, want := range map[string]string{
		"TOKEN-0002": "token TOKEN-0002 is in use: deactivate it first (aws iam deactivate-mfa-device)",
		"TOKEN-0009": "the account has no token TOKEN-0009",
		"/phone":     "the account has no token /phone",
		"TOKEN-0001": "",
	} {
		err := w.asOwner(ours, func(c *service.Call) error { return w.iam.RemoveToken(c, serial) })
		if fmt.Sprint(err) != want && !(err == nil && want == "") {
			t.Errorf("remove %s: %v", serial, err)
		}
	}
	w.consistent(t)
	w.must(load("TOKEN-0001")) // its number is free again
}

const keyARN = "arn:aws:iam::111122223333:u2f/user/alice/default-R1234"

// securityKey registers a FIDO key as the console will: by its record.
func (w *world) securityKey(user, name string) (serial string) {
	w.t.Helper()
	path, owner := "u2f/root-account/", string(ours)
	if user != rootName {
		path, owner = "u2f/user/"+user+"/", w.record(user).ID
	}
	d := &identity.MFADevice{
		Account: ours, Path: path, Name: name, Created: second(w.now), Owner: owner, Enabled: second(w.now), Certifications: map[string]string{"FIDO": "L1"},
		WebAuthn: &webauthnx.Credential{ID: []byte("credential of " + path + name)},
	}
	w.putSecurityKey(person{root: user == rootName, name: user}, d)
	return d.Serial("aws")
}

// putSecurityKey does what registering a key does to the records.
func (w *world) putSecurityKey(who person, d *identity.MFADevice) {
	w.t.Helper()
	w.must(w.asOwner(ours, func(c *service.Call) error {
		if err := identity.PutSecurityKey(c.Tx, d); err != nil {
			return err
		}
		if err := count(c, securityKeysCount, 1); err != nil {
			return err
		}
		if err := who.editDevices(c, func(list []identity.EnabledDevice) []identity.EnabledDevice {
			return append(list, identity.EnabledDevice{Serial: d.Key(), Enabled: d.Enabled})
		}); err != nil {
			return err
		}
		return count(c, devicesInUseCount, 1)
	}))
}

// A security key is listed beside the other devices and can be taken from its user,
// but shows no codes.
func TestSecurityKey(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.user("bob")
	phone := w.device("phone")
	w.enable("alice", phone)
	key := w.securityKey("alice", "default-R1234")
	if key != keyARN {
		t.Fatalf("serial number %s", key)
	}
	w.consistent(t)
	list := do(w.root(), w.iam.ListMFADevices, &iam.ListMFADevicesInput{UserName: aws.String("alice")}).MFADevices
	equal(t, "her devices", serials(list), []string{phoneARN, keyARN})
	if virtual := do(w.root(), w.iam.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{}).VirtualMFADevices; len(virtual) != 1 {
		t.Errorf("virtual devices %s", asJSON(virtual))
	}
	summary := do(w.root(), w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap
	if summary["MFADevices"] != 2 || summary["MFADevicesInUse"] != 2 {
		t.Errorf("summary %v", summary)
	}

	get := &iam.GetMFADeviceInput{SerialNumber: &key, UserName: aws.String("alice")}
	got := do(w.root(), w.iam.GetMFADevice, get)
	if *got.SerialNumber != keyARN || *got.UserName != "alice" || !got.EnableDate.Equal(second(w.now)) || got.Certifications["FIDO"] != "L1" {
		t.Errorf("got %s", asJSON(got))
	}
	denied(alice, w.iam.GetMFADevice, get)
	w.may("alice", allow("iam:*MFADevice", "arn:aws:iam::111122223333:user/alice"))
	do(alice, w.iam.GetMFADevice, &iam.GetMFADeviceInput{SerialNumber: &key}) // her own
	for _, in := range []*iam.GetMFADeviceInput{
		{SerialNumber: &key, UserName: aws.String("bob")},
		{SerialNumber: &phone.serial, UserName: aws.String("alice")},
		{SerialNumber: aws.String("arn:aws:iam::111122223333:u2f/user/alice/none-1"), UserName: aws.String("alice")},
		{SerialNumber: aws.String("arn:aws:iam::444455556666:u2f/user/alice/default-R1234"), UserName: aws.String("alice")},
	} {
		refused(w.root(), w.iam.GetMFADevice, in, "NoSuchEntity", "MFADevice with serial number "+*in.SerialNumber+" doesn't exist.")
	}

	none := "VirtualMFADevice with serial number " + keyARN + " doesn't exist."
	codes := func(user string) *iam.EnableMFADeviceInput {
		return &iam.EnableMFADeviceInput{UserName: &user, SerialNumber: &key, AuthenticationCode1: aws.String("000000"), AuthenticationCode2: aws.String("000001")}
	}
	refused(w.root(), w.iam.EnableMFADevice, codes("bob"), "EntityAlreadyExists", "MFA Device is already in use.")
	refused(w.root(), w.iam.ResyncMFADevice, &iam.ResyncMFADeviceInput{UserName: aws.String("alice"), SerialNumber: &key, AuthenticationCode1: aws.String("000000"), AuthenticationCode2: aws.String("000001")}, "NoSuchEntity", none)
	refused(w.root(), w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &key}, "NoSuchEntity", none)
	refused(w.root(), w.iam.TagMFADevice, &iam.TagMFADeviceInput{SerialNumber: &key, Tags: []types.Tag{tag("a", "b")}}, "NoSuchEntity", none)
	refused(w.root(), w.iam.ListMFADeviceTags, &iam.ListMFADeviceTagsInput{SerialNumber: &key}, "NoSuchEntity", none)
	if err := w.present("alice", device{w, key, []byte("any")}, 0); err == nil || !strings.Contains(err.Error(), "valid and associated with this user") {
		t.Errorf("a code of a security key: %v", err)
	}
	refused(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &key, UserName: aws.String("bob")}, "NoSuchEntity", none)
	refused(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("alice")}, "DeleteConflict", "Cannot delete entity, must delete MFA device first.")

	do(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &key, UserName: aws.String("alice")})
	w.consistent(t)
	refused(w.root(), w.iam.GetMFADevice, get, "NoSuchEntity", "MFADevice with serial number "+keyARN+" doesn't exist.")
	refused(w.root(), w.iam.EnableMFADevice, codes("alice"), "NoSuchEntity", none)
	w.view(func(r store.Reader) error {
		if _, err := identity.SecurityKeyByCredential(r, []byte("credential of u2f/user/alice/default-R1234")); err != store.ErrNotFound {
			t.Errorf("one still finds the key: %v", err)
		}
		return nil
	})
	do(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &phone.serial, UserName: aws.String("alice")})
	do(w.root(), w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &phone.serial})
	w.must(w.asOwner(ours, func(c *service.Call) error {
		n, err := identity.CountsOf.Get(c.Reader, string(ours))
		if err == nil && n.SecurityKeys+n.MFADevices+n.MFADevicesInUse != 0 {
			t.Errorf("counts %+v", n)
		}
		return err
	}))
}

func TestSecurityKeyOfRoot(t *testing.T) {
	w := newWorld(t)
	key := w.securityKey(rootName, "main-R1234")
	if key != "arn:aws:iam::111122223333:u2f/root-account/main-R1234" {
		t.Errorf("serial number %s", key)
	}
	got := do(w.root(), w.iam.GetMFADevice, &iam.GetMFADeviceInput{SerialNumber: &key})
	if *got.UserName != rootName {
		t.Errorf("got %s", asJSON(got))
	}
	w.consistent(t)
	do(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &key, UserName: aws.String("root")})
	w.consistent(t)
}
