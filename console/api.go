package console

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/survey"
)

// API is Lanyard's API in the hands of the person who is signed in: the same operations
// with the same authorization and the same trail as for everybody else. The console has no
// other way to what is stored.
type API struct {
	IAM        *iam.Client
	CloudTrail survey.Trail
	Lanyard    *lanyard.Client
	Login      *signin.Client
	// AssumeRole is all that the console needs of STS.
	AssumeRole func(context.Context, *sts.AssumeRoleInput, ...func(*sts.Options)) (*sts.AssumeRoleOutput, error)
}

// inProcess is the host in the URLs of requests that do not leave the process.
const inProcess = "http://console.lanyard.internal"

// newAPI makes the clients for one request of a browser. still, if it is not nil, is asked
// with each of their requests.
func newAPI(aws http.Handler, region string, credentials session.Credentials, still session.Still, r *http.Request) *API {
	client := &http.Client{Transport: &transport{aws: aws, still: still, addr: r.RemoteAddr, agent: r.UserAgent(), tls: r.TLS}}
	config := config(client, region, credentials)
	own := sigv4.Credentials{
		AccessKeyID:     credentials.AccessKeyID,
		SecretAccessKey: credentials.SecretAccessKey,
		SessionToken:    credentials.SessionToken,
	}
	return &API{
		IAM:        iam.NewFromConfig(config),
		CloudTrail: survey.Trail{LookupEvents: cloudtrail.NewFromConfig(config).LookupEvents},
		Lanyard: &lanyard.Client{
			URL: inProcess, Region: region, HTTP: client, Now: time.Now, // as the SDK
			Credentials: own,
		},
		AssumeRole: sts.NewFromConfig(config).AssumeRole,
		Login:      &signin.Client{URL: inProcess, Region: region, HTTP: client, Now: time.Now, Credentials: own},
	}
}

func config(client *http.Client, region string, c session.Credentials) aws.Config {
	return aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(inProcess),
		HTTPClient:   client,
		// An answer that says "try again" is for the person to see.
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID:     c.AccessKeyID,
				SecretAccessKey: c.SecretAccessKey,
				SessionToken:    c.SessionToken,
				Source:          "console",
			}, nil
		}),
	}
}

// transport hands requests to the endpoint in this process, as if the browser had sent them:
// its address and user agent are in conditions of policies and in the trail.
type transport struct {
	aws   http.Handler
	still session.Still
	addr  string
	agent string
	tls   *tls.ConnectionState
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := r.Clone(session.InConsole(r.Context(), t.still))
	sent.RequestURI = r.URL.RequestURI()
	sent.RemoteAddr, sent.TLS = t.addr, t.tls
	if sent.Host == "" {
		sent.Host = r.URL.Host
	}
	sent.Header.Set("User-Agent", t.agent)
	if r.ContentLength > 0 { // it is signed, and net/http's client would write it
		sent.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	if sent.Body == nil {
		sent.Body = http.NoBody
	}
	defer func() { sent.Body.Close() }()
	kept, err := t.answer(sent)
	if err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, fmt.Errorf("the browser has gone: %w", err)
	}
	return &http.Response{
		StatusCode:    kept.status,
		Status:        http.StatusText(kept.status),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        kept.header,
		Body:          io.NopCloser(&kept.body),
		ContentLength: int64(kept.body.Len()),
		Request:       r,
	}, nil
}

func (t *transport) answer(r *http.Request) (*kept, error) {
	again, note, err := remembered(r)
	if err != nil || again != nil {
		return again, err
	}
	answer := &kept{header: make(http.Header), status: http.StatusOK}
	t.aws.ServeHTTP(answer, r)
	if note != nil {
		note(answer)
	}
	return answer, nil
}

// kept is an answer: what the endpoint writes.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }
