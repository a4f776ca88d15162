package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanyard-iam/lanyard/bench/internal/stat"
	"github.com/lanyard-iam/lanyard/sigv4"
)

const region = "us-east-1"

// request is a signed request as it goes over the wire.
type request []byte

// version is the API version of a query service.
func version(service string) string {
	if service == "sts" {
		return "2011-06-15"
	}
	return "2010-05-08"
}

// sign makes a request of the query protocol. parameters are names and values.
func (s *server) sign(c sigv4.Credentials, service, action string, parameters ...string) (request, error) {
	form := url.Values{"Action": {action}, "Version": {version(service)}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	body := []byte(form.Encode())
	r, err := http.NewRequest(http.MethodPost, "http://"+s.address+"/", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	signer := sigv4.Signer{Credentials: c, Region: region, Service: service}
	if err := signer.SignHeader(r, body, time.Now()); err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "lanyard-load/1")
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", s.address, len(body))
	if err := r.Header.Write(&b); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes(), nil
}

// form makes the request of a browser that sends a form.
func (s *server) form(path string, values url.Values) request {
	_, port, _ := net.SplitHostPort(s.address)
	body := values.Encode()
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost:%s\r\nOrigin: http://localhost:%s\r\nSec-Fetch-Site: same-origin\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, port, port, len(body), body)
}

// connection is a keep-alive connection. It reads as much HTTP as this server answers:
// a status line, headers with a Content-Length, a body.
type connection struct {
	net.Conn
	in *bufio.Reader
}

func (s *server) dial() (*connection, error) { return s.dialFrom(nil) }

// dialFrom connects from an address of the loopback network.
func (s *server) dialFrom(from net.IP) (*connection, error) {
	var dialer net.Dialer
	if from != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: from}
	}
	c, err := dialer.Dial("tcp", s.address)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReaderSize(c, 16<<10)}, nil
}

// send sends a request and reads the answer. The body is kept only where keep is set
// or the status is not 200.
func (c *connection) send(r request, keep bool) (status int, body []byte, err error) {
	if _, err := c.Write(r); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	// "HTTP/1.1 200 OK"
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("not an HTTP answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("not an HTTP answer: %q", line)
	}
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return 0, nil, err
			}
		}
	}
	if length < 0 {
		return 0, nil, errors.New("an answer without Content-Length")
	}
	if !keep && status == http.StatusOK {
		_, err = c.in.Discard(length)
		return status, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.in, body)
	return status, body, err
}

// call sends one request on a connection of its own.
func (s *server) call(r request) ([]byte, error) {
	c, err := s.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	status, body, err := c.send(r, true)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, body)
	}
	return body, err
}

// drive sends requests on n connections at a time until next has none left, and
// measures. Any answer but 200 is an error: refusals are quick and would flatter.
func (s *server) drive(ctx context.Context, n int, next func(connection int) request) (figures, error) {
	connections := make([]*connection, n)
	for i := range connections {
		c, err := s.dial()
		if err != nil {
			return figures{}, err
		}
		defer c.Close()
		connections[i] = c
	}
	var failed atomic.Pointer[error]
	latencies := make([][]time.Duration, n)
	before, err := s.cpu()
	if err != nil {
		return figures{}, err
	}
	began := time.Now()
	var wait sync.WaitGroup
	for i, c := range connections {
		wait.Go(func() {
			for failed.Load() == nil && ctx.Err() == nil {
				r := next(i)
				if r == nil {
					return
				}
				sent := time.Now()
				status, body, err := c.send(r, false)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d: %s", status, body)
				}
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				latencies[i] = append(latencies[i], time.Since(sent))
			}
		})
	}
	wait.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		return figures{}, *err
	}
	if err := ctx.Err(); err != nil {
		return figures{}, err
	}
	after, err := s.cpu()
	if err != nil {
		return figures{}, err
	}
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	if len(all) == 0 {
		return figures{}, errors.New("no request was answered")
	}
	return figures{
		rate: float64(len(all)) / took.Seconds(),
		p50:  stat.Percentile(all, 50),
		p99:  stat.Percentile(all, 99),
		cpu:  (after - before) / float64(len(all)),
	}, nil
}
