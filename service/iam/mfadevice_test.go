package iam

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"image/png"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/store"
)

const phoneARN = "arn:aws:iam::111122223333:mfa/phone"

// device is a phone: the serial number of a virtual device, and its seed.
type device struct {
	w      *world
	serial string
	seed   []byte
}

// device makes a virtual device, as root.
func (w *world) device(name string) device {
	w.t.Helper()
	return deviceOf(w, do(w.root(), w.iam.CreateVirtualMFADevice, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name}).VirtualMFADevice)
}

// deviceOf puts a virtual device on a phone.
func deviceOf(w *world, made *types.VirtualMFADevice) device {
	w.t.Helper()
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(made.Base32StringSeed))
	w.must(err)
	return device{w, *made.SerialNumber, seed}
}

// code is what the phone shows, some steps from now.
func (d device) code(steps int64) *string {
	return aws.String(mfa.Code(d.seed, mfa.StepAt(d.w.now)+steps))
}

// pair is a request to enable the device with two consecutive codes.
func (d device) pair(user string) *iam.EnableMFADeviceInput {
	return &iam.EnableMFADeviceInput{UserName: &user, SerialNumber: &d.serial, AuthenticationCode1: d.code(-1), AuthenticationCode2: d.code(0)}
}

func (d device) resync(user string, first int64) *iam.ResyncMFADeviceInput {
	return &iam.ResyncMFADeviceInput{UserName: &user, SerialNumber: &d.serial, AuthenticationCode1: d.code(first), AuthenticationCode2: d.code(first + 1)}
}

// enable gives a device to a user, as root, and lets the codes pass.
func (w *world) enable(user string, d device) {
	w.t.Helper()
	do(w.root(), w.iam.EnableMFADevice, d.pair(user))
	w.later(time.Minute)
}

func serials(devices []types.MFADevice) []string {
	return names(devices, func(d types.MFADevice) *string { return d.SerialNumber })
}

func virtualSerials(devices []types.VirtualMFADevice) []string {
	return names(devices, func(d types.VirtualMFADevice) *string { return d.SerialNumber })
}

func TestCreateVirtualMFADevice(t *testing.T) {
	w := newWorld(t)
	made := do(w.root(), w.iam.CreateVirtualMFADevice, &iam.CreateVirtualMFADeviceInput{
		VirtualMFADeviceName: aws.String("phone"), Path: aws.String("/div/"),
		Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}).VirtualMFADevice
	if *made.SerialNumber != "arn:aws:iam::111122223333:mfa/div/phone" {
		t.Errorf("serial number = %s", *made.SerialNumber)
	}
	if len(made.Base32StringSeed) != 64 {
		t.Errorf("the seed has %d characters", len(made.Base32StringSeed))
	}
	if _, err := png.Decode(bytes.NewReader(made.QRCodePNG)); err != nil {
		t.Errorf("QR code: %v", err)
	}
	if made.User != nil || made.EnableDate != nil {
		t.Error("a new device is in use")
	}
	w.consistent(t)

	refused(w.root(), w.iam.CreateVirtualMFADevice, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("phone"), Path: aws.String("/div/")},
		"EntityAlreadyExists", "MFADevice entity at the same path and name already exists.")
	w.device("phone") // at another path it is another device
	w.iam.limits.UsersPerAccount = 2
	refused(w.root(), w.iam.CreateVirtualMFADevice, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("third")},
		"LimitExceeded", "Cannot exceed quota for VirtualMFADevicesPerAccount: 2")
}

// The seed is in the answer and nowhere else: no list shows it again, the record
// holds it sealed.
func TestT264_SeedIsShownOnce(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	phone := w.device("phone")
	if bits := 8 * len(phone.seed); bits < 160 {
		t.Errorf("the seed has %d bits", bits)
	}
	w.enable("alice", phone)
	out := asJSON(do(w.root(), w.iam.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{}).VirtualMFADevices)
	var record *identity.MFADevice
	w.view(func(r store.Reader) (err error) {
		record, err = identity.MFADevices.Get(r, string(ours), "/phone")
		return err
	})
	stored, _ := json.Marshal(record)
	for what, text := range map[string]string{"ListVirtualMFADevices": out, "the record": string(stored), "the sealed seed": string(record.Seed)} {
		if strings.Contains(text, mfa.Base32(phone.seed)) || strings.Contains(text, string(phone.seed)) {
			t.Errorf("%s shows the seed", what)
		}
	}
	if !strings.Contains(out, `"Base32StringSeed": null`) || !strings.Contains(out, `"QRCodePNG": null`) {
		t.Errorf("ListVirtualMFADevices = %s", out)
	}
	seed, err := w.ring.Open(keyring.MFASeeds, string(identity.MFADevices.Key(string(ours), "/phone")), record.Seed)
	if err != nil || !bytes.Equal(seed, phone.seed) {
		t.Errorf("the sealed seed opens to something else (%v)", err)
	}
}

