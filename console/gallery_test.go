package console

import (
	"strings"
	"time"
)

// gallery is a page with every component on it. Its strings can be given a twist,
// so that a test can fill it with markup.
type gallery struct {
	Now       time.Time
	Tabs      []Tab
	Alerts    []Alert
	Problem   Problem
	Pairs     []Pair
	Filter    Filter
	Users     []galleryUser
	Pager     Pager
	Levels    []string
	Fields    []Field
	Empty     Empty
	Secret    Secret
	Checklist Checklist
	Code      Code
	Diff      Diff
	Charts    []Chart
	Confirm   Confirm
}

type galleryUser struct {
	Name             string
	MFA              State
	Password, Active time.Time
	Groups           int
}

const galleryPolicy = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ReadTheBucketThatHoldsTheReports",
      "Effect": "Allow",
      "Action": ["s3:GetObject", "s3:ListBucket"],
      "Resource": ["arn:aws:s3:::example-reports-production", "arn:aws:s3:::example-reports-production/*"],
      "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    }
  ]
}
`

func newGallery(now time.Time, s func(string) string) gallery {
	command := CLI("aws", "iam", "create-access-key", "--user-name", s("alice"))
	days := make([]Point, 90)
	for i := range days {
		days[i] = Point{now.AddDate(0, 0, i-89).Format("2 Jan"), (i*7919)%23 + i/6}
	}
	command.Comment = s("Make an access key")
	return gallery{
		Now:  now,
		Tabs: []Tab{{s("Permissions"), "/x", 4, true}, {s("Groups"), "/x?tab=groups", 2, false}, {s("Tags"), "/x?tab=tags", 0, false}, {s("Security credentials"), "/x?tab=c", 0, false}, {s("Last accessed"), "/x?tab=l", 0, false}},
		Alerts: []Alert{
			{Kind: Good, Text: s("The user bob was created.")},
			{Kind: Info, Title: s("This policy is managed by AWS"), Text: s("It can be read and attached, and not changed.")},
			{Kind: Warning, Title: s("This key has not been used for 94 days"), Do: []Step{{s("Make it inactive."), "/x"}}},
		},
		Problem: Problem{
			Title: s("You do not have permission for this"), Code: s("AccessDenied"), ID: s("7c1e0c52-0d3f-4b7b-93a5-8a51e43ce7d2"),
			Why: s("User: arn:aws:iam::111122223333:user/alice is not authorized to perform: iam:CreateUser on resource: arn:aws:iam::111122223333:user/bob because no identity-based policy allows the iam:CreateUser action"),
			Do:  []Step{{s("See why, and the smallest change that would allow it."), "/why/7c1e0c52-0d3f-4b7b-93a5-8a51e43ce7d2"}},
		},
		Pairs: []Pair{
			{Key: s("User name"), Value: s("alice")},
			{Key: s("ARN"), Value: s("arn:aws:iam::111122223333:user/engineering/alice"), Mono: true, Copy: true},
			{Key: s("Status"), State: &State{Good, s("Active")}},
			{Key: s("Permissions boundary"), Value: s("DeveloperBoundary"), Path: "/x"},
			{Key: s("Created"), Value: s("12 March 2026")},
			{Key: s("Description")},
		},
		Filter: Filter{Table: "user-table", Label: s("Find users"), Count: 5, Noun: "user"},
		Users: []galleryUser{
			{s("alice"), State{Good, s("Passkey")}, now.AddDate(0, -2, 0), now.Add(-5 * time.Minute), 3},
			{s("bob"), State{Bad, s("No MFA")}, now.AddDate(-1, -2, 0), now.AddDate(0, 0, -94), 1},
			{s("carol.whittaker-lindqvist@engineering.example.com"), State{Good, s("TOTP")}, now.AddDate(0, -1, 0), now.Add(-26 * time.Hour), 12},
			{s("deploy-production"), State{Neutral, s("No console access")}, time.Time{}, now.Add(-30 * time.Second), 0},
			{s("emergency"), State{Warning, s("Not used for 94 days")}, now.AddDate(0, 0, -94), time.Time{}, 1},
		},
		Pager:  Pager{First: "/x", Next: "/x?marker=2", Shown: s("Users 101–200")},
		Levels: []string{"critical", "high", "medium", "low"},
		Fields: []Field{
			{Name: "name", Label: s("User name"), Value: s("alice"), Hint: s("Letters, digits and + = , . @ _ -, at most 64.")},
			{Name: "path", Label: s("Path"), Optional: true, Placeholder: s("/engineering/")},
			{Name: "tag", Label: s("Cost centre"), Value: s("12 34"), Error: s("A cost centre has four digits and no spaces.")},
			{Name: "password", Label: s("Password"), Type: "password", Autocomplete: "new-password"},
			{Name: "access", Label: s("Access"), Type: "radio", Value: "none", Options: []Option{{"none", s("No console access"), ""}, {"console", s("Console access"), s("With a password and MFA.")}}},
			{Name: "kind", Label: s("Kind"), Type: "select", Value: "b", Options: []Option{{"a", s("Person"), ""}, {"b", s("Workload"), ""}}},
			{Name: "document", Label: s("Policy document"), Type: "textarea", Mono: true, Rows: 4, Value: s(`{"Version": "2012-10-17", "Statement": []}`)},
			{Name: "reset", Label: s("They have to choose a new password when they first sign in"), Type: "checkbox", Checked: true, Hint: s("Recommended.")},
		},
		Empty: Empty{
			Icon: "key", Title: s("You have no access keys"), Text: s("An access key lets a program sign requests for a long time. You may not need one: temporary credentials are safer."),
			Action: Step{s("Which credential should I use?"), "/credential-advisor"}, Command: &command, More: Step{s("Make an access key all the same"), "/x"},
		},
		Secret: Secret{
			Title: s("Access key for alice"),
			Rows:  []SecretRow{{Label: s("Access key ID"), Value: s("AKIAEXAMPLE3K7QNR5TB")}, {Label: s("Secret access key"), Value: s("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), Masked: true}, {Label: s("Recovery codes"), Value: s("ABCD-EFGH-JKMN\nPQRS-TVWX-YZ01\n"), Masked: true, Lines: true}},
			File:  "alice_accessKeys.csv", CSV: [][]string{{"Access key ID", "Secret access key"}, {s("AKIAEXAMPLE3K7QNR5TB"), s("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}},
			Done: "/x", Leave: "/gallery?left", Extra: []Option{{Value: "id", Text: s("AKIAEXAMPLE3K7QNR5TB")}},
		},
		Checklist: Checklist{ID: "first-steps", Title: s("First steps"), Items: []Item{
			{Done: true, Title: s("Give root a passkey"), Text: s("Done on 12 November.")},
			{Title: s("Make an administrator"), Text: s("Root is for the few things that nobody else can do."), Action: Step{s("Create user"), "/x"}},
			{Title: s("Set a password policy"), Action: Step{s("Use the recommended one"), "/x"}, Post: true},
		}},
		Code: Code{Label: s("Policy document"), Text: s(galleryPolicy), Marks: map[int]Kind{7: Good, 9: Bad}},
		Diff: DiffOf(s("v1"), s("v2"), s(galleryPolicy), s(strings.Replace(galleryPolicy, `"s3:ListBucket"`, `"s3:ListBucket", "s3:PutObject"`, 1))),
		Charts: []Chart{
			Sparkline(s("Calls in the last 90 days"), s("Day"), s("Calls"), days),
			Histogram(s("Access keys by age"), s("Age"), s("Keys"), []Point{{s("< 30 days"), 4}, {s("30–90 days"), 7}, {s("90–365 days"), 3}, {s("> 1 year"), 1}}),
			Stacked(s("Sign-ins by outcome"), s("Day"), []string{s("Mon"), s("Tue"), s("Wed"), s("Thu"), s("Fri"), s("Sat"), s("Sun")}, []Series{{s("Signed in"), Good, []int{14, 12, 17, 13, 9, 1, 0}}, {s("Refused"), Bad, []int{1, 0, 4, 2, 1, 0, 0}}}),
		},
		Confirm: Confirm{
			ID: "delete", Open: s("Delete"), Title: s("Delete the user bob?"), Text: s("Their access keys stop working at once. This cannot be undone."),
			Action: "/x", Hidden: []Option{{Value: "name", Text: s("bob")}}, Button: s("Delete user"), Danger: true, Typed: s("bob"),
		},
	}
}

// galleryRoutes shows the gallery, and the page of what is like signing in.
func galleryRoutes(s func(string) string) []Route {
	nothing := func(v *Visit) error { return v.Redirect("/gallery") }
	routes := []Route{
		{Pattern: "GET /gallery", Handle: func(v *Visit) error {
			return v.Render("gallery", Page{
				Title: s("carol.whittaker-lindqvist"), Lead: s("One sentence says what this page is for."), Nav: "/users",
				Crumbs: []Crumb{{s("IAM"), "/"}, {s("Users"), "/users"}},
				CLI:    []Command{{Line: CLI("aws", "iam", "get-user", "--user-name", s("o'hara")).Line, Comment: s("See the user")}, CLI("aws", "iam", "list-access-keys", "--user-name", s("alice"))},
				Body:   newGallery(v.Now, s),
			})
		}},
		{Pattern: "GET /card", Access: Anyone, Handle: func(v *Visit) error {
			return v.Render("card", Page{Title: s("Sign in"), Lead: s("to Example Corp"), Layout: Card, Body: struct{ Fields []Field }{[]Field{
				{Name: "account", Label: s("Account ID or alias"), Autocomplete: "organization", Value: s("production")},
				{Name: "username", Label: s("User name"), Autocomplete: "username webauthn"},
				{Name: "password", Label: s("Password"), Type: "password", Autocomplete: "current-password"},
			}}})
		}},
		{Pattern: "POST /preferences/theme", Access: Anyone, Handle: func(v *Visit) error { return v.console.setTheme(v) }},
	}
	for _, section := range allNavigation() {
		for _, entry := range section.Entries {
			path := entry.Path
			if path == "/" {
				path = "/{$}"
			}
			routes = append(routes, Route{Pattern: "GET " + path, Handle: nothing})
		}
	}
	return routes
}

func plain(s string) string { return s }
