package policy

import "testing"

// Of an Allow each action is asked about; what is not one stays byte by byte.
func TestReplaceActions(t *testing.T) {
	const text = `{"Version": "2012-10-17", "Statement": [
  {"Sid": "A", "Effect": "Allow", "Action": "s3:*",  "Resource": "*"},
  {"Effect": "Allow", "Action": ["s3:Put*", "iam:GetUser"], "Resource": "*"},
  {"Effect": "Deny", "Action": "s3:Put*", "Resource":  "*"},
  {"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}
]}`
	d, err := Parse(text, ManagedPolicy)
	if err != nil {
		t.Fatal(err)
	}
	got, left := d.ReplaceActions(func(action string) []string {
		switch action {
		case "s3:*":
			return []string{"s3:GetObject", "s3:ListBucket", "s3:GetObject"}
		case "s3:Put*":
			return nil
		}
		return []string{action}
	})
	want := `{"Version": "2012-10-17", "Statement": [` +
		`{"Sid": "A", "Effect": "Allow", "Action": ["s3:GetObject","s3:ListBucket"],  "Resource": "*"},` +
		`{"Effect": "Allow", "Action": ["iam:GetUser"], "Resource": "*"},` +
		`{"Effect": "Deny", "Action": "s3:Put*", "Resource":  "*"},` +
		`{"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}]}`
	if got != want || left != 4 {
		t.Errorf("%d left:\n%s", left, got)
	}
	if got, left := d.ReplaceActions(func(string) []string { return nil }); left != 2 {
		t.Errorf("%d left:\n%s", left, got)
	}
	one, err := Parse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`, ManagedPolicy)
	if err != nil {
		t.Fatal(err)
	}
	if got, left := one.ReplaceActions(func(string) []string { return nil }); left != 0 || got != `{"Version":"2012-10-17","Statement":[]}` {
		t.Errorf("%d left: %s", left, got)
	}
}