func TestEnableMFADevice(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	phone := w.device("phone")
	do(w.root(), w.iam.EnableMFADevice, phone.pair("ALICE"))
	w.consistent(t)
	list := do(w.root(), w.iam.ListMFADevices, &iam.ListMFADevicesInput{UserName: aws.String("alice")}).MFADevices
	if len(list) != 1 || *list[0].SerialNumber != phoneARN || *list[0].UserName != "alice" || !list[0].EnableDate.Equal(second(w.now)) {
		t.Errorf("devices = %s", asJSON(list))
	}
	virtual := do(w.root(), w.iam.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{}).VirtualMFADevices
	if len(virtual) != 1 || *virtual[0].User.UserName != "alice" || !virtual[0].EnableDate.Equal(second(w.now)) || virtual[0].Tags != nil {
		t.Errorf("virtual devices = %s", asJSON(virtual))
	}
	// The codes that enabled the device are used up.
	if err := w.present("alice", phone, 0); err == nil {
		t.Error("a code that enabled the device works again")
	}
	w.later(mfa.Period)
	w.must(w.present("alice", phone, 0))
}

// present uses a code as STS does.
func (w *world) present(user string, d device, steps int64) error {
	w.t.Helper()
	p, code := w.as(user).p, *d.code(steps)
	var refusal error
	w.edit(func(tx store.Tx) error {
		refusal = (&authn.MFA{Ring: w.ring}).Check(tx, p, d.serial, code, w.now)
		return nil
	})
	return refusal
}

func TestT264_CodesThatDoNotEnable(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	phone, other := w.device("phone"), w.device("other")
	invalid := func(what string, first, second *string) {
		t.Helper()
		refused(w.root(), w.iam.EnableMFADevice, &iam.EnableMFADeviceInput{UserName: aws.String("alice"), SerialNumber: &phone.serial, AuthenticationCode1: first, AuthenticationCode2: second},
			"InvalidAuthenticationCode", "Authentication code for device is not valid.")
		if devices := w.record("alice").MFA; len(devices) != 0 {
			t.Errorf("%s: enabled %v", what, devices)
		}
		w.edit(func(tx store.Tx) error { // the count of failures is another test
			authn.ForgetFailures(tx, authn.PurposeMFA, w.record("alice").ID)
			return nil
		})
	}
	invalid("the same code twice", phone.code(0), phone.code(0))
	invalid("in the wrong order", phone.code(0), phone.code(-1))
	invalid("not consecutive", phone.code(-2), phone.code(0))
	invalid("another device's", other.code(-1), other.code(0))
	invalid("the first another device's", other.code(-1), phone.code(0))
	invalid("an hour old", phone.code(-121), phone.code(-120))
	invalid("an hour early", phone.code(119), phone.code(120))
	invalid("no digits", aws.String("abcdef"), aws.String("ghijkl"))
	w.consistent(t)
	do(w.root(), w.iam.EnableMFADevice, phone.pair("alice"))
}

// Failures count for the person, are kept although the request is refused, and in
// the end make even the right codes wait.
func TestT264_GuessingCodesIsThrottled(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	phone := w.device("phone")
	wrong := phone.pair("alice")
	wrong.AuthenticationCode1 = phone.code(-3)
	for range 5 {
		refused(w.root(), w.iam.EnableMFADevice, wrong, "InvalidAuthenticationCode", "Authentication code for device is not valid.")
	}
	_, err := try(w.root(), w.iam.EnableMFADevice, phone.pair("alice"))
	if codeOf(err) != "InvalidAuthenticationCode" || !strings.Contains(err.Error(), "Try again after") {
		t.Errorf("right codes after five wrong pairs: %v", err)
	}
	w.later(5 * time.Minute)
	do(w.root(), w.iam.EnableMFADevice, phone.pair("alice"))
}

