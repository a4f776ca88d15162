package lanyard_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// TestCredentialsArePaged: page by page there is what there is at once, and who has
// nothing is in neither.
func TestCredentialsArePaged(t *testing.T) {
	l := lanyardtest.New(t)
	client := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	for _, name := range []string{"Ann", "bob", "carl", "dora"} {
		newUser(t, l, name)
	}
	if _, err := iam.NewFromConfig(l.Config()).CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("none")}); err != nil {
		t.Fatal(err)
	}
	names := func(limit int32) (list []string) {
		in := &lanyard.ListCredentialsInput{}
		if limit > 0 {
			in.MaxItems = &limit
		}
		for {
			out, err := lanyard.Call[lanyard.ListCredentialsOutput](t.Context(), client, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range out.Users {
				if len(u.AccessKeys) != 1 || !*u.AccessKeys[0].Active || len(*u.AccessKeys[0].AccessKeyId) != 20 || len(u.MFADevices) != 0 {
					t.Errorf("%s has %+v, %+v", *u.UserName, u.AccessKeys, u.MFADevices)
				}
				list = append(list, *u.UserName)
			}
			if in.Marker = out.Marker; in.Marker == nil {
				return list
			}
		}
	}
	all := names(0)
	if strings.Join(all, " ") != strings.Join([]string{"administrator", "Ann", "bob", "carl", "dora"}, " ") {
		t.Errorf("the list has %v", all)
	}
	for limit := range int32(7) {
		if got := names(limit); !slices.Equal(got, all) {
			t.Errorf("by %d: %v", limit, got)
		}
	}
}

// TestCredentialsAreAskedForOfEach: one door: who may not list one user's keys gets no list
// in which they are, and who may list only some is to ask for those.
func TestCredentialsAreAskedForOfEach(t *testing.T) {
	l := lanyardtest.New(t)
	nobody := newUser(t, l, "nobody", "iam:ListUsers")
	keys := newUser(t, l, "keys", "iam:ListAccessKeys")
	both := newUser(t, l, "both", "iam:ListAccessKeys", "iam:ListMFADevices")
	some := newUser(t, l, "some")
	but := newUser(t, l, "but", "iam:ListAccessKeys")
	put := func(name, document string) {
		t.Helper()
		if _, err := iam.NewFromConfig(l.Config()).PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("more"), PolicyDocument: &document}); err != nil {
			t.Fatal(err)
		}
	}
	put("some", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListAccessKeys","Resource":"arn:aws:iam::*:user/some"}}`)
	put("but", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:ListAccessKeys","Resource":"arn:aws:iam::*:user/keys"}}`)
	for _, ask := range []struct {
		name    string
		who     *lanyard.Client
		devices bool
		refused string
	}{
		{"nobody", nobody, false, "iam:ListAccessKeys"},
		{"keys", keys, false, ""},
		{"keys and devices", keys, true, "iam:ListMFADevices"},
		{"both", both, true, ""},
		{"some", some, false, "iam:ListAccessKeys"},
		{"all but one", but, false, ":user/keys"},
	} {
		_, err := lanyard.Call[lanyard.ListCredentialsOutput](t.Context(), ask.who, &lanyard.ListCredentialsInput{MFADevices: &ask.devices})
		switch {
		case ask.refused == "" && err != nil:
			t.Errorf("%s: %v", ask.name, err)
		case ask.refused != "" && (err == nil || !strings.HasPrefix(code(err), "AccessDenied") || !strings.Contains(code(err), ask.refused)):
			t.Errorf("%s: %s", ask.name, code(err))
		}
	}
}
