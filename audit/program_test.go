package audit_test

import (
	"testing"

	"github.com/lanyard-iam/lanyard/audit"
)

func TestProgram(t *testing.T) {
	for agent, want := range map[string]string{
		// Two runs of one AWS CLI, and one of another Python.
		"aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.1 lang/python#3.11.7 m/g,Z,b,D,N cfg/retry-mode#legacy botocore/1.43.11": "aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.1 lang/python#3.11.7 cfg/retry-mode#legacy botocore/1.43.11",
		"aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.1 lang/python#3.11.7 m/Z,N,b,D,g cfg/retry-mode#legacy botocore/1.43.11": "aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.1 lang/python#3.11.7 cfg/retry-mode#legacy botocore/1.43.11",
		"aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.1 lang/python#3.12.1 m/Z,N,b,D,g cfg/retry-mode#legacy botocore/1.43.11": "aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.1 lang/python#3.12.1 cfg/retry-mode#legacy botocore/1.43.11",
		"aws-cli/2.36.7 md/awscrt#0.27.2 ua/2.1 md/installer#exe md/prompt#off md/command#iam.list-users m/E":                           "aws-cli/2.36.7 md/awscrt#0.27.2 ua/2.1 md/installer#exe md/prompt#off",
		"aws-sdk-go-v2/1.39.0 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux api/iam#1.47.5 m/E,e":                                          "aws-sdk-go-v2/1.39.0 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux",
		"curl/8.5.0": "curl/8.5.0",
		"Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0",
		"":   "",
		"m/": "",
	} {
		if got := audit.Program(agent); got != want {
			t.Errorf("%q is the program %q", agent, got)
		}
	}
}
