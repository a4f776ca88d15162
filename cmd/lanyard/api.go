package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// api is a server's public API, as a command calls it.
type api struct {
	iam   *iam.Client
	trail *cloudtrail.Client
	// lanyard is our own service, nil where another system answers, or one may not list
	// suppressions; without says which. One may be allowed to make some all the same.
	lanyard     *lanyard.Client
	suppressing *lanyard.Client
	without     string

	account   arn.AccountID
	partition arn.Partition
	// accounts are all accounts of the server, nil if it is not told.
	accounts []arn.AccountID
	// local is the owner's socket, nil if the API was named.
	local *local
}

// connectAPI reaches the API as the owner of the host, whose sessions come from the
// local socket and are renewed, or with the AWS_… variables at an endpoint that was
// named.
func (p *place) connectAPI(ctx context.Context, account, endpoint string) (*api, error) {
	client, err := httpClient()
	if err != nil {
		return nil, err
	}
	if endpoint != "" {
		return connectRemote(ctx, client, account, endpoint)
	}
	running, err := p.connect()
	if err != nil {
		return nil, err
	}
	var status server.StatusReply
	if err := running.call(ctx, http.MethodGet, "/status", nil, &status); err != nil {
		return nil, err
	}
	a := &api{account: arn.AccountID(account), partition: arn.PartitionOf(status.Region), accounts: status.Accounts, local: running}
	if account == "" {
		a.account = status.Accounts[0]
	}
	owner := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		var reply server.CredentialsReply
		if err := running.call(ctx, http.MethodPost, "/credentials", server.CredentialsRequest{Account: a.account}, &reply); err != nil {
			return aws.Credentials{}, err
		}
		return aws.Credentials{
			AccessKeyID: reply.AccessKeyID, SecretAccessKey: reply.SecretAccessKey, SessionToken: reply.SessionToken,
			CanExpire: true, Expires: reply.Expires,
		}, nil
	})
	cached := aws.NewCredentialsCache(owner, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 5 * time.Minute })
	held, err := cached.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	config := aws.Config{Region: status.Region, Credentials: cached, BaseEndpoint: &status.URL, HTTPClient: client}
	a.iam, a.trail, a.lanyard = iam.NewFromConfig(config), cloudtrail.NewFromConfig(config), ownClient(&config, held)
	return a, nil
}

func connectRemote(ctx context.Context, client aws.HTTPClient, account, endpoint string) (*api, error) {
	id, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if id == "" || secret == "" {
		return nil, configError(errors.New("no credentials"), "With --endpoint-url they are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.")
	}
	region := os.Getenv("AWS_REGION")
	if region == "" {
		region = "us-east-1"
	}
	held := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: os.Getenv("AWS_SESSION_TOKEN")}
	config := aws.Config{Region: region, BaseEndpoint: &endpoint, HTTPClient: client, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return held, nil
	})}
	who, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, &failure{code: exitService, err: err}
	}
	a := &api{iam: iam.NewFromConfig(config), trail: cloudtrail.NewFromConfig(config), account: arn.AccountID(*who.Account), partition: arn.PartitionOf(region)}
	if account != "" && account != *who.Account {
		return nil, usageError("--account %s: the credentials are of account %s", account, *who.Account)
	}
	own := ownClient(&config, held)
	_, err = lanyard.Call[lanyard.ListSuppressionsOutput](ctx, own, &lanyard.ListSuppressionsInput{MaxItems: aws.Int32(1)})
	refused, _ := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil:
		a.lanyard = own
	case refused != nil && strings.HasPrefix(refused.ErrorCode(), "AccessDenied"):
		a.suppressing = own
		a.without = "suppressions are not known, and what was accepted is among the findings: these credentials may not use lanyard:ListSuppressions"
	default:
		a.without = fmt.Sprintf("suppressions are not known: %s does not list them, as no server but Lanyard does: %v", endpoint, err)
	}
	return a, nil
}

// ownClient calls our own service with the credentials held, which are good for longer
// than a command takes.
func ownClient(config *aws.Config, held aws.Credentials) *lanyard.Client {
	return &lanyard.Client{
		URL: *config.BaseEndpoint, Region: config.Region, HTTP: config.HTTPClient, Now: time.Now,
		Credentials: sigv4.Credentials{AccessKeyID: held.AccessKeyID, SecretAccessKey: held.SecretAccessKey, SessionToken: held.SessionToken},
	}
}

// httpClient trusts what AWS_CA_BUNDLE names, as the SDKs do.
func httpClient() (aws.HTTPClient, error) {
	client := awshttp.NewBuildableClient()
	path := os.Getenv("AWS_CA_BUNDLE")
	if path == "" {
		return client, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, configError(fmt.Errorf("AWS_CA_BUNDLE: %w", err), "")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, configError(fmt.Errorf("AWS_CA_BUNDLE: %s has no certificate", path), "")
	}
	return client.WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}), nil
}
