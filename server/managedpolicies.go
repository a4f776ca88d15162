package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/store"
)

// ManagedPolicy is an AWS managed policy that is to take the place of the one in the
// catalogue, or to stand beside it, in all accounts of this installation.
type ManagedPolicy struct {
	Path        string                 `json:"path"`
	Name        string                 `json:"name"`
	ID          string                 `json:"id,omitempty"`
	Description string                 `json:"description,omitempty"`
	Created     time.Time              `json:"created"`
	Updated     time.Time              `json:"updated"`
	Default     string                 `json:"default"`
	Versions    []ManagedPolicyVersion `json:"versions"`
	// DryRun asks what would happen.
	DryRun bool `json:"dryRun,omitempty"`
}

// ManagedPolicyVersion is a version of an AWS managed policy.
type ManagedPolicyVersion struct {
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	Document string    `json:"document"`
}

// ManagedPolicyReply says what became of an AWS managed policy.
type ManagedPolicyReply struct {
	Result string `json:"result"` // created, updated or unchanged
	// Omitted counts versions that are not kept: the oldest, beyond AWS's five.
	Omitted int `json:"omitted,omitempty"`
}

const (
	// maxManagedBody bounds a request: a record is smaller.
	maxManagedBody = 16 << 20
	// maxManagedBytes bounds what is kept of one policy, less than store.MaxItemBytes,
	// since documents grow when they are quoted.
	maxManagedBytes = 512 << 10
	// maxManagedVersions is what AWS keeps of a policy.
	maxManagedVersions = 5
)

