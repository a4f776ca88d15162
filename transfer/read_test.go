package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func open(text string) (*File, error) {
	return Open(strings.NewReader(text), int64(len(text)))
}

const (
	oneUser = `{"Path":"/","UserName":"alice","Arn":"arn:aws:iam::210987654321:user/alice"}`
	oneRole = `{"Path":"/","RoleName":"r","Arn":"arn:aws:iam::210987654321:role/r","AssumeRolePolicyDocument":{}}`
)

// TestMalformedFiles: what is not the output of get-account-authorization-details, or
// not all of it, is refused before anything is changed, and the error says where.
func TestMalformedFiles(t *testing.T) {
	user := func(members string) string { return `{"UserDetailList":[{` + members + `}]}` }
	alice := strings.Trim(oneUser, "{}")
	policy := func(rest string) string {
		return `{"Policies":[{"Path":"/","PolicyName":"p","Arn":"arn:aws:iam::210987654321:policy/p",` + rest + `}]}`
	}
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "a JSON object is expected"},
		{"another form", "[]", "a JSON object is expected"},
		{"a byte order mark", "\ufeff{}", "a JSON object is expected"},
		{"nothing of it", "{}", "there is no UserDetailList"},
		{"another command's", `{"Users":[]}`, `"Users" is not part of`},
		{"another case", `{"userdetaillist":[]}`, `"userdetaillist" is not part of`},
		{"twice", `{"UserDetailList":[],"UserDetailList":[]}`, `"UserDetailList" is there twice`},
		{"one page", `{"UserDetailList":[],"IsTruncated":true}`, "one page of several"},
		{"one page of the CLI", `{"UserDetailList":[],"NextToken":"x"}`, "one page of several"},
		{"cut off", `{"UserDetailList":[` + oneUser, "the file ends here"},
		{"cut off in an entity", `{"UserDetailList":[{"Path":"/"`, "UserDetailList, number 1: the file ends here"},
		{"cut off at the end", `{"UserDetailList":[]`, "cut off"},
		{"something behind", `{"UserDetailList":[]}{}`, "something follows the end"},
		{"no list", `{"UserDetailList":{}}`, "UserDetailList is not a list"},
		{"no object", `{"UserDetailList":[` + oneUser + `,7]}`, "UserDetailList, number 2: it is not an object"},
		{"null", `{"UserDetailList":[null]}`, "number 1: it is not an object"},
		{"no name", user(`"Path":"/"`), "UserName is missing"},
		{"name in another case", user(`"username":"alice","Path":"/"`), "UserName is missing"},
		{"a number as name", user(`"UserName":7`), "UserName is not a string"},
		{"a member twice", user(alice + `,"Path":"/"`), `"Path" is there twice`},
		{"no ARN", user(`"Path":"/","UserName":"alice"`), `user "alice": Arn is missing`},
		{"a wrong ARN", user(`"Path":"/","UserName":"alice","Arn":"alice"`), `user "alice": not an ARN`},
		{"another's ARN", user(`"Path":"/","UserName":"alice","Arn":"arn:aws:iam::210987654321:user/bob"`), "not that of its path and name"},
		{"another path", user(`"Path":"/x/","UserName":"alice","Arn":"arn:aws:iam::210987654321:user/alice"`), "not that of its path and name"},
		{"no account", user(`"Path":"/","UserName":"alice","Arn":"arn:aws:iam::x:user/alice"`), "arn:aws:iam::x:user/alice"},
		{"two accounts", `{"UserDetailList":[` + oneUser + `],"RoleDetailList":[` + strings.ReplaceAll(oneRole, "210987654321", "111122223333") + `]}`, "a file is of one account"},
		{"two partitions", `{"UserDetailList":[` + oneUser + `],"RoleDetailList":[` + strings.ReplaceAll(oneRole, "arn:aws:", "arn:aws-cn:") + `]}`, "a file is of one account"},
		{"the same twice", `{"UserDetailList":[` + oneUser + `,` + strings.ReplaceAll(oneUser, "alice", "ALICE") + `]}`, "user ALICE is there twice"},
		{"a list that is none", user(alice + `,"GroupList":"devs"`), `user "alice": GroupList is not a list`},
		{"a group that is none", user(alice + `,"GroupList":[null]`), "GroupList has something that is not a string"},
		{"an inline policy without document", user(alice + `,"UserPolicyList":[{"PolicyName":"p"}]`), `user "alice": UserPolicyList: PolicyDocument is missing`},
		{"a document badly encoded", user(alice + `,"UserPolicyList":[{"PolicyName":"p","PolicyDocument":"%7"}]`), "neither JSON nor percent-encoded"},
		{"an attached policy without ARN", user(alice + `,"AttachedManagedPolicies":[{}]`), "AttachedManagedPolicies: PolicyArn is missing"},
		{"the same inline policy twice", user(alice + `,"UserPolicyList":[{"PolicyName":"p","PolicyDocument":{}},{"PolicyName":"p","PolicyDocument":{}}]`), `"p" is there twice`},
		{"the same tag twice", user(alice + `,"Tags":[{"Key":"k"},{"Key":"k"}]`), `"k" is there twice`},
		{"a wrong time", user(alice + `,"CreateDate":"yesterday"`), "CreateDate is not a time"},
		{"no UTF-8", user(alice + ",\"x\":\"\xff\""), "it is not UTF-8"},
		{"no trust", `{"RoleDetailList":[{"Path":"/","RoleName":"r","Arn":"arn:aws:iam::210987654321:role/r"}]}`, `role "r": AssumeRolePolicyDocument is missing`},
		{"no default version", policy(`"DefaultVersionId":"v2","PolicyVersionList":[{"VersionId":"v1","Document":{}}]`), "default version is not among"},
		{"a version twice", policy(`"DefaultVersionId":"v1","PolicyVersionList":[{"VersionId":"v1","Document":{}},{"VersionId":"v1","Document":{}}]`), "twice"},
		{"too deep", `{"UserDetailList":[` + strings.Repeat("[", 20000), "number 1"},
		{"too large", `{"UserDetailList":["` + strings.Repeat("x", 2*maxEntity), "longer than"},
		{"white space without end", `{"UserDetailList":[` + strings.Repeat(" ", 2*maxEntity), "longer than"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := open(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	if _, err := Open(strings.NewReader(""), MaxFile+1); err == nil {
		t.Error("a file without bounds is read")
	}
}

// TestForms: documents are objects, as the CLI prints them, or strings, encoded or not;
// members that are null or not known are passed over.
func TestForms(t *testing.T) {
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}`
	quoted, _ := json.Marshal(document)
	encoded := `"` + strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22", " ", "%20", "+", "%2B").Replace(document) + `"`
	for _, form := range []string{document, "{ \"Version\":\n \"2012-10-17\"," + document[len(`{"Version":"2012-10-17",`):], string(quoted), encoded} {
		text := `{"Later":null}`
		text = `{"GroupDetailList":[{"Later":{"a":1},"Path":"/","GroupName":"g","Arn":"arn:aws:iam::210987654321:group/g","AttachedManagedPolicies":null,"GroupPolicyList":[{"PolicyName":"p","PolicyDocument":` + form + `}]}],"UserDetailList":[],"IsTruncated":false}`
		f, err := open(text)
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		e, err := f.read(groups, f.places[groups][0])
		if err != nil || e.inline[0].document != document {
			t.Errorf("%s: %q, %v", form, e.inline[0].document, err)
		}
	}
}