func TestMFAErrors(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	w.user("alice")
	w.user("bob")
	phone, tablet := w.device("phone"), w.device("tablet")
	w.enable("alice", phone)

	missing := device{w, "arn:aws:iam::111122223333:mfa/none", phone.seed}
	noDevice := "VirtualMFADevice with serial number " + missing.serial + " doesn't exist."
	refused(root, w.iam.EnableMFADevice, phone.pair("bob"), "EntityAlreadyExists", "MFA Device is already in use.")
	refused(root, w.iam.EnableMFADevice, phone.pair("alice"), "EntityAlreadyExists", "MFA Device is already in use.")
	refused(root, w.iam.EnableMFADevice, missing.pair("bob"), "NoSuchEntity", noDevice)
	refused(root, w.iam.EnableMFADevice, tablet.pair("nil"), "NoSuchEntity", "The user with name nil cannot be found.")
	refused(root, w.iam.ResyncMFADevice, missing.resync("alice", -1), "NoSuchEntity", noDevice)
	refused(root, w.iam.ResyncMFADevice, phone.resync("bob", -1), "NoSuchEntity", "VirtualMFADevice with serial number "+phone.serial+" doesn't exist.")
	refused(root, w.iam.ResyncMFADevice, tablet.resync("alice", -1), "NoSuchEntity", "VirtualMFADevice with serial number "+tablet.serial+" doesn't exist.")
	refused(root, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("bob"), SerialNumber: &phone.serial},
		"NoSuchEntity", "VirtualMFADevice with serial number "+phone.serial+" doesn't exist.")
	refused(root, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("alice"), SerialNumber: &tablet.serial},
		"NoSuchEntity", "VirtualMFADevice with serial number "+tablet.serial+" doesn't exist.")
	refused(root, w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &phone.serial}, "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
	refused(root, w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &missing.serial}, "NoSuchEntity", noDevice)
	refused(root, w.iam.TagMFADevice, &iam.TagMFADeviceInput{SerialNumber: &missing.serial}, "NoSuchEntity", noDevice)
	refused(root, w.iam.UntagMFADevice, &iam.UntagMFADeviceInput{SerialNumber: &missing.serial}, "NoSuchEntity", noDevice)
	refused(root, w.iam.ListMFADeviceTags, &iam.ListMFADeviceTagsInput{SerialNumber: &missing.serial}, "NoSuchEntity", noDevice)
	refused(root, w.iam.ListMFADevices, &iam.ListMFADevicesInput{UserName: aws.String("nil")}, "NoSuchEntity", "The user with name nil cannot be found.")
	// As on AWS, GetMFADevice knows only FIDO keys.
	refused(root, w.iam.GetMFADevice, &iam.GetMFADeviceInput{SerialNumber: &phone.serial, UserName: aws.String("alice")},
		"NoSuchEntity", "MFADevice with serial number "+phone.serial+" doesn't exist.")
	refused(root, w.iam.GetMFADevice, &iam.GetMFADeviceInput{SerialNumber: &phone.serial, UserName: aws.String("nil")},
		"NoSuchEntity", "The user with name nil cannot be found.")
	for _, odd := range []string{"GAHT12345678", "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:mfa/", "arn:aws:iam::111122223333:u2f/user/alice/key-1"} {
		refused(root, w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &odd}, "NoSuchEntity", "VirtualMFADevice with serial number "+odd+" doesn't exist.")
	}
	w.consistent(t)
}

func TestEightDevicesPerUser(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	for i := range 8 {
		w.enable("alice", w.device(fmt.Sprintf("d%d", 7-i)))
	}
	refused(w.root(), w.iam.EnableMFADevice, w.device("ninth").pair("alice"), "LimitExceeded", "Cannot exceed quota for MFADevicesPerUser: 8")
	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.ListMFADevices, &iam.ListMFADevicesInput{UserName: aws.String("alice"), Marker: marker, MaxItems: aws.Int32(3)})
		seen = append(seen, serials(out.MFADevices)...)
		return len(out.MFADevices), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{3, 3, 2}) || len(seen) != 8 || !strings.HasSuffix(seen[0], "d7") || !strings.HasSuffix(seen[7], "d0") {
		t.Errorf("pages of %v with %q", sizes, seen)
	}
	w.consistent(t)
}

func TestListVirtualMFADevices(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.device("a")
	w.enable("alice", w.device("b"))
	w.device("c")
	list := func(status types.AssignmentStatusType) []string {
		return virtualSerials(do(w.root(), w.iam.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{AssignmentStatus: status}).VirtualMFADevices)
	}
	const prefix = "arn:aws:iam::111122223333:mfa/"
	equal(t, "assigned", list(types.AssignmentStatusTypeAssigned), []string{prefix + "b"})
	equal(t, "unassigned", list(types.AssignmentStatusTypeUnassigned), []string{prefix + "a", prefix + "c"})
	equal(t, "any", list(types.AssignmentStatusTypeAny), []string{prefix + "a", prefix + "b", prefix + "c"})
	equal(t, "by default", list(""), []string{prefix + "a", prefix + "b", prefix + "c"})
}

