package compat

import (
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// taken foresees that the kernel refuses the patch with EBUSY: somebody else may change the
// way of one of its functions. A function that a live patch is in already is free for the
// next one, for live patching hooks into it once for all of them.
func taken(h Host, functions []string) *hotstick.Reason {
	for _, f := range h.Facts.Tracing.Functions {
		if f.Modifies && slices.Contains(functions, f.Function) && !livepatched(f, h.Patches) {
			return &hotstick.Reason{Code: hotstick.ReasonFunctionTaken, Subject: f.Function, Detail: "by " + hooks(f.Handlers) + holders(f.Function, h.Facts.Tracing.Tracers)}
		}
	}
	return nil
}

func livepatched(f hotstick.TracedFunction, patches []hotstick.LoadedPatch) bool {
	if slices.Contains(f.Handlers, "klp_ftrace_handler") {
		return true
	}
	for _, p := range patches {
		if p.State == hotstick.Disabled {
			continue
		}
		for _, in := range p.Functions {
			if name, _, _ := strings.Cut(in, ","); name == f.Function {
				return true
			}
		}
	}
	return false
}

// hooks says by the handlers' symbols who has hooked in.
func hooks(handlers []string) string {
	var who []string
	for _, h := range handlers {
		switch {
		case h == "kprobe_ftrace_handler":
			h = "a kprobe with a post handler"
		case h == "call_direct_funcs":
			continue // what it calls is named beside it
		case strings.HasPrefix(h, "bpf_trampoline_"):
			h = "a BPF program, which this kernel lets beside no live patch (" + h + ")"
		}
		who = append(who, h)
	}
	if len(who) == 0 {
		return "somebody whom the kernel does not name"
	}
	return strings.Join(who, ", ")
}

// holders names the processes of which the kernel tells that their programs are in a function.
func holders(function string, tracers []hotstick.Tracer) string {
	var who []string
	for _, t := range tracers {
		if slices.Contains(t.Functions, function) && !slices.Contains(who, t.Process) {
			who = append(who, t.Process)
		}
	}
	if len(who) == 0 {
		return ""
	}
	return ", held by " + strings.Join(who, ", ")
}
