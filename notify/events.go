package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lanyard-iam/lanyard/audit"
)

// What to do, for who did not expect the event.
const (
	adviseRoot = "If you did not expect it: sign in as root, change the password, remove MFA devices that are not yours and sign out everywhere (My security). " +
		"If you cannot sign in, the owner of the server's host runs: lanyard recover --root"
	advisePerson = "If you did not expect it: remove the user's password, deactivate their access keys and end their sessions, and ask them. " +
		"The event history says what else was done."
	adviseRules = "If you did not expect it: look in the event history who did it and what else they did, take the change back, and end their sessions."
	adviseKey   = "See who uses the key, replace it, and delete it: the page Exposed key leads through it."
	adviseSpray = "New browsers are slowed down by themselves, and browsers that people have used before go on. See whether a sign-in " +
		"succeeded that should not have, and require MFA of all (Settings)."
	adviseRestored = "Sign in again. Access keys, passwords, MFA devices, users and permissions that were ended after the backup are good again, and so are " +
		"recovery codes that were used since: go through them (Findings, Credential report), and end them once more."
)

// quarantine is how the names of AWS's managed policies for exposed keys begin.
const quarantine = "AWSCompromisedKeyQuarantine"

// tell is what people are told of an event, and what to do if they did not expect it; empty
// if the event is not for them. This is the one list of what they are told of.
func tell(e *audit.Event) (text, advice string) {
	switch e.Name {
	case "ConsoleLogin":
		if e.Identity.Type == "Root" {
			return "The root user signed in to the console.", adviseRoot
		}
	case "AssumeRoot":
		return "The owner of the server's host took temporary credentials of the root user.", adviseRoot
	case "CheckMfa":
		if bytes.Contains(e.Additional, []byte(audit.RecoveryCode)) {
			return "A recovery code was used to sign in, in place of an MFA device.", advicePerson(e)
		}
	case "CreateOneTimeLink":
		return fmt.Sprintf("The owner of the server's host made a one-time link by which %s can be set up anew, without the MFA device.", subject(e)), advicePerson(e)
	case "CreateRecoveryLink":
		return fmt.Sprintf("A one-time link was made by which %s can sign in without the MFA device.", subject(e)), advicePerson(e)
	case "PasswordRecoveryRequested":
		return "A one-time link was used to sign in without an MFA device.", advicePerson(e)
	case "PasswordRecoveryCompleted":
		return "The root user was set up anew by a one-time link: e-mail address, password and MFA device are those that were chosen then.", adviseRoot
	case "EmailUpdated":
		return "The root user has another e-mail address from now on.", adviseRoot
	case "PasswordUpdated":
		return "The root user's password was changed.", adviseRoot
	case "EnableMFADevice":
		return fmt.Sprintf("An MFA device was added for %s.", subject(e)), advicePerson(e)
	case "DeactivateMFADevice":
		return fmt.Sprintf("An MFA device of %s was deactivated.", subject(e)), advicePerson(e)
	case "CreateRecoveryCodes":
		return "Recovery codes were made anew. Those from before are worth nothing.", advicePerson(e)
	case "UpdateAccountPasswordPolicy":
		return "The account's password policy was changed.", adviseRules
	case "DeleteAccountPasswordPolicy":
		return "The account's password policy was deleted: the default is in force.", adviseRules
	case "PutSignInRules":
		return "The account's rules for signing in were changed.", adviseRules
	case putNotifications:
		return "The account's security notifications were changed. Destinations that were removed are told this for the last time.", adviseRules
	case "AttachUserPolicy", "DetachUserPolicy":
		_, policy, _ := strings.Cut(policyOf(e), ":policy/")
		switch on := e.Name == "AttachUserPolicy"; {
		case !strings.HasPrefix(policy, quarantine):
		case on:
			return fmt.Sprintf("%s was quarantined: an access key is exposed.", subject(e)), adviseKey
		default:
			return fmt.Sprintf("The quarantine of %s was taken off.", subject(e)), adviseKey
		}
	case "RestoreBackup":
		return "The server was restored from a backup, and everything is as it was then. All sessions are over.", adviseRestored
	case "PasswordSprayDetected":
		return "Very many sign-ins fail at this server, as of somebody who tries passwords with many names.", adviseSpray
	}
	return "", ""
}

// putNotifications is told to the destinations that it removes, too.
const putNotifications = "PutSecurityNotifications"

// isRoot tells whether an event is about the root user.
func isRoot(e *audit.Event) bool {
	switch named := e.Refers("AWS::IAM::User"); {
	case len(e.Resources) > 0:
		return strings.HasSuffix(e.Resources[0].ARN, ":root")
	case named != "":
		return named == rootName
	}
	return e.Identity.Type == "Root"
}

// rootName is how CloudTrail names root where a user's name is.
const rootName = "AWS ROOT USER"

func advicePerson(e *audit.Event) string {
	if isRoot(e) {
		return adviseRoot
	}
	return advisePerson
}

// subject is whom an event is about: the user that it names, or who did it.
func subject(e *audit.Event) string {
	named := e.Refers("AWS::IAM::User")
	switch {
	case isRoot(e):
		return "the root user"
	case len(e.Resources) > 0:
		return e.Resources[0].ARN
	case named != "":
		return "user " + named
	}
	return who(e)
}

// policyOf is the ARN of the policy that an event names.
func policyOf(e *audit.Event) string { return e.Refers("AWS::IAM::Policy") }

// who did it.
func who(e *audit.Event) string {
	if e.Identity.Type == "AWSService" {
		var local struct{ LocalUser string }
		if json.Unmarshal(e.Additional, &local) == nil && local.LocalUser != "" {
			return local.LocalUser + ", on the server's host"
		}
		return e.Identity.InvokedBy
	}
	for _, name := range []string{e.Identity.ARN, e.Identity.UserName} {
		if name != "" {
			return name
		}
	}
	return e.Identity.PrincipalID
}
