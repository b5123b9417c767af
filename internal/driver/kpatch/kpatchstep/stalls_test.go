package kpatchstep_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

func mustRefuse(t *testing.T, err error, code hotstick.ReasonCode, retry bool) {
	t.Helper()
	var r *driver.Refusal
	if !errors.As(err, &r) || r.Reason.Code != code || r.Retry != retry {
		t.Errorf("want a refusal for %s (retry: %t), got %v", code, retry, err)
	}
}

// A package whose script fails is installed all the same; once nothing stalls, the level
// comes into effect without being installed again.
func TestInsideAPackageWhoseTransitionStalls(t *testing.T) {
	h := newHost(t, "rhel")
	good, stalling := h.offer("1-1", ".el9_2"), h.offer("1-3", ".el9_2")
	if err := h.new().Apply(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	end := rigtest.KeepBusy(t, h.modules)
	mustRefuse(t, h.new().Apply(t.Context(), stalling), hotstick.ReasonTransitionStalled, true)
	if now := rigtest.Kernel(t); !slices.Equal(now, []string{good.Module}) {
		t.Errorf("after the stall the kernel runs %v", now)
	}
	end()
	if err := h.new().Apply(t.Context(), stalling); err != nil {
		t.Fatal(err)
	}
	if now := rigtest.Kernel(t); !slices.Equal(now, []string{stalling.Module}) {
		t.Errorf("afterwards the kernel runs %v", now)
	}
}

func TestInsideAFileThatIsNotTheCatalogs(t *testing.T) {
	h := newHost(t, "fedora")
	recipe := h.keep("livepatch_fix_1")
	recipe.File = hotstick.NewDigest([]byte("another"))
	mustRefuse(t, h.new().Apply(t.Context(), recipe), hotstick.ReasonDigestMismatch, false)
	recipe.Module = "livepatch_fix_3"
	mustRefuse(t, h.new().Apply(t.Context(), recipe), hotstick.ReasonNoArtifact, false)
	if now := rigtest.Kernel(t); len(now) != 0 {
		t.Errorf("the kernel runs %v", now)
	}
}

// A module that somebody else has the same tool load is neither replaced nor taken out,
// whatever its name and wherever its file.
func TestInsideAnotherModuleOfTheSameToolIsLeftAlone(t *testing.T) {
	h := newHost(t, "fedora")
	ours, theirs := h.keep("livepatch_fix_1"), h.keep("livepatch_fix_2")
	if err := h.new().Apply(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	only := func(modules ...string) driver.Stepper { return h.new().(driver.Particular).Only(modules) }
	mustRefuse(t, only(ours.Module).Apply(t.Context(), ours), hotstick.ReasonForeignPatch, false)
	if err := only(ours.Module).Remove(t.Context(), ours); err != nil {
		t.Error(err)
	}
	if now := rigtest.Kernel(t); !slices.Equal(now, []string{theirs.Module}) {
		t.Errorf("the kernel runs %v", now)
	}
	// The level before is ours as well, and makes way.
	if err := only(ours.Module, theirs.Module).Apply(t.Context(), ours); err != nil {
		t.Error(err)
	}
	if now := rigtest.Kernel(t); !slices.Equal(now, []string{ours.Module}) {
		t.Errorf("the kernel runs %v", now)
	}
}

// What kpatch.service loads at each boot, it would load after a crash as well.
func TestInsideAModuleThatIsLoadedAtEachBootIsRefused(t *testing.T) {
	h := newHost(t, "fedora")
	recipe := h.keep("livepatch_fix_1")
	const wanted = "/etc/systemd/system/multi-user.target.wants/kpatch.service"
	rigtest.Write(t, wanted, "")
	mustRefuse(t, h.new().Apply(t.Context(), recipe), hotstick.ReasonOtherMaster, false)
	if now := rigtest.Kernel(t); len(now) != 0 {
		t.Errorf("the kernel runs %v", now)
	}
	if err := os.Remove(wanted); err != nil {
		t.Fatal(err)
	}
	if err := h.new().Apply(t.Context(), recipe); err != nil {
		t.Error(err)
	}
}

// A kernel can be locked while it runs, and never unlocked: this is the last test in a guest,
// where tests run in the order in which they stand.
func TestInsideZAKernelThatWantsSignatures(t *testing.T) {
	h := newHost(t, "rhel")
	if err := os.WriteFile("/sys/module/module/parameters/sig_enforce", []byte("Y"), 0); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, h.new().Apply(t.Context(), h.keep("livepatch_fix_1")), hotstick.ReasonSignature, false)
	mustRefuse(t, h.new().Apply(t.Context(), h.offer("1-1", ".el9_2")), hotstick.ReasonSignature, false)
	if now := rigtest.Kernel(t); len(now) != 0 {
		t.Errorf("the kernel runs %v", now)
	}
}
