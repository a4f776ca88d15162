package survey

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// Ours has the surveyor take from our own service what AWS's API does not have: a
// credential report of this moment, the sign-in rules, and the suppressions.
func (s *Surveyor) Ours(client *lanyard.Client) {
	s.Report = func(ctx context.Context) (string, time.Time, time.Time, error) {
		text, at, err := freshReport(ctx, client)
		return text, at, at, err
	}
	s.Now = func(context.Context) (time.Time, error) { return client.Now(), nil }
	s.More = func(ctx context.Context, f *advisor.Facts) error {
		out, err := lanyard.Call[lanyard.GetSignInRulesOutput](ctx, client, &lanyard.GetSignInRulesInput{})
		if err != nil {
			return err
		}
		f.MFARequired = out.Rules.MFARequired
		return nil
	}
	s.Credentials = func(ctx context.Context, devices bool) (map[string]*Held, error) {
		return credentials(ctx, client, devices)
	}
	s.Suppressions = func(ctx context.Context) ([]advisor.Suppression, error) { return Suppressions(ctx, client) }
}

// freshReport joins the pieces of a credential report, under the first heading. Its moment
// is that of the first piece.
func freshReport(ctx context.Context, client *lanyard.Client) (string, time.Time, error) {
	var (
		text strings.Builder
		at   time.Time
	)
	for in := (&lanyard.GetFreshCredentialReportInput{}); ; {
		out, err := lanyard.Call[lanyard.GetFreshCredentialReportOutput](ctx, client, in)
		if err != nil {
			return "", time.Time{}, err
		}
		piece := *out.Content
		if in.Marker == nil {
			at = *out.GeneratedTime
		} else {
			_, piece, _ = strings.Cut(piece, "\n")
		}
		if text.Len()+len(piece) > maxReportBytes {
			return "", time.Time{}, fmt.Errorf("it has more than %d bytes", maxReportBytes)
		}
		text.WriteString(piece)
		if in.Marker = out.Marker; in.Marker == nil {
			return text.String(), at, nil
		}
	}
}

// credentials are the keys, and devices if asked, of all users, by name.
func credentials(ctx context.Context, client *lanyard.Client, devices bool) (map[string]*Held, error) {
	all := map[string]*Held{}
	for in := (&lanyard.ListCredentialsInput{MFADevices: &devices}); ; {
		out, err := lanyard.Call[lanyard.ListCredentialsOutput](ctx, client, in)
		if err != nil {
			return nil, err
		}
		for _, u := range out.Users {
			h := &Held{}
			for _, k := range u.AccessKeys {
				h.Keys = append(h.Keys, advisor.Key{ID: *k.AccessKeyId, Active: *k.Active, Created: k.CreateDate.UTC().Truncate(time.Second)})
			}
			for _, d := range u.MFADevices {
				h.Devices = append(h.Devices, advisor.Device{Serial: *d.SerialNumber, Enabled: d.EnableDate.UTC().Truncate(time.Second)})
			}
			all[*u.UserName] = h
		}
		if in.Marker = out.Marker; in.Marker == nil {
			return all, nil
		}
	}
}

// maxSuppressionPages bounds what is read of them: an account can have 10,000.
const maxSuppressionPages = 200

// Suppressions are the findings of the client's account that somebody accepted.
func Suppressions(ctx context.Context, client *lanyard.Client) ([]advisor.Suppression, error) {
	list := []advisor.Suppression{}
	in := &lanyard.ListSuppressionsInput{}
	for range maxSuppressionPages {
		out, err := lanyard.Call[lanyard.ListSuppressionsOutput](ctx, client, in)
		if err != nil {
			return nil, err
		}
		list = append(list, Accepted(out.Suppressions)...)
		if in.Marker = out.Marker; in.Marker == nil {
			break
		}
	}
	return list, nil
}

// Accepted are suppressions as the advisor knows them.
func Accepted(answer []lanyard.Suppression) []advisor.Suppression {
	list := make([]advisor.Suppression, 0, len(answer))
	for _, s := range answer {
		list = append(list, advisor.Suppression{ID: *s.FindingId, ARN: *s.Arn, Reason: *s.Reason, By: *s.By, At: *s.Created, Until: *s.Until})
	}
	return list
}
