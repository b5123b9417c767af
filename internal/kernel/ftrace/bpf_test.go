package ftrace_test

import (
	"fmt"
	"io/fs"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/ftrace"
)

// host is a machine with processes; hold gives one of them a file.
type host fstest.MapFS

func newHost(functions, kprobes string) host {
	return host(machine(functions, kprobes).(fstest.MapFS))
}

func (h host) hold(pid, fd int, comm, to, info string) {
	dir := fmt.Sprintf("proc/%d/", pid)
	h[dir+"comm"] = &fstest.MapFile{Data: []byte(comm + "\n")}
	h[fmt.Sprintf("%sfd/%d", dir, fd)] = &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink}
	h[fmt.Sprintf("%sfdinfo/%d", dir, fd)] = &fstest.MapFile{Data: []byte("pos:\t0\nflags:\t02000000\n" + info)}
}

func (h host) read() hotstick.TracingFacts { return ftrace.Read(fstest.MapFS(h)) }

const (
	link    = "anon_inode:bpf_link"
	program = "anon_inode:bpf-prog"
	// nfsOpen is a function with a trampoline: 1<<32 | 1<<31 | 54477.
	nfsOpen = "nfs_open [nfs] (1) R   D   \ttramp: ftrace_regs_caller+0x0/0x65 (call_direct_funcs+0x0/0x10)\n\tdirect-->bpf_trampoline_6442505421+0x0/0x1000\n"
)

func TestWhoHoldsTheBPFProgramsIsNamed(t *testing.T) {
	h := newHost(nfsOpen, "ffffffff9c1b1230  k  vfs_read+0x0    [FTRACE]\n")
	h.hold(10, 5, "tetragon", link, "link_type:\ttracing\nlink_id:\t3\nprog_tag:\tf6\nprog_id:\t38\nattach_type:\t24\ntarget_obj_id:\t1\ntarget_btf_id:\t54477\n")
	h.hold(10, 6, "tetragon", link, "link_type:\ttracing\nprog_id:\t39\n") // a kernel that does not tell the target
	h.hold(10, 7, "tetragon", link, "link_type:\ttracing\nprog_id:\t39\n")
	h.hold(10, 8, "tetragon", link, "link_type:\tkprobe_multi\nprog_id:\t40\n")
	h.hold(11, 4, "falco", program, "prog_type:\t2\nprog_jited:\t1\nprog_id:\t50\n")
	h.hold(12, 4, "systemd", program, "prog_type:\t8\nprog_id:\t2\n")
	h.hold(13, 4, "cilium", link, "link_type:\ttcx\nprog_id:\t60\n")
	h.hold(14, 4, "evil", link, "link_type:\ttracing\nprog_id:\tx\n")
	h.hold(15, 4, "sh", "/dev/null", "link_type:\ttracing\nprog_id:\t70\n")
	want := []hotstick.Tracer{{Process: "falco", Kind: "kprobe", Programs: 1}, {Process: "tetragon", Kind: "kprobe_multi", Programs: 1},
		{Process: "tetragon", Kind: "tracing", Programs: 2, Functions: []string{"nfs:nfs_open"}}}
	if found := h.read(); !reflect.DeepEqual(found.Tracers, want) || found.TracersPartial {
		t.Errorf("%+v, want %+v", found.Tracers, want)
	}
}

func TestWhereNobodyIsInAFunctionNoFileIsLookedAt(t *testing.T) {
	h := newHost("unix_ioctl (1) R I     \ttramp: 0xffffffffc0605000 (klp_ftrace_handler+0x0/0x1a0)\n", "")
	h.hold(11, 4, "falco", program, "prog_type:\t2\nprog_id:\t50\n")
	if found := h.read(); found.Tracers != nil || found.TracersPartial {
		t.Errorf("%+v", found)
	}
}

func TestManyTracersAreBounded(t *testing.T) {
	h := newHost(nfsOpen, "")
	for i := range hotstick.MaxTracers + 1 {
		h.hold(100+i, 3, fmt.Sprintf("tracer-%02d", i), link, "link_type:\ttracing\nprog_id:\t1\n")
	}
	if found := h.read(); len(found.Tracers) != hotstick.MaxTracers || !found.TracersPartial {
		t.Errorf("%d tracers, partial: %v", len(found.Tracers), found.TracersPartial)
	}
}

func TestAHostOfManyOpenFilesIsNotLookedAtWhole(t *testing.T) {
	h := newHost(nfsOpen, "")
	for i := range 33_000 {
		h[fmt.Sprintf("proc/10/fd/%d", i)] = &fstest.MapFile{Data: []byte("/dev/null"), Mode: fs.ModeSymlink}
	}
	h.hold(20, 3, "last", link, "link_type:\ttracing\nprog_id:\t1\n")
	if found := h.read(); found.Tracers != nil || !found.TracersPartial {
		t.Errorf("%+v", found.Tracers)
	}
}
