package memory_test

import (
	"testing"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
	"github.com/lanyard-iam/lanyard/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		Open: func(testing.TB) store.Store { return memory.New() },
	})
}
