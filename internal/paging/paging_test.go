package paging

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
)

type (
	option    struct{}
	markedIn  struct{ Marker *string }
	markedOut struct {
		Marker *string
		Page   int
	}
	tokenIn  struct{ NextToken *string }
	tokenOut struct {
		NextToken *string
		Page      int
	}
)

// pages answers with three pages, of which the second is empty of everything but its marker.
func next(marker *string) (page int, following *string) {
	if marker != nil {
		page, _ = strconv.Atoi(*marker)
	}
	page++
	if page < 3 {
		text := strconv.Itoa(page)
		following = &text
	}
	return page, following
}

func TestPages(t *testing.T) {
	in := &markedIn{}
	p := Of(func(_ context.Context, in *markedIn, _ ...func(*option)) (*markedOut, error) {
		page, following := next(in.Marker)
		return &markedOut{following, page}, nil
	}, in)
	var seen []int
	for p.HasMorePages() {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, out.Page)
	}
	if !slices.Equal(seen, []int{1, 2, 3}) || in.Marker != nil {
		t.Errorf("pages %v; the input has %v", seen, in.Marker)
	}

	q := Of(func(_ context.Context, in *tokenIn, _ ...func(*option)) (*tokenOut, error) {
		page, following := next(in.NextToken)
		if page == 2 {
			return nil, errors.New("refused")
		}
		return &tokenOut{following, page}, nil
	}, &tokenIn{})
	if out, err := q.NextPage(t.Context()); err != nil || out.Page != 1 || !q.HasMorePages() {
		t.Errorf("first page: %v %v", out, err)
	}
	if _, err := q.NextPage(t.Context()); err == nil || !q.HasMorePages() {
		t.Error("an error does not end the list: it can be asked for again")
	}
}
