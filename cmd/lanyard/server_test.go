package main

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"github.com/lanyard-iam/lanyard/server"
)

// What people see of the settings says where each is from, and has no secret: flags that may
// hold one, and flags that nobody thought of, are said to be set and no more.
func TestSettings(t *testing.T) {
	cmd := newServer()
	cmd.Flags().String("webhook-secret", "", "")
	t.Setenv("LANYARD_URL", "https://id.example.com")
	t.Setenv("LANYARD_WEBHOOK_SECRET", "whsec_1")
	t.Setenv("LANYARD_SEAL_KEY", "dGhpcyBpcyB0aGUgc2VhbCBrZXkgaXRzZWxmIQ==")
	if err := cmd.ParseFlags([]string{"--listen", "127.0.0.1:1", "--access-key", "test:hunter2", "--quota", "UsersPerAccount=1,RolesPerAccount=2"}); err != nil {
		t.Fatal(err)
	}
	if err := fromEnvironment(cmd); err != nil {
		t.Fatal(err)
	}
	got := settings(cmd, &place{data: "/d", sealKeyFile: "/k"})
	for _, want := range []server.Setting{
		{Name: "listen", Value: "127.0.0.1:1", Origin: "flag"},
		{Name: "url", Value: "https://id.example.com", Origin: "LANYARD_URL"},
		{Name: "retention-days", Value: "90", Origin: "default"},
		{Name: "quota", Value: "UsersPerAccount=1,RolesPerAccount=2", Origin: "flag"},
		{Name: "access-key", Value: "set", Origin: "flag"},
		{Name: "webhook-secret", Value: "set", Origin: "LANYARD_WEBHOOK_SECRET"},
		{Name: "data", Value: "/d", Origin: "default"},
		{Name: "seal-key-file", Value: "/k", Origin: "default"},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %+v in %+v", want, got)
		}
	}
	n := 0
	cmd.Flags().VisitAll(func(*pflag.Flag) { n++ })
	if len(got) < n-1 {
		t.Errorf("%d settings of %d flags", len(got), n)
	}
	for _, name := range shownSettings {
		if cmd.Flags().Lookup(name) == nil {
			t.Errorf("there is no flag %s", name)
		}
	}
}
