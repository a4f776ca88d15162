package advisor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Situation is who needs credentials, where, and for how long.
type Situation struct {
	Workload bool // a program without a person; else a person
	Where    Where
	Browser  bool // one can be opened there
	Reaches  bool // the server can be reached from there
	// Lasting is for how long they are needed; zero: always.
	Lasting time.Duration
	// Name is what the user or role is called in the commands.
	Name string
}

// Where is a kind of place in which programs run.
type Where string

// The places.
const (
	Machine    Where = "machine" // the server's own, as the user who runs the server
	Elsewhere  Where = "elsewhere"
	Container  Where = "container"
	Kubernetes Where = "kubernetes"
	GitHub     Where = "github"
	GitLab     Where = "gitlab"
	CI         Where = "ci"
	Cloud      Where = "cloud"
	OnPremises Where = "onpremises"
	Instance   Where = "instance"
)

// Installation is what the commands are filled with.
type Installation struct {
	Endpoint, Region, Account, Partition string
	// Offers tells whether an operation is built, such as sts:AssumeRole.
	Offers func(operation string) bool
}

// Method is a way to get credentials.
type Method struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Why   string `json:"why"`
	// Commands set it up, for a shell, in order.
	Commands []string `json:"commands,omitempty"`
	// Missing are the operations that this version lacks, Feature is what they are of.
	Missing []string `json:"missing,omitempty"`
	Feature string   `json:"feature,omitempty"`
}

// Avoided is what is not to be done here, and why.
type Avoided struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Advice ranks the methods that work today, best first.
type Advice struct {
	Methods []Method  `json:"methods"`
	Later   []Method  `json:"later"` // what would be better, and is not built yet
	Avoid   []Avoided `json:"avoid"`
	Notes   []string  `json:"notes,omitempty"`
}

// method is a way with where it fits. The order of the table is the ranking.
type method struct {
	id, title, why string
	feature        string   // of which needs are; empty: none
	needs          []string // operations
	fits           func(*Situation) bool
	commands       func(*Situation, *Installation) []string
}

func methods() []method {
	federated := []Where{GitHub, GitLab, CI, Kubernetes, Cloud}
	return []method{
		{
			"sso", "Single sign-on", "A person signs in with a browser, with MFA; nothing is stored but a token that ends.",
			"IAM Identity Center", []string{"sso:GetRoleCredentials", "sso-oidc:CreateToken"},
			func(s *Situation) bool { return !s.Workload && s.Browser }, nil,
		},
		{
			"aws-login", "aws login, in the browser", "A person signs in to the console with MFA, and the CLI (2.32 or later) gets credentials of a quarter of an hour, which it renews for half a day.",
			"aws login", []string{"signin:CreateOAuth2Token"},
			func(s *Situation) bool { return !s.Workload && s.Browser }, awsLogin,
		},
		{
			"owner", "The owner's session, over the local socket", "There is no secret to store, leak or rotate, and it ends by itself.",
			"", nil, func(s *Situation) bool { return !s.Workload && s.Where == Machine },
			func(*Situation, *Installation) []string {
				return []string{`eval "$(lanyard env)"`, "aws sts get-caller-identity"}
			},
		},
		{
			"owner-role", "A role of its own, assumed through the local socket", "Nothing is stored, the CLI and SDKs renew it by themselves, and the program may no more than the role.",
			"", nil, func(s *Situation) bool { return s.Workload && s.Where == Machine }, ownerRole,
		},
		{
			"web-identity", "A role for the platform's own identity tokens (OIDC)", "The platform proves who the job is; nothing long-lived is shipped.",
			"web identity federation", []string{"sts:AssumeRoleWithWebIdentity"},
			func(s *Situation) bool { return s.Workload && slices.Contains(federated, s.Where) }, nil,
		},
		{
			"agent", "The credential agent", "It hands out a role's credentials on the machine and renews them; the program stores nothing.",
			"the credential agent", []string{"agent:GetCredentials"},
			func(s *Situation) bool {
				return s.Workload && slices.Contains([]Where{Container, Instance, Machine, Elsewhere}, s.Where)
			}, nil,
		},
		{
			"roles-anywhere", "A role for the machine's certificate (Roles Anywhere)", "The key stays on the machine and the certificate ends by itself.",
			"Roles Anywhere", []string{"rolesanywhere:CreateSession"},
			func(s *Situation) bool {
				return s.Workload && slices.Contains([]Where{OnPremises, Elsewhere, Instance}, s.Where)
			}, nil,
		},
		{
			"mfa-role", "A role, assumed with MFA", "The key on the disk may do nothing but ask for the role, and without the code of the moment it gets nothing.",
			"", nil, func(s *Situation) bool { return !s.Workload }, mfaRole,
		},
		{
			"handed-session", "A role's session, handed over", "It ends within the hour and cannot be renewed: what leaks is soon worth nothing.",
			"", nil, func(s *Situation) bool {
				return s.Workload && s.Where != Machine && s.Lasting > 0 && s.Lasting <= time.Hour
			}, handedSession,
		},
		{
			"key-role", "An access key that may do nothing but assume a role", "The last resort: it is a secret that lies there, but of little use alone, and the sessions end by themselves.",
			"", nil, func(s *Situation) bool { return s.Workload && s.Where != Machine }, keyRole,
		},
	}
}