// Paths of 512 characters do not fit in a marker; the list is walked all the same.
func TestListVirtualMFADevicesWithLongPaths(t *testing.T) {
	w := newWorld(t)
	path := "/" + strings.Repeat("long/", 100)
	var want []string
	for i := range 9 {
		name := fmt.Sprintf("d%d", i)
		made := do(w.root(), w.iam.CreateVirtualMFADevice, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name, Path: &path})
		want = append(want, *made.VirtualMFADevice.SerialNumber)
	}
	w.device("a")
	w.device("z")
	want = append([]string{"arn:aws:iam::111122223333:mfa/a"}, append(want, "arn:aws:iam::111122223333:mfa/z")...)
	for size := int32(1); size < 12; size++ {
		var seen []string
		pages(func(marker *string) (int, bool, *string) {
			out := do(w.root(), w.iam.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{MaxItems: &size, Marker: marker})
			seen = append(seen, virtualSerials(out.VirtualMFADevices)...)
			if out.Marker != nil && len(*out.Marker) > 320 {
				t.Errorf("a marker of %d characters", len(*out.Marker))
			}
			return len(out.VirtualMFADevices), out.IsTruncated, out.Marker
		})
		equal(t, fmt.Sprintf("pages of %d", size), seen, want)
	}
}

func TestDeactivateAndDelete(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.user("bob")
	phone := w.device("phone")
	w.enable("alice", phone)
	do(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("alice"), SerialNumber: &phone.serial})
	w.consistent(t)
	if list := do(w.root(), w.iam.ListMFADevices, &iam.ListMFADevicesInput{UserName: aws.String("alice")}).MFADevices; len(list) != 0 {
		t.Errorf("devices = %s", asJSON(list))
	}
	if err := w.present("alice", phone, 0); err == nil {
		t.Error("a code of a deactivated device is accepted")
	}
	w.enable("bob", phone) // it can be given to someone else
	do(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("bob"), SerialNumber: &phone.serial})
	do(w.root(), w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &phone.serial})
	w.consistent(t)
	w.device("phone") // the name is free again
}

// Codes that were used before a device was deactivated do not enable it again.
func TestReenablingNeedsNewCodes(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	phone := w.device("phone")
	do(w.root(), w.iam.EnableMFADevice, phone.pair("alice"))
	do(w.root(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("alice"), SerialNumber: &phone.serial})
	refused(w.root(), w.iam.EnableMFADevice, phone.pair("alice"), "InvalidAuthenticationCode", "Authentication code for device is not valid.")
	w.later(2 * mfa.Period)
	do(w.root(), w.iam.EnableMFADevice, phone.pair("alice"))
}

// A phone whose clock is two hours fast is refused, resynchronised and accepted.
func TestResyncMFADevice(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	phone := w.device("phone")
	w.enable("alice", phone)
	const fast = 240
	if err := w.present("alice", phone, fast); err == nil {
		t.Fatal("a code from two hours ahead is accepted")
	}
	do(w.root(), w.iam.ResyncMFADevice, phone.resync("alice", fast))
	if err := w.present("alice", phone, fast+1); err == nil {
		t.Error("a code that resynchronised the device works again")
	}
	w.later(2 * mfa.Period)
	w.must(w.present("alice", phone, fast))
	w.consistent(t)
}

// Resynchronising cannot be used to guess codes: failures count like those at
// sign-in, one code is not enough, and a right code after many wrong ones waits.
func TestT265_ResyncIsNoOracle(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	phone := w.device("phone")
	w.enable("alice", phone)
	half := phone.resync("alice", 0)
	half.AuthenticationCode2 = aws.String("000000")
	for range 5 {
		refused(w.root(), w.iam.ResyncMFADevice, half, "InvalidAuthenticationCode", "Authentication code for device is not valid.")
	}
	_, err := try(w.root(), w.iam.ResyncMFADevice, phone.resync("alice", 0))
	if codeOf(err) != "InvalidAuthenticationCode" || !strings.Contains(err.Error(), "Try again after") {
		t.Errorf("right codes after five wrong pairs: %v", err)
	}
	if err := w.present("alice", phone, 0); err == nil {
		t.Error("guesses at ResyncMFADevice do not count at sign-in")
	}
}

