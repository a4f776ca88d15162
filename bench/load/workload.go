package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lanyard-iam/lanyard/sigv4"
)

// usersPerRound is how many users are made before all are deleted again: below AWS's
// quota of 5,000 in an account.
const usersPerRound = 4_900

// scenario is one line of the table.
type scenario struct {
	name string
	run  func() (figures, error)
}

// workload is a server with a user, whose key signs, and a role that the user may
// assume.
type workload struct {
	ctx     context.Context
	server  *server
	options options
	owner   sigv4.Credentials
	user    sigv4.Credentials // long-term
	session sigv4.Credentials // of the role
	role    string
}

// documents of the workload: the user may look at themselves and assume the role, which
// trusts the account. Both are granted under conditions, as people write them.
const (
	userPolicy = `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"arn:aws:iam::` + account + `:user/${aws:username}"},` +
		`{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::` + account + `:role/load-*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}}]}`
	trustPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole",` +
		`"Condition":{"StringEquals":{"sts:ExternalId":"load"}}}]}`
	rolePolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::load/*"}]}`
)

func newWorkload(ctx context.Context, s *server, o options) (*workload, error) {
	w := &workload{ctx: ctx, server: s, options: o, role: "arn:aws:iam::" + account + ":role/load-role"}
	var err error
	if w.owner, err = s.owner(ctx); err != nil {
		return nil, err
	}
	key, assumed := new(keyAnswer), new(assumeAnswer)
	for _, step := range []struct {
		credentials *sigv4.Credentials
		service     string
		action      string
		parameters  []string
		answer      any
	}{
		{&w.owner, "iam", "CreateUser", []string{"UserName", "load-user"}, nil},
		{&w.owner, "iam", "PutUserPolicy", []string{"UserName", "load-user", "PolicyName", "load", "PolicyDocument", userPolicy}, nil},
		{&w.owner, "iam", "CreateRole", []string{"RoleName", "load-role", "AssumeRolePolicyDocument", trustPolicy}, nil},
		{&w.owner, "iam", "PutRolePolicy", []string{"RoleName", "load-role", "PolicyName", "load", "PolicyDocument", rolePolicy}, nil},
		{&w.owner, "iam", "CreateAccessKey", []string{"UserName", "load-user"}, key},
		{&w.user, "sts", "AssumeRole", w.assume(0), assumed},
	} {
		r, err := s.sign(*step.credentials, step.service, step.action, step.parameters...)
		if err != nil {
			return nil, err
		}
		body, err := s.call(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.action, err)
		}
		if step.answer != nil {
			if err := xml.Unmarshal(body, step.answer); err != nil {
				return nil, fmt.Errorf("%s: %w", step.action, err)
			}
			w.user, w.session = key.credentials(), assumed.credentials()
		}
	}
	return w, nil
}

type keyAnswer struct {
	AccessKeyID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
	SecretAccessKey string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
}

func (a *keyAnswer) credentials() sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}
}

type assumeAnswer struct {
	AccessKeyID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	SecretAccessKey string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	SessionToken    string `xml:"AssumeRoleResult>Credentials>SessionToken"`
}

func (a *assumeAnswer) credentials() sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey, SessionToken: a.SessionToken}
}

func (w *workload) assume(i int) []string {
	return []string{"RoleArn", w.role, "RoleSessionName", fmt.Sprintf("load-%d", i), "ExternalId", "load"}
}

func (w *workload) scenarios() []scenario {
	return []scenario{
		{"GetCallerIdentity", func() (figures, error) { return w.repeat(w.user, "sts", "GetCallerIdentity", nil) }},
		{"GetCallerIdentity, role session", func() (figures, error) { return w.repeat(w.session, "sts", "GetCallerIdentity", nil) }},
		{"GetUser", func() (figures, error) {
			return w.repeat(w.user, "iam", "GetUser", func(int) []string { return []string{"UserName", "load-user"} })
		}},
		{"AssumeRole", func() (figures, error) { return w.repeat(w.user, "sts", "AssumeRole", w.assume) }},
		{"CreateUser", w.createUsers},
	}
}

// repeat sends one request per connection over and over, for the length of a run.
func (w *workload) repeat(c sigv4.Credentials, service, action string, parameters func(i int) []string) (figures, error) {
	requests := make([]request, w.options.connections)
	for i := range requests {
		var p []string
		if parameters != nil {
			p = parameters(i)
		}
		r, err := w.server.sign(c, service, action, p...)
		if err != nil {
			return figures{}, err
		}
		requests[i] = r
	}
	end := time.Now().Add(w.options.duration)
	return w.server.drive(w.ctx, len(requests), func(i int) request {
		if time.Now().After(end) {
			return nil
		}
		return requests[i]
	})
}

// createUsers makes as many users as one round has, and deletes them unmeasured.
func (w *workload) createUsers() (figures, error) {
	f, err := w.each("CreateUser")
	if err != nil {
		return figures{}, err
	}
	_, err = w.each("DeleteUser")
	return f, err
}

func (w *workload) each(action string) (figures, error) {
	requests := make([]request, usersPerRound)
	for i := range requests {
		r, err := w.server.sign(w.owner, "iam", action, "UserName", fmt.Sprintf("user-%05d", i))
		if err != nil {
			return figures{}, err
		}
		requests[i] = r
	}
	var sent atomic.Int64
	return w.server.drive(w.ctx, w.options.connections, func(int) request {
		if i := sent.Add(1) - 1; i < usersPerRound {
			return requests[i]
		}
		return nil
	})
}
