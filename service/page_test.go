package service

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/lanyard-iam/lanyard/arn"
	"pgregory.net/rapid"
)

// listInput is an input of a paginated operation.
type listInput struct {
	Prefix   *string
	Marker   *string
	MaxItems *int32
}

func testMarkers() *Markers { return NewMarkers([]byte("0123456789abcdef0123456789abcdef")) }

func callOf(account arn.AccountID) *Call {
	return &Call{Scope: arn.Scope{Partition: "aws", Account: account}}
}

// sorted is a List of strings, each its own cursor.
func sorted(items []string) List[string] {
	return func(after string, yield func(string, string) bool) error {
		for _, s := range items {
			if s > after && !yield(s, s) {
				break
			}
		}
		return nil
	}
}

// Walking a list in pages of any size shows each item once, in order, with markers
// that IAM's model admits.
func TestPagesAddUpToTheList(t *testing.T) {
	m, c := testMarkers(), callOf("111122223333")
	rapid.Check(t, func(t *rapid.T) {
		long := strings.Repeat("x", maxMarkerPosition-2)
		item := rapid.OneOf(rapid.StringN(1, 20, -1), rapid.Map(rapid.StringN(0, 6, -1), func(s string) string { return long + s }))
		items := rapid.SliceOfDistinct(item, rapid.ID[string]).Draw(t, "items")
		slices.Sort(items)
		in := &listInput{MaxItems: aws.Int32(rapid.Int32Range(1, 10).Draw(t, "size"))}
		var seen []string
		for {
			page, err := Page(c, m, in, sorted(items))
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Items) > int(*in.MaxItems) || page.IsTruncated != (page.Marker != nil) {
				t.Fatalf("page of %d: %+v", *in.MaxItems, page)
			}
			seen = append(seen, page.Items...)
			if !page.IsTruncated {
				break
			}
			if len(page.Items) == 0 || len(*page.Marker) > 320 {
				t.Fatalf("an empty page, or a marker of %d characters", len(*page.Marker))
			}
			in.Marker = page.Marker
		}
		if !slices.Equal(seen, items) {
			t.Fatalf("saw %q of %q", seen, items)
		}
	})
}

func TestPageByDefault(t *testing.T) {
	var items []string
	for i := range 101 {
		items = append(items, fmt.Sprintf("%03d", i))
	}
	page, err := Page(callOf("1"), testMarkers(), &listInput{}, sorted(items))
	if err != nil || len(page.Items) != DefaultMaxItems || !page.IsTruncated {
		t.Errorf("%d items, %v", len(page.Items), err)
	}
	// A list that just fills its page is complete.
	page, err = Page(callOf("1"), testMarkers(), &listInput{}, sorted(items[:100]))
	if err != nil || len(page.Items) != 100 || page.IsTruncated || page.Marker != nil {
		t.Errorf("%d items, truncated %v, %v", len(page.Items), page.IsTruncated, err)
	}
	page, err = Page(callOf("1"), testMarkers(), &listInput{}, sorted(nil))
	if err != nil || page.Items == nil || page.IsTruncated {
		t.Errorf("nothing: %#v, %v", page, err)
	}
}

func TestPageHandsOnTheListsError(t *testing.T) {
	broken := errors.New("broken")
	_, err := Page(callOf("1"), testMarkers(), &listInput{}, func(string, func(string, string) bool) error { return broken })
	if err != broken {
		t.Errorf("error = %v", err)
	}
}

// A list can end a page early, and is continued where it stopped.
func TestPageThatIsFull(t *testing.T) {
	items, seen, in := []string{"a", "b", "c", "d", "e"}, []string(nil), &listInput{}
	for range 3 {
		page, err := Page(callOf("1"), testMarkers(), in, func(after string, yield func(string, string) bool) error {
			yielded := 0
			for _, s := range items {
				if s <= after {
					continue
				}
				if yielded == 2 {
					return ErrPageFull
				}
				yield(s, s)
				yielded++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		seen, in.Marker = append(seen, page.Items...), page.Marker
	}
	if !slices.Equal(seen, items) || in.Marker != nil {
		t.Errorf("saw %q, marker %v", seen, in.Marker)
	}
}

// Tampered, foreign and truncated markers are refused.
func TestT397_MarkersAreAuthenticated(t *testing.T) {
	type otherInput listInput
	items := sorted([]string{"a", "b", "c"})
	m, c, one := testMarkers(), callOf("111122223333"), aws.Int32(1)
	page, err := Page(c, m, &listInput{Prefix: aws.String("/x/"), MaxItems: one}, items)
	if err != nil {
		t.Fatal(err)
	}
	marker := *page.Marker
	valid := func(what string, c *Call, m *Markers, in any, want bool) {
		t.Helper()
		_, err := Page(c, m, in, items)
		refusal, _ := errors.AsType[*Error](err)
		switch {
		case want && err != nil:
			t.Errorf("%s: %v", what, err)
		case !want && (refusal == nil || refusal.Code != "ValidationError" || refusal.Message != "Invalid Marker."):
			t.Errorf("%s: %v", what, err)
		}
	}
	with := func(marker string) *listInput { return &listInput{Prefix: aws.String("/x/"), Marker: &marker} }
	valid("its own list", c, m, with(marker), true)
	valid("the same key on another node", c, testMarkers(), with(marker), true)
	valid("another page size", c, m, &listInput{Prefix: aws.String("/x/"), Marker: &marker, MaxItems: aws.Int32(7)}, true)
	valid("another argument", c, m, &listInput{Prefix: aws.String("/y/"), Marker: &marker}, false)
	valid("no argument", c, m, &listInput{Marker: &marker}, false)
	valid("another operation", c, m, &otherInput{Prefix: aws.String("/x/"), Marker: &marker}, false)
	valid("another account", callOf("444455556666"), m, with(marker), false)
	valid("another key", c, NewMarkers([]byte("another key of this installation")), with(marker), false)
	for i := range marker {
		valid("cut", c, m, with(marker[:i]+"A"), marker[:i]+"A" == marker)
		flipped := []byte(marker)
		flipped[i] ^= 1
		valid("flipped", c, m, with(string(flipped)), false)
	}
	valid("extended", c, m, with(marker+"AAAA"), false)
	valid("garbage", c, m, with("not a marker"), false)
}

func FuzzMarkers(f *testing.F) {
	m := testMarkers()
	f.Add("list", "position", m.Make("list", "position"))
	f.Add("list", "", "")
	f.Add("li", "stposition", m.Make("list", "position"))
	f.Fuzz(func(t *testing.T, binding, position, marker string) {
		if got, err := m.Open(binding, m.Make(binding, position)); err != nil || got != position {
			t.Errorf("round trip of %q: %q, %v", position, got, err)
		}
		if got, err := m.Open(binding, marker); err == nil && m.Make(binding, got) != strings.NewReplacer("\r", "", "\n", "").Replace(marker) {
			t.Errorf("%q opens to %q, which has another marker", marker, got)
		}
	})
}

func BenchmarkPage(b *testing.B) {
	var items []string
	for i := range 200 {
		items = append(items, fmt.Sprintf("%03d", i))
	}
	m, c, list := testMarkers(), callOf("111122223333"), sorted(items)
	first, err := Page(c, m, &listInput{}, list)
	if err != nil {
		b.Fatal(err)
	}
	in := &listInput{Marker: first.Marker}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Page(c, m, in, list); err != nil {
			b.Fatal(err)
		}
	}
}
