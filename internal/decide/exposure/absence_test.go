package exposure_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

func TestASilentHostMayRunAnotherProductsKernelByNow(t *testing.T) {
	x := exposure.Compile([]hotstick.Advisory{says(advisory("tracker", cve1, debian), hotstick.AdvisoryNotAffected)}, nil, nil)
	f := onHost(debian, "6.1.170-3")
	if fresh, silent := standing(x, f, true), standing(x, f, false); fresh != hotstick.NeverByVendor || silent != hotstick.UnknownSilent {
		t.Errorf("it is %s, and silent %s", fresh, silent)
	}
}
