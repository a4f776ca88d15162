package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lanyard-iam/lanyard/bench/internal/stat"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// The account whose pages are measured.
const (
	peopleUsers    = 10_000
	peopleGroups   = 200
	peopleRoles    = 500
	peoplePolicies = 300
	peopleRecords  = 100_000 // at least so many records are on its trail
)

// pageVisits is how often each page is asked for, one visit after the other, in a run.
const pageVisits = 40

// measurePages signs root in and visits every page of a large account.
func measurePages(ctx context.Context, o options, store, dir string) error {
	s, err := start(ctx, o.binary, store, filepath.Join(dir, "pages-"+store),
		"UsersPerAccount="+fmt.Sprint(2*peopleUsers), "GroupsPerAccount="+fmt.Sprint(2*peopleGroups))
	if err != nil {
		return err
	}
	err = func() error {
		a, err := s.people(ctx, o.connections)
		if err != nil {
			return fmt.Errorf("make the account: %w", err)
		}
		v := s.visitor(net.IPv4(127, 0, 0, 1))
		if err := s.claim(ctx, v); err != nil {
			return err
		}
		events, err := v.get(ctx, "/events")
		if err != nil {
			return err
		}
		if a.event = string(eventPage.Find(events.body)); a.event == "" {
			return errors.New("the event history is empty")
		}
		reports, err := v.get(ctx, "/credential-report/history")
		if err != nil {
			return err
		}
		if a.report = string(reportID.Find(reports.body)); a.report == "" {
			return errors.New("no credential report is kept")
		}
		return s.visit(ctx, o, v, store, a.pages())
	}()
	return errors.Join(err, s.stop())
}

// visit measures pages and writes their lines.
func (s *server) visit(ctx context.Context, o options, v *visitor, store string, pages []string) error {
	listed := map[string]bool{}
	for _, path := range pages {
		listed[shape(path)] = true
	}
	missing := map[string]bool{}
	for _, path := range pages {
		p, err := v.get(ctx, path) // unmeasured: what is read in the background begins
		if err != nil {
			return err
		}
		if bytes.Contains(p.body, []byte("<ErrorResponse")) { // not a page, so that the API answers
			fmt.Printf("| %s | `%s` | not there | | | |\n", store, path)
			continue
		}
		var took []time.Duration
		var size int
		before, err := s.cpu()
		if err != nil {
			return err
		}
		for range pageVisits * o.runs {
			p, err := v.get(ctx, path)
			if err != nil {
				return err
			}
			if p.status != http.StatusOK {
				return fmt.Errorf("GET %s: status %d, to %q: %.400s", path, p.status, p.location, p.body)
			}
			took, size = append(took, p.took), len(p.body)
			for _, link := range links.FindAllSubmatch(p.body, -1) {
				if to := strings.ReplaceAll(string(link[1]), "&amp;", "&"); !listed[shape(to)] {
					missing[shape(to)] = true
				}
			}
		}
		after, err := s.cpu()
		if err != nil {
			return err
		}
		slices.Sort(took)
		fmt.Printf("| %s | `%s` | %.1f ms | %.1f ms | %.1f ms | %.0f KB |\n", store, shape(path),
			stat.Percentile(took, 50).Seconds()*1e3, stat.Percentile(took, 95).Seconds()*1e3,
			(after-before)/float64(len(took))*1e3, float64(size)/1e3)
	}
	for path := range missing {
		fmt.Printf("\nnot measured, though linked: %s\n", path)
	}
	return nil
}

var eventPage = regexp.MustCompile(`/events/[0-9a-f]{8}-[0-9a-f-]+`)

var reportID = regexp.MustCompile(`[0-9]{8}T[0-9]{6}Z`)

var links = regexp.MustCompile(`href="(/[^"#]*)`)

// shape is what a page has in common with those of its kind.
func shape(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case parts[0] == "assets":
		return "/"
	case len(parts) > 1 && parts[0] == "access-keys" && parts[1] == "new":
		return path
	case parts[0] == "checklists" || parts[0] == "access-plan" || len(parts) < 2 || slices.Contains([]string{"new", "export", "download", "report", "report.json", "report.md", "suppress", "history", "compare"}, parts[1]):
		return path
	case parts[0] == "policies" || parts[0] == "identity-providers":
		return "/" + parts[0] + "/…"
	case parts[0] == "security":
		return path
	}
	parts[1] = "…"
	return "/" + strings.Join(parts, "/")
}

// people is a large account.
type people struct {
	key, otherKey string // ids of access keys
	event, denied string // the page of an event, and a request id
	report        string // id of a credential report
	policy        string // ARN
}

// pages are the pages of the console, each with something in it.
func (a *people) pages() []string {
	return []string{
		"/", "/security", "/security/mfa/new", "/security/recovery-codes", "/signin?again=1", "/users", "/users?filter=user-07", "/users/new", "/users/user-00777",
		"/groups", "/groups/group-077", "/roles", "/roles/new", "/roles/role-077", "/policies", "/policies/new", "/policies/" + a.policy,
		"/access-keys/new?user=user-00777", "/access-keys/" + a.key, "/access-keys/" + a.key + "/use",
		"/exposed-key", "/exposed-key?id=" + a.key, "/exposed-key/report?id=" + a.key,
		"/identity-providers", "/identity-providers/new", "/identity-providers/arn:aws:iam::" + account + ":oidc-provider/ci.example.com", "/why", "/why/" + a.denied, "/simulator",
		"/events", "/events?name=CreateUser", a.event,
		"/credential-report", "/credential-report?filter=user-0777", "/credential-report/history", "/credential-report/compare?from=" + a.report + "&to=" + a.report,
		"/findings", "/credential-advisor", "/access-plan", "/access-plan/sections/workloads", "/access-plan/sections/workloads?filter=user-0777", "/checklists/secure-account", "/checklists/first-credentials",
		"/checklists/rotate-key", "/checklists/key-leaked", "/settings", "/health", "/search?q=user-0777",
	}
}

