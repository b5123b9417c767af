package loader

import "github.com/hotstick/hotstick"

// Off says what switches Hotstick off on this host.
type Off struct {
	// By is [hotstick.OffByFile] or [hotstick.OffByCommandLine]; empty: nothing does.
	By string
	// Why is what a person wrote there; opaque.
	Why string
}

// off says why nothing may be changed on this host, nil if it may. It is asked anew
// for each step, for the switch is a file that a person makes in an emergency.
//
// What is off loads nothing, applies nothing again, and takes nothing out, whoever asks
// for it. One thing it does: an attempt that is under way when the file appears goes
// back first, for a patch on probation that nobody watches any more is the worst of
// both. On the kernel's command line the switch is there before any attempt is.
func (l *Loader) off() *hotstick.Reason {
	if l.cfg.Off == nil {
		return nil
	}
	off := l.cfg.Off()
	if off.By == "" {
		return nil
	}
	return &hotstick.Reason{Code: hotstick.ReasonSwitchedOff, Subject: off.By, Detail: clip(off.Why)}
}
