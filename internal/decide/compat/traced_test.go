package compat_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
)

func TestAFunctionThatSomebodyElseHasTakenIsForeseen(t *testing.T) {
	const ioctl = "vmlinux:unix_ioctl"
	function := func(name string, handlers ...string) hotstick.TracedFunction {
		return hotstick.TracedFunction{Function: name, Users: 1, Modifies: true, Handlers: handlers}
	}
	for _, c := range []struct {
		name    string
		traced  hotstick.TracedFunction
		patches []hotstick.LoadedPatch
		want    string // the reason's detail; empty for none
	}{
		{"a probe with a post handler", function(ioctl, "kprobe_ftrace_handler"), nil, "by a kprobe with a post handler"},
		{"a BPF program on a kernel before 6.0", function(ioctl, "call_direct_funcs", "bpf_trampoline_6442505421"), nil,
			"by a BPF program, which this kernel lets beside no live patch (bpf_trampoline_6442505421)"},
		{"a BPF program of a process that is known", function(ioctl, "bpf_trampoline_7"), nil,
			"by a BPF program, which this kernel lets beside no live patch (bpf_trampoline_7), held by tetragon"},
		{"somebody else", function(ioctl, "my_handler"), nil, "by my_handler"},
		{"nobody knows who", function(ioctl), nil, "by somebody whom the kernel does not name"},
		{"a BPF program beside which a live patch may be", hotstick.TracedFunction{Function: ioctl, Users: 1, Direct: true}, nil, ""},
		{"another function", function("vmlinux:vfs_read", "kprobe_ftrace_handler"), nil, ""},
		{"a function of the same name in a module", function("nfs:unix_ioctl", "kprobe_ftrace_handler"), nil, ""},
		{"a live patch and a tracer", function(ioctl), []hotstick.LoadedPatch{{Module: "fix_1", State: hotstick.InEffect, Functions: []string{ioctl + ",1"}}}, ""},
		{"a live patch that is not listed", function(ioctl, "klp_ftrace_handler", "function_trace_call"), nil, ""},
		{"a live patch that is off", function(ioctl), []hotstick.LoadedPatch{{Module: "fix_1", State: hotstick.Disabled, Functions: []string{ioctl + ",1"}}},
			"by somebody whom the kernel does not name"},
	} {
		rules := compat.For(hotstick.Patch{Ref: fix(2), Driver: "klp", Replace: true, Functions: []string{"vmlinux:other", ioctl},
			Artifacts: []hotstick.Artifact{{Build: build}}}, func(string) bool { return true })
		h := ready()
		if len(c.traced.Handlers) == 1 && c.traced.Handlers[0] == "bpf_trampoline_7" {
			h.Facts.Tracing.Tracers = []hotstick.Tracer{{Process: "falco", Functions: []string{"vmlinux:vfs_read"}}, {Process: "tetragon", Functions: []string{ioctl}}}
		}
		h.Patches, h.Facts.Tracing.Functions = c.patches, []hotstick.TracedFunction{c.traced}
		got := hotstick.Reason{}
		if why := rules.Check(h); why != nil {
			got = *why
		}
		want := hotstick.Reason{}
		if c.want != "" {
			want = hotstick.Reason{Code: hotstick.ReasonFunctionTaken, Subject: ioctl, Detail: c.want}
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}