// To take or replace someone's device needs a right on that person (or, to delete
// it, on the device), and a policy can ask for MFA.
func TestT265_TakingADevice(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	phone := w.device("phone")
	w.enable("alice", phone)
	deactivate := &iam.DeactivateMFADeviceInput{UserName: aws.String("alice"), SerialNumber: &phone.serial}
	denied(alice, w.iam.DeactivateMFADevice, deactivate)
	w.may("alice", allowIf("iam:DeactivateMFADevice", "arn:aws:iam::111122223333:user/${aws:username}", `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`))
	denied(alice, w.iam.DeactivateMFADevice, deactivate) // by a key, without MFA
	do(alice.inSession(), w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &phone.serial})
}

func TestT327_OnlyMFAOfAVictim(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	w.user("victim")
	phone, own := w.device("phone"), w.device("own")
	w.enable("victim", phone)
	deactivate := &iam.DeactivateMFADeviceInput{UserName: aws.String("victim"), SerialNumber: &phone.serial}
	remove := &iam.DeleteVirtualMFADeviceInput{SerialNumber: &phone.serial}
	attempts := func() {
		t.Helper()
		denied(eve, w.iam.DeactivateMFADevice, deactivate)
		denied(eve, w.iam.EnableMFADevice, own.pair("victim"))
		denied(eve, w.iam.ResyncMFADevice, phone.resync("victim", -1))
		denied(eve, w.iam.DeleteVirtualMFADevice, remove)
	}
	attempts()
	w.may("eve", allow("iam:*MFADevice", "arn:aws:iam::111122223333:user/eve"), allow("iam:*MFADevice", "arn:aws:iam::111122223333:mfa/own"))
	attempts()
	// A person is named by UserName alone: naming oneself with the victim's device
	// takes nothing.
	refused(eve, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("eve"), SerialNumber: &phone.serial},
		"NoSuchEntity", "VirtualMFADevice with serial number "+phone.serial+" doesn't exist.")
	// With the grant, as on AWS.
	w.may("eve", allow("iam:*MFADevice", "*"))
	do(eve, w.iam.DeactivateMFADevice, deactivate)
	do(eve, w.iam.DeleteVirtualMFADevice, remove)
	w.consistent(t)
}

// A Deny on a device is not evaded by spelling its serial number otherwise.
func TestDeviceARNsAreCanonical(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	w.device("phone")
	w.may("eve", allow("iam:*", "*"), statement("Deny", "iam:DeleteVirtualMFADevice", phoneARN, ""))
	for _, serial := range []string{phoneARN, "arn:aws-cn:iam::111122223333:mfa/phone", "arn:aws:iam:us-east-1:111122223333:mfa/phone"} {
		denied(eve, w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
	}
}

func TestT300_DevicesOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	phone := w.device("phone")
	w.enable("alice", phone)
	eve := w.rootOf(theirs)
	do(eve, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("alice")})
	if _, err := try(eve, w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &phone.serial}); codeOf(err) != "AccessDenied" {
		t.Errorf("DeleteVirtualMFADevice: %v", err)
	}
	if _, err := try(eve, w.iam.ListMFADeviceTags, &iam.ListMFADeviceTagsInput{SerialNumber: &phone.serial}); codeOf(err) != "AccessDenied" {
		t.Errorf("ListMFADeviceTags: %v", err)
	}
	noDevice := "VirtualMFADevice with serial number " + phone.serial + " doesn't exist."
	refused(eve, w.iam.EnableMFADevice, phone.pair("alice"), "NoSuchEntity", noDevice)
	refused(eve, w.iam.ResyncMFADevice, phone.resync("alice", -1), "NoSuchEntity", noDevice)
	refused(eve, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("alice"), SerialNumber: &phone.serial}, "NoSuchEntity", noDevice)
	refused(eve, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("root"), SerialNumber: &phone.serial}, "NoSuchEntity", noDevice)
	w.consistent(t)
}

