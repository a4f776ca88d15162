package advisor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const reportHead = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active," +
	"access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
	"access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service," +
	"cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated,additional_credentials_info\n"

// at is a day as reports write it.
func at(day string) string {
	if day == "" || day == "N/A" || day == "no_information" {
		return "N/A"
	}
	return day + "T08:00:00+00:00"
}

// person writes a line: "key" is "active made used", one or two of them.
type person struct {
	name, arn, made, changed, used, more string
	mfa                                  bool
	keys, certificates                   []string
}

func (p person) line() string {
	name, arn := p.name, p.arn
	if arn == "" {
		arn = "arn:aws:iam::111122223333:user/" + name
	}
	if strings.Contains(name, ",") {
		name, arn = `"`+name+`"`, `"`+arn+`"`
	}
	made := p.made
	if made == "" {
		made = "2026-01-01"
	}
	cells := []string{name, arn, at(made)}
	if p.changed == "" {
		cells = append(cells, "false", "N/A", "N/A", "N/A")
	} else {
		cells = append(cells, "true", at(p.used), at(p.changed), "N/A")
	}
	cells = append(cells, fmt.Sprint(p.mfa))
	for n := range 2 {
		if n >= len(p.keys) {
			cells = append(cells, "false", "N/A", "N/A", "N/A", "N/A")
			continue
		}
		k := strings.Fields(p.keys[n])
		service := "N/A"
		if k[2] != "N/A" {
			service = "s3"
		}
		cells = append(cells, k[0], at(k[1]), at(k[2]), "us-east-1", service)
	}
	for n := range 2 {
		if n >= len(p.certificates) {
			cells = append(cells, "false", "N/A")
			continue
		}
		k := strings.Fields(p.certificates[n])
		cells = append(cells, k[0], at(k[1]))
	}
	if p.more == "" {
		p.more = "N/A"
	}
	return strings.Join(append(cells, p.more), ",") + "\n"
}

func reportOf(people ...person) string {
	text := reportHead
	for _, p := range people {
		text += p.line()
	}
	return text
}

// told writes changes for comparison; "!" is before what opens a way in.
func told(changes []UserChange) (lines []string) {
	for _, c := range changes {
		lines = append(lines, c.User+": "+c.What)
		for _, l := range c.Lines() {
			mark := "  "
			if l.Opens {
				mark = "! "
			}
			lines = append(lines, mark+l.Text)
		}
	}
	return lines
}