func TestRewrite(t *testing.T) {
	w := rewriter{from: "210987654321", to: "111122223333"}
	for _, test := range []struct {
		in, want string
		n        int
	}{
		{`{"Resource":"arn:aws:sqs:eu-central-1:210987654321:q"}`, `{"Resource":"arn:aws:sqs:eu-central-1:111122223333:q"}`, 1},
		{`{"AWS":["210987654321","arn:aws:iam::210987654321:root"]}`, `{"AWS":["111122223333","arn:aws:iam::111122223333:root"]}`, 2},
		{`{"aws:SourceArn":"arn:*:*:*:210987654321:*"}`, `{"aws:SourceArn":"arn:*:*:*:111122223333:*"}`, 1},
		{`{"Resource":"arn:aws:s3:::logs-210987654321/*"}`, `{"Resource":"arn:aws:s3:::logs-210987654321/*"}`, 0},
		{`{"Resource":"arn:aws:sqs:eu:444455556666:210987654321:x"}`, `{"Resource":"arn:aws:sqs:eu:444455556666:210987654321:x"}`, 0},
		{`{"210987654321":"x","a" : "210987654321" }`, `{"210987654321":"x","a" : "111122223333" }`, 1},
		{`{"a":"2109876543210987654321"}`, `{"a":"2109876543210987654321"}`, 0},
		{`{"a":"210987654321210987654321"}`, `{"a":"210987654321210987654321"}`, 0},
		{`{"a":"\"210987654321"}`, `{"a":"\"210987654321"}`, 0},
		// Spelled with JSON's escapes: a Deny that were not rewritten would deny nothing.
		{`{"Resource":"arn:aws:sqs:eu\u002dcentral-1:2\u0031098765432\u0031:\u0071\/"}`, `{"Resource":"arn:aws:sqs:eu-central-1:111122223333:q/"}`, 1},
		{`{"AWS":"\u0032\u0031\u0030\u0039\u0038\u0037\u0036\u0035\u0034\u0033\u0032\u0031"}`, `{"AWS":"111122223333"}`, 1},
		{`{"a":"\\u0032","b":"x\u0022\u005c\u000a\u00e9","c":"210987654321"}`, `{"a":"\\u0032","b":"x\u0022\u005c\u000a\u00e9","c":"111122223333"}`, 1},
		{`{"a":"\u0078"}`, `{"a":"\u0078"}`, 0}, // as it was, where nothing is rewritten
	} {
		if got, n := w.document(test.in); got != test.want || n != test.n {
			t.Errorf("%s became %s, %d", test.in, got, n)
		}
		w.keep = true
		if got, n := w.document(test.in); got != test.in || n != 0 {
			t.Errorf("kept: %s became %s", test.in, got)
		}
		w.keep = false
	}
}

