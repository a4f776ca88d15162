package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/lanyardtest"
)

// binaries is where the real command is built, once for all tests.
var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lanyard-wire-")
	if err != nil {
		panic(err)
	}
	binaries = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var lanyard = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaries, "lanyard")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/lanyard").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build lanyard: %w\n%s", err, out)
	}
	return path, err
})

// The linker drops those operations of AWS's clients that nothing calls, as long as no type by
// which a client can be reached is made an interface, or given to a template: 2 MB of 40.
func TestNoClientIsReachedByReflection(t *testing.T) {
	path, err := lanyard()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for function, there := range map[string]bool{"CreateUser": true, "AcceptDelegationRequest": false, "UploadServerCertificate": false} {
		if bytes.Contains(program, []byte("service/iam.(*Client)."+function)) != there {
			t.Errorf("%s of iam.Client is in the program: %t", function, !there)
		}
	}
}

// process is the real command, serving a data directory.
type process struct {
	t      testing.TB
	place  []string // flags that say where the data is
	socket string
	url    string
	cmd    *exec.Cmd
	exited chan error
	said   *buffer // standard error
}

// install makes a data directory below dir by `lanyard init`.
func install(t testing.TB, dir string) *process {
	t.Helper()
	path, err := lanyard()
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := os.MkdirTemp("", "lanyard")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	p := &process{t: t, socket: filepath.Join(sockets, "s")}
	p.place = []string{"--data", filepath.Join(dir, "data"), "--seal-key-file", filepath.Join(t.TempDir(), "seal.key")}
	init := exec.Command(path, append([]string{"init", "--account", string(ours)}, p.place...)...)
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("lanyard init: %v\n%s", err, out)
	}
	t.Cleanup(func() { p.stop(syscall.SIGKILL) })
	return p
}

// start runs the server and waits until it answers.
func (p *process) start() *world {
	p.t.Helper()
	p.run()
	return attach(p.t, &lanyardtest.Lanyard{URL: p.url, Socket: p.socket, Account: string(ours)})
}

// run runs the server and waits until it listens.
func (p *process) run(flags ...string) {
	p.t.Helper()
	path, err := lanyard()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command(path, slices.Concat([]string{"server", "--listen", "127.0.0.1:0"}, p.place, []string{"--socket", p.socket}, flags)...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan error, 1)
	url := make(chan string, 1)
	said := new(buffer)
	p.said = said
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Fprintln(said, lines.Text())
			if _, after, ok := strings.Cut(lines.Text(), "Endpoint "); ok {
				url <- strings.TrimSpace(after)
			}
		}
		p.exited <- p.cmd.Wait()
	}()
	select {
	case p.url = <-url:
	case err := <-p.exited:
		p.cmd = nil
		p.t.Fatalf("the server ended: %v\n%s", err, said.String())
	case <-time.After(30 * time.Second):
		p.t.Fatal("the server is not ready after 30 s")
	}
}

// stop signals the server and waits for its end.
func (p *process) stop(signal syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(signal)
	err := <-p.exited
	p.cmd = nil
	if err != nil && signal != syscall.SIGKILL {
		p.t.Errorf("the server ended: %v", err)
	}
}

// client is the unmodified SDK.
func (w *world) client() *iam.Client {
	return iam.NewFromConfig((&lanyardtest.Lanyard{URL: w.lanyard.URL}).ConfigFor(w.admin.id, w.admin.secret, w.admin.token))
}