func TestCompareReports(t *testing.T) {
	for name, test := range map[string]struct {
		was, is  person
		lastUsed bool
		want     []string
	}{
		"nothing":          {was: person{}, is: person{}},
		"password set":     {was: person{}, is: person{changed: "2026-02-01"}, want: []string{"! A console password was set."}},
		"password removed": {was: person{changed: "2026-02-01"}, is: person{}, want: []string{"  The console password was removed."}},
		"password changed": {was: person{changed: "2026-02-01"}, is: person{changed: "2026-03-01"}, want: []string{"  The console password was changed on 2026-03-01."}},
		"MFA on":           {was: person{}, is: person{mfa: true}, want: []string{"  MFA was turned on."}},
		"MFA off":          {was: person{mfa: true}, is: person{}, want: []string{"! MFA was turned off."}},
		"moved":            {was: person{}, is: person{arn: "arn:aws:iam::111122223333:user/team/ann"}, want: []string{"  The ARN was arn:aws:iam::111122223333:user/ann."}},
		"key made":         {was: person{}, is: person{keys: []string{"true 2026-02-01 N/A"}}, want: []string{"! Access key 1 was made on 2026-02-01."}},
		"idle key made":    {was: person{}, is: person{keys: []string{"false 2026-02-01 N/A"}}, want: []string{"  Access key 1 was made on 2026-02-01, and is not active."}},
		"key deleted":      {was: person{keys: []string{"true 2026-02-01 N/A"}}, is: person{}, want: []string{"  Access key 1 of 2026-02-01 was deleted."}},
		"key rotated":      {was: person{keys: []string{"true 2026-02-01 N/A"}}, is: person{keys: []string{"true 2026-03-01 N/A"}}, want: []string{"  Access key 1 was rotated: it was made on 2026-03-01, and that of 2026-02-01 is gone."}},
		"key deactivated":  {was: person{keys: []string{"true 2026-02-01 N/A"}}, is: person{keys: []string{"false 2026-02-01 N/A"}}, want: []string{"  Access key 1 was deactivated."}},
		"key activated":    {was: person{keys: []string{"false 2026-02-01 N/A"}}, is: person{keys: []string{"true 2026-02-01 N/A"}}, want: []string{"! Access key 1 was activated."}},
		"the first of two keys deleted": {
			was:  person{keys: []string{"true 2026-02-01 N/A", "true 2026-02-02 N/A"}},
			is:   person{keys: []string{"true 2026-02-02 N/A"}},
			want: []string{"  Access key 1 of 2026-02-01 was deleted."},
		},
		"one of two keys rotated, the other in its column": {
			was:  person{keys: []string{"true 2026-02-01 N/A", "true 2026-02-02 N/A"}},
			is:   person{keys: []string{"false 2026-02-02 N/A", "true 2026-03-01 N/A"}},
			want: []string{"  Access key 1 was deactivated.", "  Access key 2 was rotated: it was made on 2026-03-01, and that of 2026-02-01 is gone."},
		},
		"two keys of one second": {
			was:  person{keys: []string{"true 2026-02-01 N/A", "true 2026-02-01 N/A"}},
			is:   person{keys: []string{"true 2026-02-01 N/A"}},
			want: []string{"  Access key 2 of 2026-02-01 was deleted."},
		},
		"certificates": {
			was:  person{certificates: []string{"true 2026-02-01", "true 2026-02-02"}},
			is:   person{certificates: []string{"false 2026-02-01", "true 2026-03-02"}},
			want: []string{"  Signing certificate 1 was deactivated.", "  Signing certificate 2 was rotated: it was made on 2026-03-02, and that of 2026-02-02 is gone."},
		},
		"more than columns":   {was: person{}, is: person{more: "1 more access keys: ListAccessKeys"}, want: []string{"! Beside these: 1 more access keys: ListAccessKeys."}},
		"no more, as columns": {was: person{more: "1 more access keys: ListAccessKeys"}, is: person{}, want: []string{"  There are no more credentials than have columns."}},
		"used, not asked":     {was: person{changed: "2026-02-01", used: "2026-02-01"}, is: person{changed: "2026-02-01", used: "2026-02-05"}},
		"used": {
			was:      person{changed: "2026-02-01", keys: []string{"true 2026-02-01 N/A"}},
			is:       person{changed: "2026-02-01", used: "2026-02-05", keys: []string{"true 2026-02-01 2026-02-07"}},
			lastUsed: true,
			want:     []string{"  The password was used on 2026-02-05, for the first time as far as is known.", "  Access key 1 was used on 2026-02-07 for s3, for the first time as far as is known."},
		},
		"used again": {
			was:      person{keys: []string{"true 2026-02-01 2026-02-02", "true 2026-02-03 2026-02-03"}},
			is:       person{keys: []string{"true 2026-02-03 2026-02-09"}},
			lastUsed: true,
			want:     []string{"  Access key 1 of 2026-02-01 was deleted.", "  Access key 1 was last used on 2026-02-09 for s3; before that, on 2026-02-03."},
		},
		"a password that was not used is set": {was: person{}, is: person{changed: "2026-02-01"}, lastUsed: true, want: []string{"! A console password was set."}},
	} {
		t.Run(name, func(t *testing.T) {
			test.was.name, test.is.name = "ann", "ann"
			if test.want != nil {
				test.want = append([]string{"ann: changed"}, test.want...)
			}
			other := person{name: "zoe", mfa: true, changed: "2026-01-01"}
			changes, err := CompareReports(reportOf(test.was, other), reportOf(test.is, other), test.lastUsed)
			if err != nil {
				t.Fatal(err)
			}
			if got := told(changes); !slices.Equal(got, test.want) {
				t.Errorf("%q\nwant %q", got, test.want)
			}
		})
	}
}

