package probe

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel"
)

// leastForModules is the memory that must be left for a module, in bytes.
const leastForModules = 32 << 20

// modules says whether this kernel would still take a module, such as the one that takes
// a patch out again or brings the next. It loads nothing. What was so before the attempt
// is how this host is; what has changed since is not healthy.
type modules struct {
	root    fs.FS
	watched bool
	before  hotstick.SecurityFacts
}

// Ask implements [Asker].
func (m *modules) Ask(_ context.Context, watched bool) Answer {
	now := kernel.ModulePosture(m.root)
	if !watched || !m.watched {
		m.watched, m.before = watched, now
	}
	use, err := kernel.ReadMemory(m.root)
	switch {
	case err != nil:
		return Answer{Detail: clean(err)}
	case use.Available < leastForModules:
		return Answer{Detail: fmt.Sprintf("%.0f MiB of memory are left, and a module may need %d", use.Available/(1<<20), leastForModules>>20)}
	}
	if what := tightened(m.before, now); what != "" {
		return Answer{Detail: what + " since the attempt began"}
	}
	return Answer{Healthy: true, Detail: posture(now)}
}

func (m *modules) offered() error { _, err := kernel.ReadMemory(m.root); return err }

// tightened says what keeps more modules out now than before.
func tightened(before, now hotstick.SecurityFacts) string {
	switch {
	case on(now.ModulesDisabled) && !on(before.ModulesDisabled):
		return "the kernel takes no modules any more (kernel.modules_disabled is 1)"
	case on(now.SignatureEnforced) && !on(before.SignatureEnforced):
		return "the kernel takes signed modules only (sig_enforce is Y)"
	case strict(now.Lockdown) > strict(before.Lockdown):
		return "the kernel is locked down (" + now.Lockdown + ")"
	}
	return ""
}

// posture says what was so before any attempt; empty if nothing keeps modules out.
func posture(s hotstick.SecurityFacts) string {
	if on(s.ModulesDisabled) {
		return "the kernel takes no modules (kernel.modules_disabled is 1)"
	}
	return ""
}

func on(flag *bool) bool { return flag != nil && *flag }

// strict orders the kinds of lockdown.
func strict(lockdown string) int {
	switch lockdown {
	case "integrity":
		return 1
	case "confidentiality":
		return 2
	}
	return 0
}
