package link

import (
	"slices"

	"github.com/hotstick/hotstick"
)

// asOf returns the answer as a protocol has it. Fields are left out by their tags.
func (r Response) asOf(protocol int) Response {
	if protocol > 1 {
		return r
	}
	r.Reports = hotstick.ReportsInOldWords(r.Reports)
	r.Refusals = slices.Clone(r.Refusals)
	for i := range r.Refusals {
		r.Refusals[i].Reason = r.Refusals[i].Reason.InOldWords()
	}
	return r
}