// The root user enables a device for itself under the name "root".
func TestRootMFA(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	phone := w.device("root-account-mfa-device")
	do(root, w.iam.EnableMFADevice, phone.pair("root"))
	w.consistent(t)
	for _, in := range []*iam.ListMFADevicesInput{{}, {UserName: aws.String("root")}} {
		list := do(root, w.iam.ListMFADevices, in).MFADevices
		if len(list) != 1 || *list[0].SerialNumber != "arn:aws:iam::111122223333:mfa/root-account-mfa-device" || *list[0].UserName != "root" {
			t.Errorf("root's devices = %s", asJSON(list))
		}
	}
	virtual := do(root, w.iam.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{AssignmentStatus: types.AssignmentStatusTypeAssigned}).VirtualMFADevices
	if len(virtual) != 1 || *virtual[0].User.Arn != "arn:aws:iam::111122223333:root" || *virtual[0].User.UserId != string(ours) {
		t.Errorf("virtual devices = %s", asJSON(virtual))
	}
	do(root, w.iam.ResyncMFADevice, phone.resync("root", 1))
	refused(root, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &phone.serial},
		"ValidationError", "Must specify userName when calling with non-User credentials")

	// Nobody else reaches root's device under any name.
	admin := w.user("admin")
	w.may("admin", allow("*", "*"))
	refused(admin, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("root"), SerialNumber: &phone.serial},
		"NoSuchEntity", "The user with name root cannot be found.")
	refused(admin, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("admin"), SerialNumber: &phone.serial},
		"NoSuchEntity", "VirtualMFADevice with serial number "+phone.serial+" doesn't exist.")
	w.user("root") // an IAM user of that name is not the root user
	refused(admin, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("root"), SerialNumber: &phone.serial},
		"NoSuchEntity", "VirtualMFADevice with serial number "+phone.serial+" doesn't exist.")
	refused(admin, w.iam.DeleteVirtualMFADevice, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &phone.serial}, "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")

	do(root, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: aws.String("Root"), SerialNumber: &phone.serial})
	w.consistent(t)
}

func TestMFAWithoutName(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	phone := w.device("phone")
	w.enable("alice", phone)
	w.may("alice", allow("iam:*MFADevice*", "arn:aws:iam::111122223333:user/alice"))
	equal(t, "her devices", serials(do(alice.inSession(), w.iam.ListMFADevices, &iam.ListMFADevicesInput{}).MFADevices), []string{phoneARN})
	refused(w.asRole(), w.iam.ListMFADevices, &iam.ListMFADevicesInput{}, "ValidationError", "Must specify userName when calling with non-User credentials")
	do(alice, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{SerialNumber: &phone.serial})
}

func TestMFADeviceTags(t *testing.T) {
	w := newWorld(t)
	phone := w.device("phone")
	admin := w.user("admin")
	w.may("admin", allowIf("iam:*MFADevice*", phoneARN, `{"StringEqualsIfExists":{"aws:RequestTag/owner":"alice","aws:ResourceTag/owner":"alice"}}`))
	tag := func(key, value string) *iam.TagMFADeviceInput {
		return &iam.TagMFADeviceInput{SerialNumber: &phone.serial, Tags: []types.Tag{{Key: &key, Value: &value}}}
	}
	denied(admin, w.iam.TagMFADevice, tag("owner", "bob"))
	do(admin, w.iam.TagMFADevice, tag("owner", "alice"))
	do(w.root(), w.iam.TagMFADevice, tag("Owner", "alice")) // keys differ by case: two tags
	list := do(admin, w.iam.ListMFADeviceTags, &iam.ListMFADeviceTagsInput{SerialNumber: &phone.serial}).Tags
	equal(t, "tags", names(list, func(t types.Tag) *string { return t.Key }), []string{"Owner", "owner"})
	do(admin, w.iam.UntagMFADevice, &iam.UntagMFADeviceInput{SerialNumber: &phone.serial, TagKeys: []string{"Owner"}})
	do(w.root(), w.iam.TagMFADevice, tag("owner", "bob"))
	denied(admin, w.iam.ListMFADeviceTags, &iam.ListMFADeviceTagsInput{SerialNumber: &phone.serial}) // ResourceTag

	create := &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("new"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}
	w.may("admin", allow("iam:CreateVirtualMFADevice", "arn:aws:iam::111122223333:mfa/*"))
	denied(admin, w.iam.CreateVirtualMFADevice, create) // needs iam:TagMFADevice too
	w.may("admin", allow("iam:CreateVirtualMFADevice", "arn:aws:iam::111122223333:mfa/*"), allow("iam:TagMFADevice", "*"))
	do(admin, w.iam.CreateVirtualMFADevice, create)
	w.may("admin", allow("iam:ListVirtualMFADevices", "arn:aws:iam::111122223333:mfa/"))
	do(admin, w.iam.ListVirtualMFADevices, &iam.ListVirtualMFADevicesInput{})
}