func TestCompareReportsUsers(t *testing.T) {
	before := reportOf(person{name: "<root_account>", arn: "arn:aws:iam::111122223333:root"}, person{name: "a,b=1"}, person{name: "a,c=1", changed: "2026-01-02"}, person{name: "Gone", mfa: true}, person{name: "+same"}, person{name: "Zed"}, person{name: "same"})
	after := reportOf(person{name: "<root_account>", arn: "arn:aws:iam::111122223333:root", mfa: true}, person{name: "a,b=1", mfa: true}, person{name: "a,c=1", made: "2026-03-01", changed: "2026-01-02"},
		person{name: "1new", changed: "2026-02-02", keys: []string{"true 2026-02-02 N/A", "true 2026-02-03 N/A"}}, person{name: "+same"},
		person{name: "zed", made: "2026-03-01", changed: "2026-03-02", mfa: true, certificates: []string{"true 2026-03-03"}}, person{name: "same"})
	changes, err := CompareReports(before, after, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"<root_account>: changed", "  MFA was turned on.",
		"1new: added", "! Has a console password, and no MFA.", "! Has 2 active access keys.",
		"a,b=1: changed", "  MFA was turned on.",
		"a,c=1: recreated", "  This is another user of the same name, made on 2026-03-01; the one before was made on 2026-01-01.", "! Has a console password, and no MFA.",
		"Gone: removed",
		"zed: recreated", "  This is another user of the same name, made on 2026-03-01; the one before was made on 2026-01-01.", "! Has a console password and MFA.", "! Has 1 active signing certificate.",
	}
	if got := told(changes); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if !changes[1].Opens() || changes[0].Opens() {
		t.Error("what opens")
	}
	if changes[4].ARN != "arn:aws:iam::111122223333:user/Gone" {
		t.Errorf("%+v", changes[4])
	}
}

// Reports whose users are in another order are compared all the same.
func TestCompareReportsInAnyOrder(t *testing.T) {
	var people []person
	for _, name := range []string{"<root_account>", "a,b", "b", "C", "d", "é", "z", "0"} {
		people = append(people, person{name: name, arn: "arn:aws:iam::111122223333:x"})
	}
	other := slices.Clone(people)
	slices.Reverse(other)
	changes, err := CompareReports(reportOf(people...), reportOf(other...), true)
	if err != nil || len(changes) > 0 {
		t.Errorf("%q, %v", told(changes), err)
	}
	other[2].mfa = true
	other = append(other[:4], other[5:]...)
	changes, err = CompareReports(reportOf(people...), reportOf(other...), true)
	if want := []string{"C: removed", "é: changed", "  MFA was turned on."}; err != nil || !slices.Equal(told(changes), want) {
		t.Errorf("%q, %v", told(changes), err)
	}
}

// A report of another release may have other columns: what one of them does not have is not
// taken for a change.
func TestCompareReportsOfOtherColumns(t *testing.T) {
	few := "user,arn,user_creation_time,password_enabled\nann,arn:aws:iam::111122223333:user/ann,2026-01-01T08:00:00+00:00,false\n"
	all := reportOf(person{name: "ann", mfa: true, more: "more"})
	for _, pair := range [][2]string{{few, all}, {all, few}} {
		changes, err := CompareReports(pair[0], pair[1], true)
		if err != nil || len(changes) > 0 {
			t.Errorf("%v, %v", told(changes), err)
		}
	}
	for _, wrong := range []string{"", "a,b\n", "<html>", reportHead + "ann,short\n", reportHead + `"ann` + "\n"} {
		if _, err := CompareReports(all, wrong, false); err == nil && wrong != "" {
			t.Errorf("%q is a report", wrong)
		}
		if _, err := CompareReports(wrong, all, false); err == nil {
			t.Errorf("%q is a report", wrong)
		}
	}
}

func BenchmarkCompareReports10000Users(b *testing.B) {
	var was, is []person
	for i := range 10_000 {
		p := person{name: fmt.Sprintf("user%06d", i), changed: "2026-01-02", used: "2026-02-01", mfa: true, keys: []string{"true 2026-01-02 2026-02-01"}}
		was = append(was, p)
		p.used = "2026-02-08"
		if i%100 == 0 {
			p.mfa = false
		}
		is = append(is, p)
	}
	before, after := reportOf(was...), reportOf(is...)
	for name, lastUsed := range map[string]bool{"": false, "uses": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				changes, err := CompareReports(before, after, lastUsed)
				if err != nil || len(changes) != 100 && !lastUsed || len(changes) != 10_000 && lastUsed {
					b.Fatal(len(changes), err)
				}
			}
		})
	}
}
