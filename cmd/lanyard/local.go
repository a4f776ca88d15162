package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// local is a running server, reached by its owner's socket.
type local struct {
	client *http.Client
	path   string
}

// connect finds the socket: the one that was named, that of the named data
// directory, that of a development server, that of the default data directory.
func (p *place) connect() (*local, error) {
	if p.socket != "" {
		return &local{server.NewLocalClient(p.socket), p.socket}, nil
	}
	candidates := []string{server.DefaultSocket(), server.SocketIn(defaultData())}
	if p.data != "" {
		candidates = []string{server.SocketIn(p.data)}
	}
	for _, path := range candidates {
		if _, err := os.Stat(path); err == nil {
			return &local{server.NewLocalClient(path), path}, nil
		}
	}
	hint := "Start one with `lanyard server --dev`, or name it with --data or --socket."
	data, flag := defaultData(), ""
	if p.data != "" {
		data, flag = p.data, " --data "+p.data
	}
	if sqlite.Exists(data) {
		hint = fmt.Sprintf("There is data in %s: start its server with `lanyard server%s`.", data, flag)
	}
	return nil, configError(fmt.Errorf("no server is running here (no socket at %s)", candidates[0]), hint)
}

// refusal is an answer of the server that is not what was asked for.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// call asks the server and decodes its reply into out.
func (l *local) call(ctx context.Context, method, path string, in, out any) error {
	return l.ask(ctx, method, path, in, func(body io.Reader) error { return json.NewDecoder(body).Decode(out) })
}

// ask asks the server and has its reply read.
func (l *local) ask(ctx context.Context, method, path string, in any, read func(io.Reader) error) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://local"+path, body)
	if err != nil {
		return err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return configError(fmt.Errorf("no server answers on %s: %w", l.path, errors.Unwrap(err)), "Is it running? Is it yours?")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error string }
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.Error == "" {
			e.Error = resp.Status
		}
		return &failure{code: exitService, err: &refusal{resp.StatusCode, e.Error}}
	}
	return read(resp.Body)
}