var (
	managedPath    = regexp.MustCompile(`^/([\x21-\x2E\x30-\x7E]+/)*$`)
	managedName    = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,128}$`)
	managedID      = regexp.MustCompile(`^ANPA[A-Z0-9]{12,124}$`)
	managedVersion = regexp.MustCompile(`^v[1-9][0-9]{0,8}$`)
)

// record checks a policy and makes a record of it.
func (p *ManagedPolicy) record() (place string, r *identity.ManagedPolicy, omitted int, err error) {
	switch {
	case !managedPath.MatchString(p.Path) || len(p.Path) > 512 || !managedName.MatchString(p.Name):
		return "", nil, 0, errors.New("no such path and name can be")
	case p.ID != "" && !managedID.MatchString(p.ID):
		return "", nil, 0, errors.New("the id is not one of a policy")
	case len(p.Description) > 1000:
		return "", nil, 0, errors.New("the description is too long")
	}
	place = p.Path + p.Name
	r = &identity.ManagedPolicy{ID: p.ID, Description: p.Description, Created: p.Created.UTC(), Updated: p.Updated.UTC(), Default: p.Default}
	if r.ID == "" {
		r.ID = awsmanaged.DerivedID(place)
	}
	versions := slices.Clone(p.Versions)
	for _, v := range versions {
		if !managedVersion.MatchString(v.ID) {
			return "", nil, 0, fmt.Errorf("%.40q is no version", v.ID)
		}
	}
	number := func(v ManagedPolicyVersion) int { n, _ := strconv.Atoi(v.ID[1:]); return n }
	// The one in force first, then the newest.
	slices.SortFunc(versions, func(a, b ManagedPolicyVersion) int {
		if x, y := a.ID == p.Default, b.ID == p.Default; x != y {
			return map[bool]int{true: -1, false: 1}[x]
		}
		return number(b) - number(a)
	})
	if len(versions) == 0 || versions[0].ID != p.Default {
		return "", nil, 0, errors.New("the default version is not among the versions")
	}
	size := 0
	for i, v := range versions {
		if slices.ContainsFunc(versions[:i], func(o ManagedPolicyVersion) bool { return o.ID == v.ID }) {
			return "", nil, 0, fmt.Errorf("version %s is there twice", v.ID)
		}
		if size += len(v.Document); i >= maxManagedVersions || size > maxManagedBytes && i > 0 {
			omitted = len(versions) - i
			break
		}
		if size > maxManagedBytes {
			return "", nil, 0, fmt.Errorf("the document is longer than %d bytes", maxManagedBytes)
		}
		// Judged by the text without white space, as those of the catalogue.
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(v.Document)); err != nil {
			return "", nil, 0, fmt.Errorf("version %s is not JSON: %v", v.ID, err)
		}
		if _, err := policy.Parse(compact.String(), policy.ManagedPolicy); err != nil {
			return "", nil, 0, fmt.Errorf("version %s: %v", v.ID, err)
		}
		r.Versions = append(r.Versions, identity.ManagedPolicyVersion{ID: v.ID, Created: v.Created.UTC(), Document: compact.String()})
	}
	slices.SortFunc(r.Versions, func(a, b identity.ManagedPolicyVersion) int {
		return number(ManagedPolicyVersion{ID: a.ID}) - number(ManagedPolicyVersion{ID: b.ID})
	})
	return place, r, omitted, nil
}

func (s *Server) serveManagedPolicy(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManagedBody))
	if err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	var in ManagedPolicy
	if err := json.Unmarshal(body, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	place, record, omitted, err := in.record()
	if err != nil {
		localError(w, http.StatusBadRequest, fmt.Sprintf("policy %.200q: %v", in.Path+in.Name, err))
		return
	}
	reply := ManagedPolicyReply{Omitted: omitted}
	put := s.putManagedPolicy
	if in.DryRun {
		put = s.tryManagedPolicy
	}
	if reply.Result, err = put(r.Context(), place, record, r.Context().Value(peerKey{}).(peer)); err != nil {
		s.log.Error("import a managed policy", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	localReply(w, reply)
}

// compareManaged tells what importing a policy does.
func (s *Server) compareManaged(r store.Reader, place string, record *identity.ManagedPolicy) (string, error) {
	have, err := identity.FindManaged(r, s.managed, "arn:aws:iam::aws:policy"+place)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "created", nil
	case err != nil:
		return "", err
	}
	content := have.Content()
	for _, v := range record.Versions {
		old, ok := content.Version(v.ID)
		if !ok {
			return "updated", nil
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(old.Document)); err != nil || compact.String() != v.Document {
			return "updated", nil
		}
	}
	if content.Default().ID != record.Default {
		return "updated", nil
	}
	return "unchanged", nil
}

func (s *Server) tryManagedPolicy(ctx context.Context, place string, record *identity.ManagedPolicy, _ peer) (result string, err error) {
	err = s.store.View(ctx, func(r store.Reader) (err error) {
		result, err = s.compareManaged(r, place, record)
		return err
	})
	return result, err
}

// putManagedPolicy stores a policy, with a record in the trail of every account: what
// the policy allows concerns them all.
func (s *Server) putManagedPolicy(ctx context.Context, place string, record *identity.ManagedPolicy, who peer) (result string, err error) {
	now := s.clock.Now().UTC()
	err = s.store.Update(ctx, func(tx store.Tx) (err error) {
		if result, err = s.compareManaged(tx, place, record); err != nil || result == "unchanged" {
			return err
		}
		if err := identity.ManagedPolicies.Put(tx, record, place); err != nil {
			return err
		}
		name := "arn:" + string(arn.PartitionOf(s.config.Region)) + ":iam::aws:policy" + place
		for _, account := range s.Accounts() {
			e := s.localEvent(account, "iam.amazonaws.com", "ImportManagedPolicy", now)
			e.Type = "AwsServiceEvent"
			e.Resources = []audit.Resource{{ARN: name, Type: "AWS::IAM::Policy"}}
			if e.Additional, err = json.Marshal(map[string]any{
				"localUser": loginName(who.uid), "localUid": who.uid, "result": result, "defaultVersionId": record.Default,
			}); err != nil {
				return err
			}
			if err := s.trail.AppendTo(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	return result, err
}
