package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/server"
)

func newWhy() *cobra.Command {
	var (
		p      place
		last   bool
		output string
	)
	cmd := &cobra.Command{
		Use:   "why [REQUEST-ID]",
		Short: "Explain why a request was allowed or denied",
		Long: `Explain a request: which kind of policy decided, which policy and statement,
which conditions with the values seen, and the smallest change that would have
altered the answer. It tells what was true when the request was made.

The request id is in the x-amzn-RequestId header of every answer (aws --debug
shows it), in error bodies and in the trail. --last takes the last denial.
Exit code 0: it was allowed, 1: it was denied or failed.`,
		Example: `  lanyard why --last
  lanyard why 7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11 --output json`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if last == (len(args) == 1) {
				return usageError("say which request: its id, or --last for the last denial")
			}
			if output != "" && output != "json" {
				return usageError("--output %q: say json, or nothing", output)
			}
			running, err := p.connect()
			if err != nil {
				return err
			}
			path := "/why"
			if len(args) == 1 {
				path += "?id=" + url.QueryEscape(args[0])
			}
			var reply server.WhyReply
			if err := running.call(cmd.Context(), http.MethodGet, path, nil, &reply); err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			var r record
			if err := json.Unmarshal(reply.Record, &r); err != nil {
				return fmt.Errorf("the record: %w", err)
			}
			if output == "json" {
				err = json.NewEncoder(w).Encode(reply)
			} else {
				err = explain(w, r, reply)
			}
			if err == nil && r.ErrorCode != "" {
				err = &failure{code: exitNo, err: errNo{}}
			}
			return err
		},
	}
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	cmd.Flags().BoolVar(&last, "last", false, "the last request that was denied")
	cmd.Flags().StringVar(&output, "output", "", "`format`: json, the record and the whole trace")
	return cmd
}

// errNo is the answer "no", which was printed already.
type errNo struct{}

func (errNo) Error() string { return "" }

// record is what is shown of CloudTrail's record.
type record struct {
	EventTime    time.Time `json:"eventTime"`
	EventSource  string    `json:"eventSource"`
	EventName    string    `json:"eventName"`
	RequestID    string    `json:"requestID"`
	SourceIP     string    `json:"sourceIPAddress"`
	ErrorCode    string    `json:"errorCode"`
	ErrorMessage string    `json:"errorMessage"`
	UserIdentity struct {
		ARN       string `json:"arn"`
		InvokedBy string `json:"invokedBy"`
	} `json:"userIdentity"`
}

// explain prints a record and what decided it for a person. What callers sent is in it,
// too: it is kept from the terminal's control.
func explain(out io.Writer, r record, reply server.WhyReply) error {
	w := new(strings.Builder)
	if err := writeExplanation(w, r, reply); err != nil {
		return err
	}
	_, err := io.WriteString(out, policy.Printable(w.String()))
	return err
}

func writeExplanation(w io.Writer, r record, reply server.WhyReply) error {
	fmt.Fprintf(w, "request %s  %s  from %s\n\n", r.RequestID, humanize.RelTime(r.EventTime, reply.Now, "ago", "ahead"), r.SourceIP)
	if d := reply.Decision; d != nil && len(d.Trace) > 0 {
		var t policy.Trace
		if err := json.Unmarshal(d.Trace, &t); err != nil {
			return fmt.Errorf("the trace: %w", err)
		}
		return t.Render(w)
	}
	who := r.UserIdentity.ARN
	if who == "" {
		who = r.UserIdentity.InvokedBy
	}
	answer := "ALLOWED"
	if r.ErrorCode != "" {
		answer = "FAILED"
	}
	fmt.Fprintf(w, "%s  %s of %s\n", answer, r.EventName, r.EventSource)
	if who != "" {
		fmt.Fprintf(w, "  by    %s\n", who)
	}
	if r.ErrorCode != "" {
		fmt.Fprintf(w, "\n  → %s: %s\n", r.ErrorCode, r.ErrorMessage)
	}
	d := reply.Decision
	if d == nil {
		return nil
	}
	fmt.Fprintf(w, "\n  %s on %s: %s\n", d.Action, d.Resource, decidedBy(d))
	switch g := d.Grounds; {
	case d.Sole:
		fmt.Fprintf(w, "\n  Smallest change that would have denied it:\n    - take it out of that statement: nothing else allowed it\n")
	case g != nil && len(g.Statements) > 0:
		fmt.Fprintf(w, "\n%s", g.Render())
	}
	return nil
}

func decidedBy(d *audit.Decision) string {
	if d.Policy == "" {
		return "allowed (" + d.Layer + ")"
	}
	text := fmt.Sprintf("allowed by statement %d", d.Index)
	if d.Sid != "" {
		text += " (" + d.Sid + ")"
	}
	text += " of " + d.Policy
	if d.Owner != "" {
		text += ", attached to " + d.Owner
	}
	return text
}
