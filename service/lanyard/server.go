package lanyard

import (
	"time"

	"github.com/lanyard-iam/lanyard/service"
)

// The server that answers, for those who run it. It serves all accounts of the installation:
// nothing here is an account's, and none is named.
type (
	// DescribeServerInput has nothing to choose.
	DescribeServerInput struct{}
	// DescribeServerOutput is how the server runs. What is kept in memory alone (--dev) has no
	// Store, SealKey and Backup.
	DescribeServerOutput struct {
		Version  *string
		Started  *time.Time
		Now      *time.Time
		Dev      *bool
		Checks   []ServerCheck
		Store    *ServerStore
		Trail    *ServerTrail
		TLS      *ServerTLS
		SealKey  *ServerSealKey
		Backup   *ServerBackup // the last that is complete
		Metrics  *string       // where they are; without a value they are off
		Settings []ServerSetting
	}
	// ServerCheck is the state of a part of the server.
	ServerCheck struct {
		Name  *string
		State *string // StateGood, StateWarning or StateFailed
		Text  *string // what is the matter, or a measure of what is well
	}
	// ServerStore is what is kept, and where.
	ServerStore struct {
		Directory     *string
		Records       *int64
		RecordBytes   *int64 // of the records, about
		DatabaseBytes *int64 // of all files; what is not records is the trail
		FreeBytes     *int64 // of the disk
		DiskBytes     *int64
		LastWrite     *time.Time
	}
	// ServerTrail is the state of the trail.
	ServerTrail struct {
		Queued        *int64 // records that wait to be written
		Failures      *int64 // attempts to write, since the start
		RetentionDays *int64
	}
	// ServerTLS is who speaks TLS, and with which certificate.
	ServerTLS struct {
		By        *string // TLSServer, TLSProxy or TLSNone
		Subject   *string
		Names     []string
		Issuer    *string
		NotBefore *time.Time
		NotAfter  *time.Time
		KeyType   *string
		File      *string
	}
	// ServerSealKey tells the key that seals from others, and of the keys under it.
	ServerSealKey struct {
		Id     *string
		Origin *string // a path, or "environment"
		Keys   []ServerDataKey
	}
	// ServerDataKey is a key that protects secrets of a kind, without the key.
	ServerDataKey struct {
		Protects *string
		Created  *time.Time
		Active   *bool // else it opens what it sealed before
	}
	// ServerBackup is a backup.
	ServerBackup struct {
		Begun *time.Time
		Bytes *int64
	}
	// ServerSetting is a flag of the server with the value in force, and where that is from. The
	// value of one that can hold a secret is left out.
	ServerSetting struct {
		Name   *string
		Value  *string
		Origin *string // "flag", "default", or the name of a variable
	}

	// CreateSupportBundleInput has nothing to choose.
	CreateSupportBundleInput struct{}
	// CreateSupportBundleOutput is a zip of what helps to find out what is wrong with a server.
	CreateSupportBundleOutput struct{ Bundle []byte }
)

// The states of a ServerCheck.
const (
	StateGood    = "good"
	StateWarning = "warning"
	StateFailed  = "failed"
)

// Who speaks TLS.
const (
	TLSServer = "server"
	TLSProxy  = "proxy" // one that is in front
	TLSNone   = "none"  // the server is on loopback
)

// DescribeServer tells how the server runs.
func (s *Service) DescribeServer(c *service.Call, _ *DescribeServerInput) (*DescribeServerOutput, error) {
	return s.config.Describe(c.Context)
}

// collectSupport makes the bundle, which takes too long for a transaction.
func (s *Service) collectSupport(c *service.Call, _ *CreateSupportBundleInput) error {
	bundle, err := s.config.SupportBundle(c.Context)
	if err != nil {
		return err
	}
	c.Keep(bundle)
	return nil
}

// CreateSupportBundle hands out what helps to find out what is wrong with a server. That it
// was handed out is recorded as a change, although nothing is.
func (s *Service) CreateSupportBundle(c *service.Call, _ *CreateSupportBundleInput) (*CreateSupportBundleOutput, error) {
	bundle, _ := c.Kept().([]byte)
	return &CreateSupportBundleOutput{Bundle: bundle}, nil
}