// Recommend ranks the methods for a situation: of those that fit, the ones that this
// version offers.
func Recommend(s *Situation, in *Installation) *Advice {
	a := &Advice{Methods: []Method{}, Later: []Method{}}
	for _, m := range methods() {
		if !m.fits(s) {
			continue
		}
		out := Method{ID: m.id, Title: m.title, Why: m.why}
		for _, need := range m.needs {
			if !in.Offers(need) {
				out.Missing = append(out.Missing, need)
			}
		}
		if out.Missing != nil {
			out.Feature = m.feature
			a.Later = append(a.Later, out)
			continue
		}
		if m.commands == nil {
			a.Notes = append(a.Notes, "there is a better way, for which this list has no commands yet: "+m.title+" ("+m.feature+")")
			continue
		}
		out.Commands = m.commands(s, in)
		a.Methods = append(a.Methods, out)
	}
	if !s.Reaches {
		a.Notes = append(a.Notes, "credentials are of no use where "+in.Endpoint+" cannot be reached: open a way to it first, a tunnel for example")
	}
	if strings.HasPrefix(in.Endpoint, "http://") && s.Where != Machine {
		a.Notes = append(a.Notes, in.Endpoint+" is plain HTTP: from elsewhere secrets must go over TLS")
	}
	if !s.Workload && s.Lasting > 12*time.Hour || !s.Workload && s.Lasting == 0 {
		a.Notes = append(a.Notes, "no session of a person lasts longer than 12 hours: one signs in again")
	}
	a.Avoid = append(a.Avoid, Avoided{"root's credentials", "nothing restrains them, and they are nobody's by name (finding ROOT-02)"})
	if s.Workload {
		a.Avoid = append(a.Avoid, Avoided{"an access key with the permissions of the work itself", "whoever finds it can do the work; it would be finding KEY-01 within 90 days"})
		if slices.Contains([]Where{Container, Kubernetes, GitHub, GitLab, CI}, s.Where) {
			a.Avoid = append(a.Avoid, Avoided{"secrets in an image or a repository", "everybody who can pull it has them, for ever"})
		}
		a.Avoid = append(a.Avoid, Avoided{"a person's credentials", "the trail says that the person did it, and it ends when they leave"})
	} else {
		a.Avoid = append(a.Avoid, Avoided{"a key that is shared with others", "nobody can be told apart in the trail (finding KEY-03)"},
			Avoided{"a key with administrator's permissions", "without MFA, one theft is enough (finding ADMIN-01)"})
	}
	return a
}

func (in *Installation) role(name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", in.Partition, in.Account, name)
}

// makeRole makes a role that the account's own principals may assume, if their policies
// allow it, and gives it a first policy, to be replaced by what the work needs.
func (in *Installation) makeRole(name, condition string) []string {
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:%s:iam::%s:root"},"Action":"sts:AssumeRole"%s}}`, in.Partition, in.Account, condition)
	return []string{
		fmt.Sprintf("aws iam create-role --role-name %s --assume-role-policy-document %s", quote(name), quote(trust)),
		fmt.Sprintf("aws iam attach-role-policy --role-name %s --policy-arn arn:%s:iam::aws:policy/IAMReadOnlyAccess", quote(name), in.Partition),
	}
}

func set(profile, key, value string) string {
	return fmt.Sprintf("aws configure set %s %s --profile %s", key, quote(value), quote(profile))
}

