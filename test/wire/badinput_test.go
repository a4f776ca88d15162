package wire_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// shape is what AWS's model says of a parameter, read apart from package constraint,
// which is what is tested.
type shape struct {
	kind     string
	required bool
	min, max int
	hasMin   bool
	hasMax   bool
	enum     bool
	pattern  bool
}

// modelled are the top-level parameters of every operation of a service.
func modelled(t *testing.T, service string) map[string]map[string]shape {
	t.Helper()
	text, err := os.ReadFile("../../constraint/data/" + service + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	shapes, structures, inputs := make(map[string]shape), make(map[string][]string), make(map[string]string)
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case len(fields) < 2 || strings.HasPrefix(line, "#"):
		case fields[0] == "operation":
			inputs[fields[1]] = fields[2]
		case fields[0] == "structure":
			structures[fields[1]] = fields[2:]
		default:
			s := shape{kind: fields[0]}
			for _, f := range fields[2:] {
				key, value, _ := strings.Cut(f, "=")
				n, err := strconv.Atoi(value)
				switch key {
				case "min":
					s.min, s.hasMin = n, err == nil
				case "max":
					s.max, s.hasMax = n, err == nil
				case "enum":
					s.enum = true
				case "pattern":
					s.pattern = value != `[\u0009\u000A\u000D\u0020-\u00FF]+` // anything printable
				}
			}
			shapes[fields[1]] = s
		}
	}
	operations := make(map[string]map[string]shape)
	for operation, input := range inputs {
		operations[service+":"+operation] = make(map[string]shape)
		for _, member := range structures[input] {
			name, of, _ := strings.Cut(member, "=")
			s, ok := shapes[of]
			if !ok {
				s.kind = "structure"
			}
			name, s.required = strings.CutSuffix(name, "!")
			operations[service+":"+operation][name] = s
		}
	}
	return operations
}

// with is parameters with one of them, and all that lies below it, replaced; an
// absent value only takes it away.
func with(parameters []string, name string, value ...string) []string {
	var out []string
	for i := 0; i+1 < len(parameters); i += 2 {
		if parameters[i] != name && !strings.HasPrefix(parameters[i], name+".") {
			out = append(out, parameters[i], parameters[i+1])
		}
	}
	if len(value) > 0 {
		out = append(out, name, value[0])
	}
	return out
}

// at is how messages spell a parameter.
func at(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// Every parameter of every operation, wrong in every way that AWS's model names:
// missing, empty, too long, out of range, not of the list, of bad characters. The
// answer is AWS's, from one validator, and nothing was done.
func TestBadInput_EveryParameter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, of := operations(t)
	models := modelled(t, "iam")
	for name, parameters := range modelled(t, "sts") {
		models[name] = parameters
	}
	tried := 0
	for _, name := range names {
		model, ok := models[name]
		if !ok || samples[name] == nil {
			continue // of another protocol, or newer than the model
		}
		good := samples[name](w, "")
		refused := func(parameter, what string, parameters []string, says string) {
			t.Helper()
			tried++
			r := w.call(w.admin, name, parameters...)
			if name == "sts:AssumeRole" && strings.HasSuffix(r.message(), " is invalid") {
				return // as AWS words it (recorded)
			}
			if r.status != http.StatusBadRequest || r.code() != "ValidationError" || !strings.Contains(r.message(), says) || !strings.Contains(r.message(), at(parameter)) {
				t.Errorf("%s with %s %s: %d %s, want ValidationError: …%s", name, what, parameter, r.status, r.body, says)
			}
		}
		for parameter, s := range model {
			if s.required {
				refused(parameter, "no", with(good, parameter), "failed to satisfy constraint: Member must not be null")
			}
			switch s.kind {
			case "string":
				if s.hasMax && s.max < 100_000 { // the others are beyond what a request may hold
					refused(parameter, "an overlong", with(good, parameter, strings.Repeat("a", s.max+1)),
						fmt.Sprintf("Member must have length less than or equal to %d", s.max))
				}
				if s.hasMin && s.min > 0 {
					refused(parameter, "an empty", with(good, parameter, ""), fmt.Sprintf("Member must have length greater than or equal to %d", s.min))
				}
				if s.enum {
					refused(parameter, "an unknown", with(good, parameter, "Nonsense"), "Member must satisfy enum value set")
				}
				if s.pattern {
					bad := strings.Repeat("\u2028", max(s.min, 1))
					if utf8.RuneCountInString(bad) <= s.max || !s.hasMax {
						refused(parameter, "bad characters in", with(good, parameter, bad), "Member must satisfy regular expression pattern")
					}
				}
			case "integer":
				if s.hasMax {
					refused(parameter, "too high a", with(good, parameter, strconv.Itoa(s.max+1)), fmt.Sprintf("Member must have value less than or equal to %d", s.max))
				}
				if s.hasMin {
					refused(parameter, "too low a", with(good, parameter, strconv.Itoa(s.min-1)), fmt.Sprintf("Member must have value greater than or equal to %d", s.min))
				}
				fallthrough
			case "boolean":
				tried++
				if r := w.call(w.admin, name, with(good, parameter, "maybe")...); r.status != http.StatusBadRequest {
					t.Errorf("%s with %s=maybe: %d %s", name, parameter, r.status, r.body)
				}
			}
		}
		// What was refused was not done: the sample still works.
		if r := w.call(w.admin, name, good...); r.status != http.StatusOK && of[name].NotOffered == "" && r.code() != missing[name] && !slices.Contains(notByTheOwner, name) {
			t.Errorf("%s after bad input: %d %s", name, r.status, r.body)
		}
	}
	t.Logf("%d requests were refused", tried)
}

