package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/advisor"
)

// TestTheQuestions: answers are numbers or words, nothing takes the default, nonsense is
// asked again, and what flags say is not asked.
func TestTheQuestions(t *testing.T) {
	var out bytes.Buffer
	s, err := situation(advisor.Answers{}, "app", strings.NewReader("2\nnowhere\n3\n\nlong\n1\n"), &out)
	if err != nil || !s.Workload || s.Where != advisor.Container || !s.Reaches || s.Lasting.String() != "1h0m0s" {
		t.Errorf("%+v, %v\n%s", s, err, out.String())
	}
	if strings.Contains(out.String(), "browser") || strings.Count(out.String(), "Where does it run?") != 2 {
		t.Errorf("asked:\n%s", out.String())
	}
	out.Reset()
	s, err = situation(advisor.Answers{"who": "person", "where": "machine", "browser": "yes", "reaches": "no", "lasting": "8h"}, "alice", strings.NewReader(""), &out)
	if err != nil || s.Workload || !s.Browser || s.Reaches || out.Len() > 0 {
		t.Errorf("%+v, %v, asked %q", s, err, out.String())
	}
	for _, in := range []string{"", "1\n", "x\nx\nx\nx\nx\n"} {
		if s, err := situation(advisor.Answers{}, "app", strings.NewReader(in), &out); err == nil {
			t.Errorf("%q: %+v", in, s)
		}
	}
}