// profiles makes two profiles of the AWS CLI and SDKs: one that assumes the role with
// the credentials of the other.
func (in *Installation) profiles(name, source string) []string {
	return []string{
		set(name, "role_arn", in.role(name)), set(name, "source_profile", source),
		set(name, "region", in.Region), set(name, "endpoint_url", in.Endpoint), set(source, "region", in.Region), set(source, "endpoint_url", in.Endpoint),
	}
}

// awsLogin is for somebody who is a user with a password and MFA.
func awsLogin(s *Situation, in *Installation) []string {
	return []string{
		set(s.Name, "region", in.Region), set(s.Name, "endpoint_url", in.Endpoint),
		"aws login --profile " + quote(s.Name), "aws sts get-caller-identity --profile " + quote(s.Name),
	}
}

func ownerRole(s *Situation, in *Installation) []string {
	source := s.Name + "-source"
	return slices.Concat([]string{`eval "$(lanyard env)"`}, in.makeRole(s.Name, ""),
		[]string{set(source, "credential_process", "lanyard env --account "+in.Account+" --output json")},
		in.profiles(s.Name, source),
		[]string{`eval "$(lanyard env --unset)"`, "aws sts get-caller-identity --profile " + quote(s.Name)})
}

// mayAssume makes a user who may assume one role, with a key that is written into the
// profile and shown nowhere, not in the list of processes either.
func (in *Installation) mayAssume(user, role, profile string) []string {
	may := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"%s"}}`, in.role(role))
	return []string{
		"aws iam create-user --user-name " + quote(user),
		fmt.Sprintf("aws iam put-user-policy --user-name %s --policy-name assume-%s --policy-document %s", quote(user), quote(role), quote(may)),
		fmt.Sprintf(`FILE="${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}"; mkdir -p "$(dirname "$FILE")" && (umask 077 && aws iam create-access-key --user-name %s --query 'AccessKey.[AccessKeyId,SecretAccessKey]' --output text | { read -r ID SECRET && printf '[%%s]\naws_access_key_id = %%s\naws_secret_access_key = %%s\n' %s "$ID" "$SECRET" >> "$FILE"; })`,
			quote(user), quote(profile)),
	}
}

func mfaRole(s *Situation, in *Installation) []string {
	role, source := s.Name+"-work", s.Name+"-key"
	serial := fmt.Sprintf("arn:%s:iam::%s:mfa/%s", in.Partition, in.Account, s.Name)
	r := &review{judge: &judge{Facts: &Facts{Account: in.Account, Partition: in.Partition}}}
	return slices.Concat([]string{`eval "$(lanyard env)"`},
		in.makeRole(role, `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`), in.mayAssume(s.Name, role, source),
		in.profiles(role, source), []string{set(role, "mfa_serial", serial)},
		r.enableMFA(s.Name, s.Name, ` && eval "$(lanyard env --unset)" && aws sts get-caller-identity --profile `+quote(role)))
}

func handedSession(s *Situation, in *Installation) []string {
	return slices.Concat([]string{`eval "$(lanyard env)"`}, in.makeRole(s.Name, ""), []string{
		fmt.Sprintf(`SESSION=$(aws sts assume-role --role-arn %s --role-session-name %s --duration-seconds %d --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)`,
			quote(in.role(s.Name)), quote(s.Name), max(900, int(s.Lasting.Seconds()))),
		fmt.Sprintf(`(umask 077 && echo "$SESSION" | awk '{print "AWS_ACCESS_KEY_ID=" $1 "\nAWS_SECRET_ACCESS_KEY=" $2 "\nAWS_SESSION_TOKEN=" $3 "\nAWS_REGION=%s\nAWS_DEFAULT_REGION=%s\nAWS_ENDPOINT_URL=%s"}' > %s); unset SESSION`,
			in.Region, in.Region, in.Endpoint, quote(s.Name+".env")),
	})
}

func keyRole(s *Situation, in *Installation) []string {
	user := s.Name + "-key"
	return slices.Concat([]string{`eval "$(lanyard env)"`}, in.makeRole(s.Name, ""), in.mayAssume(user, s.Name, user),
		in.profiles(s.Name, user), []string{`eval "$(lanyard env --unset)"`, "aws sts get-caller-identity --profile " + quote(s.Name)})
}
