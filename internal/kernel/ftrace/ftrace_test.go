package ftrace_test

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/ftrace"
)

// machine is a tree with the two lists; an empty one is not there.
func machine(functions, kprobes string) fs.FS {
	tree := fstest.MapFS{}
	for name, text := range map[string]string{"sys/kernel/tracing/enabled_functions": functions, "sys/kernel/debug/kprobes/list": kprobes} {
		if text != "" {
			tree[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return tree
}

// The lines are as Debian's kernels write them.
func TestWhoHasHookedInIsTold(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       []hotstick.TracedFunction
	}{
		{"a live patch alone", "unix_ioctl (1) R I     \ttramp: 0xffffffffc0605000 (klp_ftrace_handler+0x0/0x1a0) ->ftrace_ops_assist_func+0x0/0xf0\n", nil},
		{"a live patch alone, 6.12", "do_one_initcall (1)   I     M   tramp: 0xffffffffa0020000 (klp_ftrace_handler+0x0/0x258)->klp_ftrace_handler+0x0/0x258\n", nil},
		{"a live patch and a tracer", "vfs_read (2) R I     ->ftrace_ops_list_func+0x0/0x150\n",
			[]hotstick.TracedFunction{{Function: "vmlinux:vfs_read", Users: 2, Modifies: true}}},
		{"a probe with a post handler", "vfs_read (1) R I     \ttramp: 0xffffffffc0607000 (kprobe_ftrace_handler+0x0/0x1d0) ->ftrace_regs_call+0x5/0x8d\n",
			[]hotstick.TracedFunction{{Function: "vmlinux:vfs_read", Users: 1, Modifies: true, Handlers: []string{"kprobe_ftrace_handler"}}}},
		{"a BPF program in a module", "nfs_open [nfs] (1) R   D   \ttramp: ftrace_regs_caller+0x0/0x65 (call_direct_funcs+0x0/0x10)\n\tdirect-->bpf_trampoline_6442505421+0x0/0x1000\n",
			[]hotstick.TracedFunction{{Function: "nfs:nfs_open", Users: 1, Direct: true, Handlers: []string{"call_direct_funcs", "bpf_trampoline_6442505421"}}}},
		{"the function tracer", "schedule (1)           \ttramp: 0xffffffffc0609000 (function_trace_call+0x0/0x160) ->function_trace_call+0x0/0x160\n",
			[]hotstick.TracedFunction{{Function: "vmlinux:schedule", Users: 1, Handlers: []string{"function_trace_call"}}}},
		{"a clone of the compiler", "ip_rcv_core.isra.0 (1)           \ttramp: ERROR!\n", []hotstick.TracedFunction{{Function: "vmlinux:ip_rcv_core.isra.0", Users: 1}}},
		{"what is no line", "\x01\x02\n()\nx (y)\na b c (1)\n#### all functions enabled ####\n <b> (1)\n\tdirect-->x\n",
			[]hotstick.TracedFunction{{Function: "vmlinux:<b>", Users: 1, Handlers: []string{"x"}}}},
	} {
		found := ftrace.Read(machine(c.line, ""))
		if !reflect.DeepEqual(found.Functions, c.want) || !found.FunctionsRead || found.KprobesRead || found.MoreFunctions != 0 {
			t.Errorf("%s: %+v, want %+v", c.name, found, c.want)
		}
	}
}

func TestProbesAreTold(t *testing.T) {
	found := ftrace.Read(machine("", "ffffffff9c1b1230  k  vfs_read+0x0    [FTRACE]\n"+
		"ffffffff9c1b1240  r  vfs_read+0x0    [DISABLED][FTRACE]\n"+
		"ffffffffc0605054  k  nfs_open+0x14  nfs [OPTIMIZED]\n"+
		"ffffffffc0705054  k  gone_open+0x14  gone [GONE]\n"+
		"0000000000000000  k  0000000000000000 \n"+"nonsense\n"))
	want := []hotstick.Kprobe{{Function: "nfs:nfs_open", Offset: 0x14}, {Function: "vmlinux:vfs_read", ByFtrace: true},
		{Function: "vmlinux:vfs_read", Return: true, ByFtrace: true, Disabled: true}}
	if !reflect.DeepEqual(found.Kprobes, want) || !found.KprobesRead || found.FunctionsRead {
		t.Errorf("%+v, want %+v", found, want)
	}
}

func TestWhatNobodyMaySeeIsUnknown(t *testing.T) {
	if found := ftrace.Read(fstest.MapFS{}); !reflect.DeepEqual(found, hotstick.TracingFacts{}) {
		t.Errorf("%+v", found)
	}
}

func TestWhereTracefsIsMountedTheOldWayItIsRead(t *testing.T) {
	found := ftrace.Read(fstest.MapFS{"sys/kernel/debug/tracing/enabled_functions": {Data: []byte("vfs_read (1) R I\n")}})
	if len(found.Functions) != 1 || !found.Functions[0].Modifies {
		t.Errorf("%+v", found)
	}
}

// TestWhoTracesEverythingHidesNobody: of a list of every function those stay that a live
// patch cannot go into.
func TestWhoTracesEverythingHidesNobody(t *testing.T) {
	var functions, kprobes strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&functions, "f%05d (1)           \ttramp: 0xffffffffc0609000 (function_trace_call+0x0/0x160)\n", i)
	}
	functions.WriteString("vfs_read (1) R I     \ttramp: 0xffffffffc0607000 (kprobe_ftrace_handler+0x0/0x1d0)\n")
	functions.WriteString("vfs_write (1) R   D   \n\tdirect-->bpf_trampoline_1+0x0/0x1000\n")
	for i := range hotstick.MaxTraced + 3 {
		fmt.Fprintf(&kprobes, "ffffffff9c1b1230  k  f%03d+0x0    [FTRACE]\n", i)
	}
	found := ftrace.Read(machine(functions.String(), kprobes.String()))
	if f := found.Functions; len(f) != hotstick.MaxTraced || f[0].Function != "vmlinux:vfs_read" || f[1].Function != "vmlinux:vfs_write" || found.MoreFunctions != 60_002-hotstick.MaxTraced {
		t.Errorf("%d functions, %d more, first %+v", len(f), found.MoreFunctions, f[:2])
	}
	if len(found.Kprobes) != hotstick.MaxTraced || found.MoreKprobes != 3 {
		t.Errorf("%d probes, %d more", len(found.Kprobes), found.MoreKprobes)
	}
}

func TestALineWithoutAnEndIsNotReadOn(t *testing.T) {
	if found := ftrace.Read(machine("vfs_read (1) R I\n"+strings.Repeat("x", 1<<20), "")); found.FunctionsRead || len(found.Functions) != 1 {
		t.Errorf("%+v", found)
	}
}
