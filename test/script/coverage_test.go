package script_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/server"
	own "github.com/lanyard-iam/lanyard/service/lanyard"
)

// Every operation that is built is typed by someone in a story.
func TestEveryOperationHasAStory(t *testing.T) {
	stories, err := filepath.Glob("*.txtar")
	if err != nil || len(stories) == 0 {
		t.Fatal("no stories", err)
	}
	typed := make(map[string]bool)
	command := regexp.MustCompile(`\baws (?:--debug )?(iam|sts|cloudtrail|signin) ([a-z0-9-]+)`)
	for _, story := range stories {
		text, err := os.ReadFile(story)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range command.FindAllStringSubmatch(string(text), -1) {
			typed[match[1]+" "+match[2]] = true
		}
	}
	sets, err := server.Operations()
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		if set.SigningName == own.SigningName {
			continue // no aws command knows it; the console is its client
		}
		for _, operation := range set.Operations {
			if operation.Console {
				continue // as above
			}
			if name := set.SigningName + " " + kebab(operation.Name); !typed[name] {
				t.Errorf("no story has aws %s", name)
			}
		}
	}
}

var (
	wordStart = regexp.MustCompile(`([^-])([A-Z][a-z]+)`)
	wordEnd   = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// kebab is the name of an operation on the AWS CLI's command line, by botocore's
// rule (xform_name): CreateVirtualMFADevice is create-virtual-mfa-device.
func kebab(operation string) string {
	operation = wordStart.ReplaceAllString(operation, "$1-$2")
	return strings.ToLower(wordEnd.ReplaceAllString(operation, "$1-$2"))
}
