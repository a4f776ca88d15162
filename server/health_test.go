package server

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
)

// The page Health tells how much is on the disk, and for how long records are kept.
func TestHealthTellsOfTheData(t *testing.T) {
	dir := t.TempDir()
	config := Config{
		DataDir: filepath.Join(dir, "data"), SealKeyFile: filepath.Join(dir, "seal.key"), Socket: filepath.Join(dir, "s"),
		Accounts: []arn.AccountID{DefaultAccount}, Listen: "127.0.0.1:0", Retention: 30 * 24 * time.Hour,
	}
	if _, err := Init(config); err != nil {
		t.Fatal(err)
	}
	config.Accounts = nil
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	data := func() string {
		for _, c := range s.health(t.Context()) {
			if c.Name == "data" {
				return c.Text
			}
		}
		return ""
	}
	if got := data(); strings.HasPrefix(got, "0.0 MB") || !strings.HasSuffix(got, " MB on disk; records are kept for 30 days") {
		t.Errorf("data: %s", got)
	}
	s.config.DataDir = filepath.Join(dir, "gone")
	if got := data(); !strings.Contains(got, "cannot be read") || strings.Contains(got, dir) {
		t.Errorf("data: %s", got)
	}
}