// TestTrustWithout: what is taken out of a trust policy never lets anybody in.
func TestTrustWithout(t *testing.T) {
	gone := map[string]string{"999988887777": "x", "arn:aws:iam::999988887777:root": "x"}
	for _, test := range []struct{ in, want string }{
		{`{"Statement":{"Effect":"Allow","Principal":{"AWS":"999988887777"},"Action":"sts:AssumeRole"}}`, nobody},
		{`{"Statement":[{"Effect":"Allow","Principal":{"AWS":["999988887777","111122223333"]},"Action":"sts:AssumeRole"}]}`,
			`{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":["111122223333"]}}]}`},
		{`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"AWS":"999988887777"},"Action":"sts:AssumeRole"}]}`,
			`{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}]}`},
		{`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"999988887777"},"Action":"sts:AssumeRole"}}`, ""},
		{`{"Statement":[7]}`, ""},
	} {
		got, err := without(test.in, gone)
		if (err != nil) != (test.want == "") || err == nil && got != test.want {
			t.Errorf("%s became %s, %v", test.in, got, err)
		}
	}
}

// TestManyEntities: a large file is read in bounded memory.
func TestManyEntities(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"UserDetailList":[`)
	for i := range maxEntities + 1 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Path":"/","UserName":"u%d","Arn":"arn:aws:iam::210987654321:user/u%d"}`, i, i)
	}
	b.WriteString(`]}`)
	if _, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
}

// FuzzOpen: whatever the bytes, reading ends, and what was read once is read again as it
// was.
func FuzzOpen(f *testing.F) {
	account, err := os.ReadFile("testdata/account.json")
	if err != nil {
		f.Fatal(err)
	}
	var small bytes.Buffer
	if err := json.Compact(&small, account); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes())
	f.Add([]byte(`{"UserDetailList":[` + oneUser + `],"RoleDetailList":[` + oneRole + `]}`))
	f.Add([]byte(`{"Policies":[{"PolicyName":"p","Path":"/","Arn":"arn:aws:iam::aws:policy/p","DefaultVersionId":"v1","PolicyVersionList":[{"VersionId":"v1","Document":"%7B%7D"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		w := rewriter{from: file.account, to: "111122223333"}
		im := &Importer{Account: "111122223333", file: file, state: &state{ids: map[string]bool{}}}
		for k := range file.places {
			for _, at := range file.places[k] {
				e, err := file.read(kind(k), at)
				if err != nil || e.kind != kind(k) || e.arn.String() != at.arn || e.denies() != at.denies {
					t.Fatalf("%s %q: %v", kind(k), at.name, err)
				}
				for _, p := range e.inline {
					w.document(p.document)
				}
				if e.kind == roles {
					if document, _, err := im.trust(e.trust); err == nil && !json.Valid([]byte(document)) {
						t.Fatalf("trust became %q", document)
					}
				}
			}
		}
	})
}
