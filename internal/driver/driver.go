// Package driver defines what Hotstick needs from one live-patch system.
//
// A driver has two halves. The [Observer] reads what is in effect and needs no
// privilege beyond reading; the agent uses it. The [Changer] loads, disables and
// unloads; only the loader and step units may import an implementation of it.
//
// Every call is idempotent: repeated, it ends in the same state. No call ever
// forces a transition, unloads what is enabled or in transition, or touches a
// patch that it was not asked for by name. The suite in drivertest holds every
// driver to this.
package driver

import (
	"context"
	"fmt"
	"os"

	"github.com/hotstick/hotstick"
)

// Observer reads one live-patch system's truth source.
type Observer interface {
	// Name is the driver's name as catalogs and plans write it, such as klp.
	Name() string
	// Capabilities says what the driver can do on this host, and why not.
	Capabilities(ctx context.Context) hotstick.Capabilities
	// Observe lists every live patch the system knows, ours or not. A patch
	// whose state cannot be read is listed as unknown; an error means that the
	// truth source itself cannot be read.
	Observe(ctx context.Context) ([]hotstick.LoadedPatch, error)
}

// Changer changes what the kernel runs. Load and Disable return once the
// transition has started; Observe tells when it ends.
type Changer interface {
	Observer
	// Load hands the module to the kernel. It returns nil if the module is
	// already enabled, and a [Refusal] if the kernel or a check says no; then
	// nothing has changed.
	Load(ctx context.Context, load Load) error
	// Disable starts the way out of one enabled patch, or reverses its running
	// transition. A patch that is not enabled is left alone.
	Disable(ctx context.Context, module string) error
	// Unload removes the code of a disabled patch from memory. It refuses while
	// the patch is enabled or in transition.
	Unload(ctx context.Context, module string) error
}

// Load is one module to load.
type Load struct {
	// Module is the name under which the kernel will list it.
	Module string
	// File holds the verified bytes. The driver loads this very file, so what
	// was hashed is what runs.
	File *os.File
	// Replaces lists the modules that this load may replace. A replace patch is
	// refused while any other patch is loaded.
	Replaces []string
	// Build is the kernel build the bytes were made for.
	Build hotstick.KernelBuild
	// Promised is the way back that the signed manifest promises; empty where nobody
	// asked. A file that shows a worse one is refused.
	Promised hotstick.Reversibility
}

// Refusal is the error of a driver that declined a change or whose kernel did.
// Nothing has changed in the kernel.
type Refusal struct {
	Reason hotstick.Reason
	// Retry: the cause may go away by itself, such as a foreign transition.
	Retry bool
}

// Error implements error.
func (r *Refusal) Error() string {
	text, _ := r.Reason.Code.Meaning()
	if r.Reason.Detail == "" {
		return fmt.Sprintf("cannot change the kernel: %s", text)
	}
	return fmt.Sprintf("cannot change the kernel: %s (%s)", text, r.Reason.Detail)
}

// Refuse makes a Refusal.
func Refuse(code hotstick.ReasonCode, format string, args ...any) *Refusal {
	return &Refusal{Reason: hotstick.Reason{Code: code, Detail: fmt.Sprintf(format, args...)}}
}

// Helper is a Changer that can help a transition to its end, without ever deciding how
// it ends.
type Helper interface {
	// Help does what a user of the kernel may do for the transition of the module. It
	// takes some seconds at most. Where there is nothing that helps it does nothing.
	Help(ctx context.Context, module string) error
}
