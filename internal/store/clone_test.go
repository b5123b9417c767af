package store_test

import (
	"reflect"
	"testing"

	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/storetest"
)

// TestACloneSharesNothing fills every field, so a field that somebody adds and
// Clone forgets is found.
func TestACloneSharesNothing(t *testing.T) {
	sharesNothing[store.Host](t)
	sharesNothing[store.Plan](t)
	sharesNothing[store.PlanHost](t)
	sharesNothing[store.Event](t)
	sharesNothing[store.Ban](t)
	sharesNothing[store.Token](t)
	sharesNothing[store.Account](t)
	sharesNothing[store.Message](t)
	sharesNothing[store.Exclusion](t)
	sharesNothing[store.Freeze](t)
	sharesNothing[store.Statement](t)
	sharesNothing[store.Feed](t)
	sharesNothing[store.Refusal](t)
	sharesNothing[store.AdvisoryDocument](t)
	sharesNothing[store.SaidAnew](t)
	sharesNothing[store.Exposure](t)
}

func sharesNothing[T interface{ Clone() T }](t *testing.T) {
	t.Helper()
	original, want := storetest.Full[T](), storetest.Full[T]().Clone()
	clone := original.Clone()
	storetest.Spoil(original)
	if !reflect.DeepEqual(clone, want) {
		t.Errorf("a clone of %T changed with its original:\ngot  %+v\nwant %+v", clone, clone, want)
	}
	if !reflect.DeepEqual(want.Clone(), want) {
		t.Errorf("a clone of a clone of %T differs", want)
	}
}
