package advisor

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawFacts is a small account in which policies are shared, and mean something else for
// one than for another.
func drawFacts(t *rapid.T) *Facts {
	documents := []string{
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:*","Resource":"*"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"user-1"}}}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"a"}}}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","\u0043ondition":{"StringEquals":{"aws:username":"user-2"}}}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`,
		`not a policy`,
	}
	document := rapid.SampledFrom(documents)
	f := &Facts{Now: time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC), Account: "111122223333", Partition: "aws", Policies: map[string]Policy{}}
	var arns []string
	for i := range 4 {
		arn := fmt.Sprintf("arn:aws:iam::111122223333:policy/p-%d", i)
		f.Policies[arn] = Policy{Name: fmt.Sprint("p-", i), Document: document.Draw(t, "managed")}
		arns = append(arns, arn)
	}
	permissions := func(boundary bool) Permissions {
		p := Permissions{Attached: rapid.SliceOfNDistinct(rapid.SampledFrom(arns), 0, 2, rapid.ID).Draw(t, "attached")}
		if rapid.Bool().Draw(t, "inline") {
			p.Inline = []Inline{{"in", document.Draw(t, "document")}}
		}
		if boundary && rapid.IntRange(0, 3).Draw(t, "limited") == 0 {
			p.Boundary = rapid.SampledFrom(arns).Draw(t, "boundary")
		}
		return p
	}
	groups := []string{"g-0", "g-1"}
	for _, g := range groups {
		f.Groups = append(f.Groups, Group{Name: g, ARN: "arn:aws:iam::111122223333:group/" + g, Permissions: permissions(false)})
	}
	for i := range rapid.IntRange(1, 8).Draw(t, "users") {
		u := User{Name: fmt.Sprint("user-", i), ARN: fmt.Sprint("arn:aws:iam::111122223333:user/user-", i), ID: fmt.Sprintf("AIDAUSERUSERUSERUS%03d", i), Permissions: permissions(true)}
		u.Groups = rapid.SliceOfNDistinct(rapid.SampledFrom(groups), 0, 2, rapid.ID).Draw(t, "groups")
		if rapid.Bool().Draw(t, "tagged") {
			u.Tags = map[string]string{"team": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "team")}
		}
		if rapid.Bool().Draw(t, "password") {
			u.Password = &Password{Changed: f.Now}
		}
		if rapid.Bool().Draw(t, "key") {
			u.Keys = []Key{{ID: fmt.Sprint("AKIA", i), Active: rapid.Bool().Draw(t, "active"), Created: f.Now}}
		}
		f.Users = append(f.Users, u)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "roles") {
		f.Roles = append(f.Roles, Role{
			Name: fmt.Sprint("role-", i), ARN: fmt.Sprint("arn:aws:iam::111122223333:role/role-", i), ID: fmt.Sprintf("AROAROLEROLEROLERO%03d", i), Path: "/",
			Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`, Permissions: permissions(true),
		})
	}
	return f
}

// What is found out once for all who have the same policies is what would be found out
// about each alone.
func TestTheSharedAnswersAreEveryones(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		study := NewStudy(f)
		plan := study.Plan(time.Time{})
		levels := map[string]Level{}
		for _, p := range plan.People {
			levels[p.ARN] = p.Level
		}
		for _, w := range plan.Workloads {
			levels[w.ARN] = w.Level
		}
		for _, r := range plan.Roles {
			levels[r.ARN] = r.Level
		}
		for i := range f.Users {
			u := &f.Users[i]
			alone := newJudge(f)
			if want := alone.asksLevel(alone.user(u)); levels[u.ARN] != want {
				t.Fatalf("%s: %q, alone %q", u.Name, levels[u.ARN], want)
			}
			alone = newJudge(f)
			p := alone.user(u)
			want := u.activeKeys() > 0 && alone.asksEverything(p, withKey) || u.Password != nil && alone.asksEverything(p, withoutMFA)
			if got := study.administrator(u); got != want {
				t.Fatalf("%s: administrator %t, alone %t", u.Name, got, want)
			}
		}
		for i := range f.Roles {
			r := &f.Roles[i]
			alone := newJudge(f)
			if want := alone.asksLevel(alone.session(r)); levels[r.ARN] != want {
				t.Fatalf("%s: %q, alone %q", r.Name, levels[r.ARN], want)
			}
		}
	})
}

// A study says the same as each of its parts alone, in whatever order they are asked.
func TestAStudyIsItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		day := f.Now.AddDate(0, 0, rapid.IntRange(-3, 3).Draw(t, "review"))
		study := NewStudy(f)
		study.Wanted(SecureAccount, &Progress{Events: map[Query][]Event{}})
		if got, want := study.Plan(day), MakePlan(f, day); !reflect.DeepEqual(got, want) {
			t.Fatalf("the plan differs:\n%+v\n%+v", got, want)
		}
		if got, want := study.Report(), Review(f); !reflect.DeepEqual(got, want) {
			t.Fatalf("the report differs:\n%+v\n%+v", got, want)
		}
		fresh := newJudge(f)
		if want := (&Study{judge: fresh}).makePlan(day); !reflect.DeepEqual(study.Plan(day), want) {
			t.Fatalf("a plan for another day differs:\n%+v\n%+v", study.Plan(day), want)
		}
	})
}

// BenchmarkStudy reviews and plans an account of 10,000 users with a key each.
func BenchmarkStudy(b *testing.B) {
	const reads = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::load/*"}]}`
	f := &Facts{Now: time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC), Account: "111122223333", Partition: "aws", Policies: map[string]Policy{}}
	for i := range 200 {
		arn := fmt.Sprint("arn:aws:iam::111122223333:policy/policy-", i)
		f.Policies[arn] = Policy{Name: fmt.Sprint("policy-", i), Document: reads}
		f.Groups = append(f.Groups, Group{Name: fmt.Sprint("group-", i), ARN: fmt.Sprint("arn:aws:iam::111122223333:group/group-", i), Permissions: Permissions{Attached: []string{arn}}})
	}
	for i := range 500 {
		name := fmt.Sprint("role-", i)
		f.Roles = append(f.Roles, Role{Name: name, ARN: "arn:aws:iam::111122223333:role/" + name, ID: fmt.Sprintf("AROAROLEROLEROLERO%03d", i), Path: "/",
			Trust:       `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`,
			Permissions: Permissions{Inline: []Inline{{"inline", reads}}}})
	}
	for i := range 10_000 {
		name := fmt.Sprint("user-", i)
		u := User{Name: name, ARN: "arn:aws:iam::111122223333:user/" + name, ID: fmt.Sprintf("AIDAUSERUSERUSER%05d", i), Groups: []string{fmt.Sprint("group-", i%200), fmt.Sprint("group-", (7*i+1)%200)},
			Keys: []Key{{ID: fmt.Sprintf("AKIAKEYKEYKEYKE%05d", i), Active: true, Created: f.Now.AddDate(0, 0, -100)}}}
		if i%10 == 0 {
			u.Inline = []Inline{{"own", reads}}
		}
		f.Users = append(f.Users, u)
	}
	for _, run := range []struct {
		name string
		do   func()
	}{
		{"Review", func() { Review(f) }},
		{"Plan", func() { MakePlan(f, time.Time{}) }},
	} {
		b.Run(run.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				run.do()
			}
		})
	}
}
