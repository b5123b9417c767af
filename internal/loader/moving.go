package loader

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/failpoint"
)

// moving and moved are the points at which a loader may be killed before and after an
// attempt's next phase is durable.
func moving(to hotstick.HostState) {
	switch to {
	case hotstick.Probation:
		failpoint.Here(failpoint.LoaderTransitionEnded)
	case hotstick.Confirmed:
		failpoint.Here(failpoint.LoaderConfirmBeforeSave)
	case hotstick.Reverting:
		failpoint.Here(failpoint.LoaderRevertBeforeSave)
	case hotstick.Reverted:
		failpoint.Here(failpoint.LoaderRevertedBeforeSave)
	}
}

func moved(to hotstick.HostState) {
	switch to {
	case hotstick.Probation:
		failpoint.Here(failpoint.LoaderProbationAfterSave)
	case hotstick.Confirmed:
		failpoint.Here(failpoint.LoaderConfirmAfterSave)
	case hotstick.Reverting:
		failpoint.Here(failpoint.LoaderRevertAfterSave)
	case hotstick.Reverted:
		failpoint.Here(failpoint.LoaderRevertedAfterSave)
	}
}
