package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/egress"
)

// mailTimeout bounds the whole conversation about one message.
const mailTimeout = 30 * time.Second

// Mail is the mail server of the installation. The owner of the host has chosen it, so it may
// be anywhere; what it is told is encrypted unless it is on this host.
type Mail struct {
	Host string // without the port
	Port string
	// Implicit is TLS from the first byte, as on port 465; else STARTTLS is needed.
	Implicit       bool
	User, Password string // empty: nobody signs in
	From           mail.Address
	// Guard has the certificates that are trusted.
	Guard *egress.Guard
}

// ParseMail reads smtp://USER@HOST:PORT or smtps://USER@HOST:PORT, and the sender.
func ParseMail(server, from, password string) (*Mail, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		// The text is not repeated: there may be a password in it.
		return nil, errors.New("the mail server is smtp://USER@HOST:PORT, which needs STARTTLS, or smtps://USER@HOST:PORT")
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("the mail server's password is not for the command line: put it into a file, and say --mail-password-file")
	}
	m := &Mail{Host: u.Hostname(), Port: u.Port(), Implicit: u.Scheme == "smtps", User: u.User.Username(), Password: password, Guard: egress.Anywhere()}
	if m.Port == "" {
		m.Port = map[bool]string{true: "465", false: "587"}[m.Implicit]
	}
	if (m.User == "") != (password == "") {
		return nil, errors.New("to sign in at the mail server takes a user name in --mail-server and --mail-password-file")
	}
	if strings.ContainsAny(password, "\x00\r\n") {
		return nil, errors.New("the mail server's password has more than one line")
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("--mail-from is the e-mail address that mail comes from, for example lanyard@example.com, and not %q", from)
	}
	m.From = *sender
	return m, nil
}

// CheckAddress refuses, in words for people, what is no plain e-mail address.
func CheckAddress(text string) error {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > 254 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		return fmt.Errorf("%q is not an e-mail address such as security@example.com", text)
	}
	return nil
}

// send mails a notice.
func (m *Mail) send(ctx context.Context, n *identity.Notice, link string) error {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	conn, err := m.Guard.Dialer().DialContext(ctx, "tcp", net.JoinHostPort(m.Host, m.Port))
	if err != nil {
		return failure("the mail server could not be reached", err)
	}
	defer conn.Close()
	// Whatever the server does, or leaves undone, the conversation ends.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	return m.converse(conn, n, link)
}

func (m *Mail) converse(conn net.Conn, n *identity.Notice, link string) error {
	if m.Implicit {
		conn = tls.Client(conn, m.Guard.TLS(m.Host))
	}
	c, err := smtp.NewClient(conn, m.Host)
	if err == nil {
		_, domain, _ := strings.Cut(m.From.Address, "@")
		err = c.Hello(domain)
	}
	if err != nil {
		return mailFailure("the mail server did not answer", err)
	}
	if !m.Implicit && !m.onThisHost() {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return failure("the mail server offers no TLS", nil)
		}
		if err := c.StartTLS(m.Guard.TLS(m.Host)); err != nil {
			return mailFailure("TLS with the mail server failed", err)
		}
	}
	if m.User != "" {
		if err := c.Auth(smtp.PlainAuth("", m.User, m.Password, m.Host)); err != nil {
			return mailFailure("the mail server did not let us sign in", err)
		}
	}
	if err := c.Mail(m.From.Address); err != nil {
		return mailFailure("the mail server refused the sender", err)
	}
	if err := c.Rcpt(n.To.To); err != nil {
		return mailFailure("the mail server refused the address", err)
	}
	w, err := c.Data()
	if err == nil {
		_, err = w.Write(m.message(n, link))
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		return mailFailure("the mail server refused the message", err)
	}
	_ = c.Quit() // it has accepted the message
	return nil
}

// onThisHost tells whether the server is on this host for certain, so that nobody else can
// listen: a name can lead elsewhere.
func (m *Mail) onThisHost() bool {
	addr, err := netip.ParseAddr(m.Host)
	return m.Host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// mailFailure adds the code of an answer, and none of its words.
func mailFailure(why string, err error) error {
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		why += fmt.Sprintf(" (%d)", answer.Code)
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		why = "the mail server's certificate is not trusted, or is for another name"
	}
	return failure(why, err)
}

// message writes a notice as mail.
func (m *Mail) message(n *identity.Notice, link string) []byte {
	_, domain, _ := strings.Cut(m.From.Address, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", m.From.String()},
		{"To", (&mail.Address{Address: n.To.To}).String()},
		{"Subject", mime.QEncoding.Encode("utf-8", line("Account "+string(n.Account)+": "+n.Text))},
		{"Date", n.Time.Format(time.RFC1123Z)},
		{"Message-ID", "<" + n.ID + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		// No value has a line break by now; should one have, it stays one header.
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], line(h[1]))
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	fmt.Fprintf(w, "%s\r\n", line(n.Text))
	if n.More > 0 {
		fmt.Fprintf(w, "%s\r\n", more(n))
	}
	w.Write([]byte("\r\n"))
	for _, row := range [][2]string{
		{"Account", string(n.Account)},
		{"When", n.Time.Format("2006-01-02 15:04:05 UTC")},
		{"Who", n.Who},
		{"From", n.SourceIP},
		{"Event", n.Event + " " + n.ID},
		{"See", link},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "%-8s %s\r\n", row[0], line(row[1]))
		}
	}
	fmt.Fprintf(w, "\r\n%s\r\n", n.Advice)
	_ = w.Close() // a buffer takes everything
	return b.Bytes()
}

// line is text on one line.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, text)
}

// more tells of the events that a notice stands for beside its own.
func more(n *identity.Notice) string {
	return fmt.Sprintf("And %d more of that kind since %s.", n.More, n.First.Format("2006-01-02 15:04:05 UTC"))
}
