package lanyard_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// T247: an access key is no way to a passkey, with which one signs in to the console.
func TestT247_NoSecurityKeyByAccessKey(t *testing.T) {
	l := lanyardtest.New(t)
	c := newUser(t, l, "alice", "iam:EnableMFADevice")
	_, err := lanyard.Call[lanyard.BeginSecurityKeyOutput](t.Context(), c, &lanyard.BeginSecurityKeyInput{Passkey: aws.Bool(true)})
	if !strings.Contains(code(err), "registered in the console") {
		t.Errorf("begun: %s", code(err))
	}
	_, err = lanyard.Call[lanyard.EnableSecurityKeyOutput](t.Context(), c, &lanyard.EnableSecurityKeyInput{Name: aws.String("key"), Ceremony: aws.String("x"), Response: aws.String("{}")})
	if !strings.Contains(code(err), "registered in the console") {
		t.Errorf("ended: %s", code(err))
	}
}

// T247: root's access key is no way to root's password, whatever password comes with it.
func TestT247_NoRootPasswordByAccessKey(t *testing.T) {
	l := lanyardtest.New(t)
	in := &lanyard.ChangeRootPasswordInput{OldPassword: aws.String("correct horse battery"), NewPassword: aws.String("another 4 unlikely Words!")}
	_, err := lanyard.Call[lanyard.ChangeRootPasswordOutput](t.Context(), clientFor(l, l.AccessKeyID, l.SecretAccessKey), in)
	if !strings.Contains(code(err), "changed in the console") && !strings.Contains(code(err), "Only the root user") {
		t.Errorf("by the first access key: %s", code(err))
	}
	_, err = lanyard.Call[lanyard.ChangeRootPasswordOutput](t.Context(), newUser(t, l, "alice", "lanyard:ChangeRootPassword"), in)
	if !strings.Contains(code(err), "Only the root user") {
		t.Errorf("by a user: %s", code(err))
	}
}