// users are all users of the account.
func (w *world) users() []string {
	w.t.Helper()
	var names []string
	pages := iam.NewListUsersPaginator(w.client(), &iam.ListUsersInput{MaxItems: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, u := range page.Users {
			names = append(names, aws.ToString(u.UserName))
		}
	}
	return names
}

// creations are the users of which the trail says that they were made.
func (w *world) creations() []string {
	w.t.Helper()
	var names []string
	next := ""
	for {
		body := `{"MaxResults":50,"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"CreateUser"}]`
		if next != "" {
			body += fmt.Sprintf(`,"NextToken":%q`, next)
		}
		var page struct {
			Events    []struct{ CloudTrailEvent string }
			NextToken string
		}
		if err := json.Unmarshal([]byte(w.ok(w.lookup(w.admin, body+"}")).body), &page); err != nil {
			w.t.Fatal(err)
		}
		for _, e := range page.Events {
			var rec record
			if err := json.Unmarshal([]byte(e.CloudTrailEvent), &rec); err != nil {
				w.t.Fatal(err)
			}
			if rec.ErrorCode == "" {
				names = append(names, rec.RequestParameters["userName"].(string))
			}
		}
		if next = page.NextToken; next == "" {
			return names
		}
	}
}

// killCycles is how often the server is killed in an ordinary run.
const killCycles = 20

// T372, T376 over the wire: the server is killed while SDKs write. What it
// acknowledged is there when it runs again, as is the record of it; and of what
// is there the trail knows.
func TestT372_T376_Kill(t *testing.T) {
	t.Parallel()
	p := install(t, t.TempDir())
	acknowledged := make(map[string]string) // request ids, by user
	cycles := killCycles
	if testing.Short() {
		cycles = 3
	}
	for cycle := range cycles {
		w := p.start()
		missing := 0
		for user, id := range acknowledged { // of the cycle before
			if !w.exists(user) {
				t.Errorf("T376: cycle %d: %s was acknowledged and is gone", cycle, user)
			}
			if w.record(&reply{header: http.Header{"X-Amzn-Requestid": {id}}}) == nil {
				t.Errorf("T372: cycle %d: %s was made and no record says so", cycle, user)
			}
			if missing++; missing == 40 {
				break // the rest is looked through at the end
			}
		}
		var mu sync.Mutex
		var writers sync.WaitGroup
		first := make(chan struct{}, 8)
		for g := range 4 {
			writers.Go(func() {
				client := w.client()
				for i := 0; ; i++ {
					user := fmt.Sprintf("u-%d-%d-%d", cycle, g, i)
					out, err := client.CreateUser(context.Background(), &iam.CreateUserInput{UserName: &user})
					if err != nil {
						return // killed
					}
					id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
					mu.Lock()
					acknowledged[user] = id
					mu.Unlock()
					if i == 0 {
						first <- struct{}{}
					}
				}
			})
		}
		<-first
		time.Sleep(rand.N(60 * time.Millisecond))
		p.stop(syscall.SIGKILL)
		writers.Wait()
	}
	w := p.start()
	users, creations := w.users(), w.creations()
	there := make(map[string]bool)
	for _, u := range users {
		there[u] = true
	}
	for u := range acknowledged {
		if !there[u] {
			t.Errorf("T376: %s was acknowledged and is gone", u)
		}
	}
	slices.Sort(users)
	slices.Sort(creations)
	if !slices.Equal(users, creations) {
		t.Errorf("T372: %d users, and the trail knows of %d that were made", len(users), len(creations))
	}
	t.Logf("%d kills, %d users acknowledged, %d there", cycles, len(acknowledged), len(users))
	p.stop(syscall.SIGTERM)
}

// T261, T263, T293, T397 and others across a restart: what was is as it was.
func TestRestart(t *testing.T) {
	t.Parallel()
	p := install(t, t.TempDir())
	w := p.start()
	user, key := w.caller(allow("iam:ListUsers"))
	role := w.role(allow("iam:ListUsers"))
	session := w.assume(role)
	inactive := w.key(user)
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", user, "AccessKeyId", inactive.id, "Status", "Inactive"))
	powerless := w.assume(w.role())
	d := w.newDevice().enable(user)
	code := d.code()
	w.ok(w.sts(key, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", code))
	w.user()
	marker := w.ok(w.iam(w.admin, "ListUsers", "MaxItems", "1")).field("Marker")
	r := w.iam(powerless, "ListUsers")
	w.refused(r, "AccessDenied")
	details := w.ok(w.iam(w.admin, "GetAccountAuthorizationDetails"))
	read := w.ok(w.iam(key, "ListUsers")) // its record waits in a queue
	admin := w.admin

	p.stop(syscall.SIGTERM)
	w2 := p.start()
	w2.made = w.made
	w = w2
	if rec := w.record(read); rec == nil || rec.EventName != "ListUsers" {
		t.Error("T372: the record of a read did not survive an orderly stop")
	}
	if rec := w.record(r); rec == nil || rec.ErrorCode != "AccessDenied" {
		t.Error("T370: the record of a denial did not survive")
	}
	again := w.ok(w.iam(admin, "GetAccountAuthorizationDetails")) // the owner's session lasts, too
	cut := func(r *reply) string { s, _, _ := strings.Cut(r.body, "<ResponseMetadata>"); return withoutLastUse(s) }
	if cut(details) != cut(again) {
		t.Errorf("the account is not what it was:\n%s\n%s", details.body, again.body)
	}
	w.ok(w.iam(key, "ListUsers"))
	w.ok(w.iam(session, "ListUsers"))
	w.refused(w.iam(inactive, "ListUsers"), badKey)
	w.refused(w.sts(key, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", code), "AccessDenied")
	w.ok(w.iam(w.admin, "ListUsers", "MaxItems", "1", "Marker", marker))
	if _, err := os.Stat(p.socket); err != nil {
		t.Error(err)
	}

	// T382: a second server on the same data is turned away, and the first goes on.
	path, _ := lanyard()
	second := exec.Command(path, slices.Concat([]string{"server", "--listen", "127.0.0.1:0"}, p.place, []string{"--socket", p.socket + "2"})...)
	if out, err := second.CombinedOutput(); err == nil || second.ProcessState.ExitCode() < 1 {
		t.Errorf("T382: a second server: %v\n%s", err, out)
	}
	w.ok(w.iam(key, "ListUsers"))
	p.stop(syscall.SIGTERM)
}

// withoutLastUse takes out when roles were last used, which goes on changing.
func withoutLastUse(s string) string {
	for {
		before, rest, ok := strings.Cut(s, "<RoleLastUsed>")
		if !ok {
			return s
		}
		_, after, _ := strings.Cut(rest, "</RoleLastUsed>")
		s = before + after
	}
}

// T379, T371: no space is left on the disk. Changes are refused and say so, reads
// go on, nothing is lost, and service resumes by itself.
func TestT379_T371_DiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size=6m"); err != nil {
		t.Skipf("SKIPPED: cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	p := install(t, dir)
	w := p.start()
	_, key := w.caller(allow("iam:*"))
	before := w.name("made")
	w.ok(w.iam(key, "CreateUser", "UserName", before))

	ballast := filepath.Join(dir, "ballast")
	fill := func() {
		f, err := os.OpenFile(ballast, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for size := 64 << 10; size > 0; size /= 2 {
			for err = nil; err == nil; {
				_, err = f.Write(make([]byte, size))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
		}
	}
	fill()
	var refused *reply
	var acknowledged []string
	for range 3000 { // pages that the database holds already may take some
		user := w.name("made")
		r := w.iam(key, "CreateUser", "UserName", user, "Path", "/"+strings.Repeat("x", 400)+"/")
		if r.status != http.StatusOK {
			refused = r
			break
		}
		acknowledged = append(acknowledged, user)
	}
	if refused == nil || refused.status != http.StatusServiceUnavailable || refused.code() != "ServiceUnavailable" {
		t.Fatalf("T379: on a full disk: %+v", refused)
	}
	w.ok(w.sts(key, "GetCallerIdentity"))
	w.ok(w.iam(key, "GetUser", "UserName", before))
	if r := w.sts(key, "GetSessionToken"); r.status != http.StatusServiceUnavailable || r.field("SecretAccessKey") != "" {
		t.Errorf("T371: credentials without their record: %d %s", r.status, r.body)
	}
	refusedUser := w.name("made")
	if r := w.iam(key, "CreateUser", "UserName", refusedUser); r.status != http.StatusServiceUnavailable {
		t.Errorf("T379: a second time: %d %s", r.status, r.body)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	after := w.name("made")
	w.ok(w.iam(key, "CreateUser", "UserName", after))
	acknowledged = append(acknowledged, before, after)
	check := func(w *world) {
		t.Helper()
		users := w.users()
		for _, u := range acknowledged {
			if !slices.Contains(users, u) {
				t.Errorf("T379: %s was acknowledged and is gone", u)
			}
		}
		if slices.Contains(users, refusedUser) {
			t.Errorf("T379: %s was refused and is there", refusedUser)
		}
		if made := len(w.creations()); made != len(users) {
			t.Errorf("T371: %d users, and the trail knows of %d", len(users), made)
		}
	}
	check(w)
	w.ok(w.sts(key, "GetSessionToken"))
	p.stop(syscall.SIGTERM)
	check(p.start())
	p.stop(syscall.SIGTERM)
}

// T416: a certificate is exchanged while the server runs, and one that is no
// good is not taken.
func TestT416_NewCertificate(t *testing.T) {
	p := install(t, t.TempDir())
	certs := t.TempDir()
	cert, key := certificate(t, certs, "one")
	p.run("--tls-cert", cert, "--tls-key", key)
	shown := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if name := shown(); name != "one" {
		t.Errorf("T416: the certificate is %s", name)
	}
	reload := func(want string) {
		t.Helper()
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for range 1000 { // the signal is handled when it is
			if shown() == want {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Errorf("T416: the certificate is %s, want %s", shown(), want)
	}
	certificate(t, certs, "two")
	reload("two")
	if err := os.WriteFile(cert, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	reload("two")
	certificate(t, certs, "three")
	reload("three")
	p.stop(syscall.SIGTERM)
}

// T401: headers that do not come are not waited for beyond the limit, and the
// connection is closed. Nobody else waits.
func TestT401_SlowHeaders(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: takes the ten seconds of the limit")
	}
	t.Parallel()
	w := newWorld(t)
	c := dial(t, w.address)
	defer c.Close()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: "+w.address+"\r\n"); err != nil {
		t.Fatal(err)
	}
	var dripped atomic.Int64
	stop := make(chan struct{})
	go func() { // a byte now and then does not help
		for {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
				if _, err := io.WriteString(c, "a"); err != nil {
					return
				}
				dripped.Add(1)
			}
		}
	}()
	w.ok(w.send(w.signedList()))
	if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("T401: the connection is still open after 30 s")
	}
	close(stop)
	if dripped.Load() == 0 {
		t.Error("T401: the connection was closed at once")
	}
}
