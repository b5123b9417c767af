package wire

import (
	"slices"

	"github.com/hotstick/hotstick"
)

// asOf returns the check-in as a protocol has it. Fields are left out by their tags.
func (m *SyncRequest) asOf(protocol int) *SyncRequest {
	if protocol > 1 {
		return m
	}
	old := *m
	old.Reports = hotstick.ReportsInOldWords(m.Reports)
	old.Loader.Refusals = slices.Clone(m.Loader.Refusals)
	for i := range old.Loader.Refusals {
		old.Loader.Refusals[i].Reason = old.Loader.Refusals[i].Reason.InOldWords()
	}
	return &old
}