// notByTheOwner are operations that a role, as which the owner of the host comes,
// cannot call.
var notByTheOwner = []string{"iam:ChangePassword", "sts:GetFederationToken", "sts:GetSessionToken"}

// idempotent are operations that succeed though there is nothing: a finding may be accepted
// before it is due.
var idempotent = []string{
	"lanyard:ListKeyCalls", // a list of nothing: a key of nobody is told like one that did nothing
	"iam:DeleteOpenIDConnectProvider", "lanyard:PutSuppression"}

// numbered are the names that a world gives.
var numbered = regexp.MustCompile(`\b(user|group|role|policy|profile|device|made|alias|session)-\d+`)

// unknowns are names that nothing has, by parameter.
var unknowns = map[string]string{
	"UserName": "nobody", "GroupName": "nobody", "RoleName": "nobody", "InstanceProfileName": "nothing",
	"PolicyArn": policyARN("nothing"), "PermissionsBoundary": policyARN("nothing"), "VersionId": "v99",
	"AccessKeyId": "AKIAIOSFODNN7NOTHING", "SerialNumber": "arn:aws:iam::" + string(ours) + ":mfa/nothing", "AccountAlias": "nothing",
	"ServerCertificateName": "nothing", "CertificateId": "AAAAAAAAAAAAAAAAAAAAAAAAAAAANOTHING", "SSHPublicKeyId": "APKAAAAAAAAANOTHING1",
	"ServiceSpecificCredentialId": "ACCAAAAAAAAANOTHING1",
	"OpenIDConnectProviderArn":    "arn:aws:iam::" + string(ours) + ":oidc-provider/nothing.example.com",
	"SAMLProviderArn":             "arn:aws:iam::" + string(ours) + ":saml-provider/nothing",
	"PolicySourceArn":             userARN("nobody"), "Arn": userARN("nobody"),
	"JobId": "00000000-0000-4000-8000-000000000000", "DeletionTaskId": "task/aws-service-role/nothing/Nothing/00000000-0000-4000-8000-000000000000",
}

// Every operation on something that is not there, and on what another account has:
// the answers, which a golden file keeps for the eye. None succeeds but those that
// make what they name, and none of another account.
func TestBadInput_UnknownEntities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, _ := operations(t)
	var b strings.Builder
	for _, name := range names {
		if samples[name] == nil || slices.Contains(notByTheOwner, name) {
			continue
		}
		good := samples[name](w, "")
		for i := 0; i+1 < len(good); i += 2 {
			unknown, ok := unknowns[good[i]]
			if !ok || strings.HasPrefix(good[i+1], "made-") { // it is made, with any name
				continue
			}
			r := w.call(w.admin, name, with(good, good[i], unknown)...)
			if r.status >= 500 || r.status == http.StatusOK && !slices.Contains(idempotent, name) {
				t.Errorf("%s of an unknown %s: %d %s", name, good[i], r.status, r.body)
			}
			fmt.Fprintf(&b, "%s %s: %s\n", name, good[i], strings.TrimSpace(fmt.Sprint(r.status, " ", r.code(), " ", r.message())))
			if !strings.HasPrefix(unknown, "arn:") {
				continue
			}
			foreign := strings.Replace(good[i+1], string(ours), string(theirs), 1)
			if foreign == good[i+1] {
				continue // of AWS
			}
			if r := w.call(w.admin, name, with(good, good[i], foreign)...); r.status < 400 || r.status >= 500 {
				t.Errorf("T554: %s of another account's %s: %d %s", name, good[i], r.status, r.body)
			}
		}
	}
	golden(t, "unknown.txt", numbered.ReplaceAllString(b.String(), "$1-N"))
}

// What is made twice is refused the second time, and what is in use is not deleted.
func TestBadInput_MadeTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, of := operations(t)
	var b strings.Builder
	for _, name := range names {
		_, operation, _ := strings.Cut(name, ":")
		if samples[name] == nil || of[name].NotOffered != "" || name == "lanyard:CreateRecoveryCodes" || // takes a second factor
			!strings.HasPrefix(operation, "Create") && !strings.HasPrefix(operation, "Upload") {
			continue
		}
		good := samples[name](w, "")
		w.ok(w.call(w.admin, name, good...))
		r := w.call(w.admin, name, good...)
		if r.status >= 500 {
			t.Errorf("%s twice: %d %s", name, r.status, r.body)
		}
		fmt.Fprintf(&b, "%s: %s\n", name, strings.TrimSpace(fmt.Sprint(r.status, " ", r.code(), " ", r.message())))
	}
	golden(t, "twice.txt", numbered.ReplaceAllString(stable(b.String()), "$1-N"))
}
