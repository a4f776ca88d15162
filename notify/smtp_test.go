package notify_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailbox is a mail server that keeps what it is told.
type mailbox struct {
	net.Listener
	cert     *tls.Certificate // nil offers no STARTTLS
	implicit bool
	password string            // empty: nobody signs in
	refuses  map[string]string // command to the answer
	silent   bool              // never says a word
	drops    bool              // ends the connection in the middle of a message

	mu       sync.Mutex
	messages []letter
	plain    int // messages that came without TLS
}

type letter struct {
	from, to string
	header   mail.Header
	raw      string
	body     string
}

func newMailbox(t *testing.T, change func(*mailbox)) *mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailbox{Listener: l}
	if change != nil {
		change(m)
	}
	var open sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				m.serve(conn)
			})
		}
	})
	return m
}

func (m *mailbox) port() string {
	_, port, _ := net.SplitHostPort(m.Addr().String())
	return port
}

func (m *mailbox) serve(conn net.Conn) {
	if m.silent {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	secure := m.implicit
	if secure {
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*m.cert}})
	}
	r := bufio.NewReader(conn)
	say := func(lines ...string) { _, _ = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n") }
	say("220 mail.example.com")
	var l letter
	signedIn := m.password == ""
	for {
		text, err := r.ReadString('\n')
		if err != nil {
			return
		}
		text = strings.TrimRight(text, "\r\n")
		verb, rest, _ := strings.Cut(text, " ")
		if answer, ok := m.refuses[strings.ToUpper(verb)]; ok {
			say(answer)
			continue
		}
		switch strings.ToUpper(verb) {
		case "EHLO":
			lines := []string{"250-mail.example.com"}
			if m.cert != nil && !secure {
				lines = append(lines, "250-STARTTLS")
			}
			if m.password != "" {
				lines = append(lines, "250-AUTH PLAIN")
			}
			say(append(lines, "250 8BITMIME")...)
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*m.cert}})
			r, secure = bufio.NewReader(conn), true
		case "AUTH":
			_, response, _ := strings.Cut(rest, " ")
			plain, _ := base64.StdEncoding.DecodeString(response)
			if string(plain) != "\x00lanyard@example.com\x00"+m.password {
				say("535 5.7.8 who is lanyard, and why is the password " + m.password)
				continue
			}
			signedIn = true
			say("235 welcome")
		case "MAIL":
			if !signedIn {
				say("530 sign in")
				continue
			}
			l.from = rest
			say("250 ok")
		case "RCPT":
			l.to = strings.Trim(strings.TrimPrefix(rest, "TO:"), "<>")
			say("250 ok")
		case "DATA":
			say("354 go on")
			if m.drops {
				_, _ = r.ReadString('\n')
				return
			}
			var b strings.Builder
			for {
				text, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if text == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(text, "."))
			}
			l.raw = b.String()
			if parsed, err := mail.ReadMessage(strings.NewReader(l.raw)); err == nil {
				l.header = parsed.Header
				body, _ := io.ReadAll(quotedprintable.NewReader(parsed.Body))
				l.body = string(body)
			}
			m.mu.Lock()
			m.messages = append(m.messages, l)
			if !secure {
				m.plain++
			}
			m.mu.Unlock()
			say("250 kept")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// letters are what came until now.
func (m *mailbox) letters() []letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]letter(nil), m.messages...)
}

func (l *letter) subject(t *testing.T) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(l.header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