// people makes a large account, over the API.
func (s *server) people(ctx context.Context, connections int) (*people, error) {
	owner, err := s.owner(ctx)
	if err != nil {
		return nil, err
	}
	a := &people{policy: "arn:aws:iam::" + account + ":policy/policy-077"}
	each := func(n int, service, action string, parameters func(i int) []string) error {
		requests := make([]request, n)
		for i := range requests {
			if requests[i], err = s.sign(owner, service, action, parameters(i)...); err != nil {
				return err
			}
		}
		var sent atomic.Int64
		_, err := s.drive(ctx, connections, func(int) request {
			if i := sent.Add(1) - 1; int(i) < n {
				return requests[i]
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		return nil
	}
	user := func(i int) string { return fmt.Sprintf("user-%05d", i) }
	group := func(i int) string { return fmt.Sprintf("group-%03d", i%peopleGroups) }
	role := func(i int) string { return fmt.Sprintf("role-%03d", i) }
	policy := func(i int) string {
		return fmt.Sprintf("arn:aws:iam::%s:policy/policy-%03d", account, i%peoplePolicies)
	}
	for _, step := range []struct {
		n          int
		action     string
		parameters func(i int) []string
	}{
		{peoplePolicies, "CreatePolicy", func(i int) []string {
			return []string{"PolicyName", fmt.Sprintf("policy-%03d", i), "PolicyDocument", rolePolicy}
		}},
		{peopleGroups, "CreateGroup", func(i int) []string { return []string{"GroupName", group(i)} }},
		{peopleGroups, "AttachGroupPolicy", func(i int) []string { return []string{"GroupName", group(i), "PolicyArn", policy(i)} }},
		{peopleRoles, "CreateRole", func(i int) []string {
			return []string{"RoleName", role(i), "AssumeRolePolicyDocument", trustPolicy}
		}},
		{peopleRoles, "PutRolePolicy", func(i int) []string {
			return []string{"RoleName", role(i), "PolicyName", "inline", "PolicyDocument", rolePolicy}
		}},
		{peopleUsers, "CreateUser", func(i int) []string { return []string{"UserName", user(i)} }},
		{peopleUsers, "AddUserToGroup", func(i int) []string { return []string{"UserName", user(i), "GroupName", group(i)} }},
		{peopleUsers, "AddUserToGroup", func(i int) []string { return []string{"UserName", user(i), "GroupName", group(i*7 + 1)} }},
		{peopleUsers / 10, "PutUserPolicy", func(i int) []string {
			return []string{"UserName", user(i * 10), "PolicyName", "own", "PolicyDocument", userPolicy}
		}},
		{1, "CreateOpenIDConnectProvider", func(int) []string {
			return []string{"Url", "https://ci.example.com", "ClientIDList.member.1", "sts.amazonaws.com", "ThumbprintList.member.1", strings.Repeat("ab", 20)}
		}},
		{peopleUsers, "CreateAccessKey", func(i int) []string { return []string{"UserName", user(i)} }},
	} {
		if err := each(step.n, "iam", step.action, step.parameters); err != nil {
			return nil, err
		}
	}
	made := 2*peoplePolicies + 2*peopleGroups + 2*peopleRoles + 4*peopleUsers + peopleUsers/10
	err = each(max(0, peopleRecords-made), "iam", "GetUser", func(i int) []string { return []string{"UserName", user(i % peopleUsers)} })
	if err != nil {
		return nil, err
	}
	// One user's second key looks at its owner, and is refused something.
	answer := new(keyAnswer)
	body, _, err := s.ask(owner, "CreateAccessKey", "UserName", user(777))
	if err != nil {
		return nil, err
	}
	if err := xml.Unmarshal(body, answer); err != nil {
		return nil, err
	}
	a.key = answer.AccessKeyID
	body, _, err = s.ask(answer.credentials(), "ListRoles")
	if !errors.Is(err, errRefused) {
		return nil, fmt.Errorf("ListRoles by a user who may not: %v: %s", err, body)
	}
	if a.denied = requestID(body); a.denied == "" {
		return nil, fmt.Errorf("no request id in %s", body)
	}
	if body, _, err := s.ask(owner, "GenerateCredentialReport"); err != nil {
		return nil, fmt.Errorf("%w: %s", err, body)
	}
	return a, nil
}

var errRefused = errors.New("refused")

// ask sends one request, and tells its id.
func (s *server) ask(c sigv4.Credentials, action string, parameters ...string) (body []byte, id string, err error) {
	r, err := s.sign(c, "iam", action, parameters...)
	if err != nil {
		return nil, "", err
	}
	connection, err := s.dial()
	if err != nil {
		return nil, "", err
	}
	defer connection.Close()
	status, body, err := connection.send(r, true)
	if err != nil {
		return nil, "", err
	}
	if status != http.StatusOK {
		err = fmt.Errorf("%s: %w: status %d", action, errRefused, status)
	}
	return body, requestID(body), err
}

var requestIDs = regexp.MustCompile(`<RequestId>([^<]+)</RequestId>`)

func requestID(body []byte) string {
	if found := requestIDs.FindSubmatch(body); found != nil {
		return url.PathEscape(string(found[1]))
	}
	return ""
}
