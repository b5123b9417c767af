package ftrace

import (
	"cmp"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
)

// maxFiles bounds the open files that are looked at for BPF programs.
const maxFiles = 32 << 10

// tracer is one kind of programs of the processes of one name.
type tracer struct{ process, kind string }

// search is a look at the open files of all processes.
type search struct {
	fsys fs.FS
	// left is how many files may still be looked at.
	left int
	// functions are the hooked ones by the trampoline that is called there.
	functions map[string]string
	programs  map[tracer]map[string]bool
	hooked    map[tracer]map[string]bool
}

// readTracers names the processes that hold BPF programs of a kind that goes into functions.
// It looks only if somebody is in a function by a trampoline or a probe, for it costs a look
// at every open file of the host. Such a file says of itself, in fdinfo:
//
//	link_type:	tracing
//	prog_id:	38
//	target_obj_id:	1
//	target_btf_id:	54477
//
// The targets, which newer kernels tell, make the number in the trampoline's name. Who has
// only pinned its programs, and holds no file, is not found.
func readTracers(fsys fs.FS, found *hotstick.TracingFacts) {
	s := search{fsys: fsys, left: maxFiles, functions: map[string]string{}, programs: map[tracer]map[string]bool{}, hooked: map[tracer]map[string]bool{}}
	probed := len(found.Kprobes) > 0
	for _, f := range found.Functions {
		for _, h := range f.Handlers {
			if strings.HasPrefix(h, trampoline) {
				s.functions[h] = f.Function
			}
			probed = probed || strings.HasPrefix(h, "fprobe_") || strings.HasPrefix(h, "kprobe_")
		}
	}
	if !probed && len(s.functions) == 0 {
		return
	}
	processes, err := fs.ReadDir(fsys, "proc")
	if err != nil {
		return
	}
	for _, p := range processes {
		if _, err := strconv.ParseUint(p.Name(), 10, 31); err == nil {
			s.process(path.Join("proc", p.Name()))
		}
	}
	s.tell(found)
}

// trampoline begins the name of what the kernel makes for BPF programs of one function.
const trampoline = "bpf_trampoline_"

// process looks at one process.
func (s *search) process(dir string) {
	files, err := fs.ReadDir(s.fsys, dir+"/fd")
	if err != nil {
		return // it has ended
	}
	comm := ""
	for _, f := range files {
		if s.left--; s.left < 0 {
			return
		}
		to, err := fs.ReadLink(s.fsys, dir+"/fd/"+f.Name())
		if err != nil || to != "anon_inode:bpf_link" && to != "anon_inode:bpf-prog" {
			continue
		}
		if comm == "" {
			comm = strings.TrimSpace(small(s.fsys, dir+"/comm"))
		}
		s.file(comm, small(s.fsys, dir+"/fdinfo/"+f.Name()))
	}
}

// file takes what one file says of itself.
func (s *search) file(comm, info string) {
	said := map[string]string{}
	for l := range strings.Lines(info) {
		name, value, _ := strings.Cut(l, ":")
		said[name] = strings.TrimSpace(value)
	}
	t := tracer{process: comm, kind: said["link_type"]}
	switch {
	case t.kind == hotstick.TracerTracing || t.kind == hotstick.TracerMulti:
	case said["prog_type"] == "2": // BPF_PROG_TYPE_KPROBE
		t.kind = hotstick.TracerKprobe
	default:
		return
	}
	if _, err := strconv.ParseUint(said["prog_id"], 10, 32); err != nil || comm == "" {
		return
	}
	if s.programs[t] == nil {
		s.programs[t], s.hooked[t] = map[string]bool{}, map[string]bool{}
	}
	s.programs[t][said["prog_id"]] = true
	object, err1 := strconv.ParseUint(said["target_obj_id"], 10, 32)
	id, err2 := strconv.ParseUint(said["target_btf_id"], 10, 31)
	if err1 != nil || err2 != nil {
		return
	}
	// The bit tells a function of the kernel from one of another BPF program.
	if f := s.functions[trampoline+strconv.FormatUint(object<<32|1<<31|id, 10)]; f != "" {
		s.hooked[t][f] = true
	}
}

// tell writes down what was found.
func (s *search) tell(found *hotstick.TracingFacts) {
	for t, programs := range s.programs {
		var functions []string
		for f := range s.hooked[t] {
			functions = append(functions, f)
		}
		slices.Sort(functions)
		found.Tracers = append(found.Tracers, hotstick.Tracer{Process: t.process, Kind: t.kind, Programs: len(programs),
			Functions: functions[:min(len(functions), hotstick.MaxTracerFunctions)]})
	}
	slices.SortFunc(found.Tracers, func(a, b hotstick.Tracer) int {
		return cmp.Or(strings.Compare(a.Process, b.Process), strings.Compare(a.Kind, b.Kind))
	})
	found.TracersPartial = s.left < 0 || len(found.Tracers) > hotstick.MaxTracers
	found.Tracers = found.Tracers[:min(len(found.Tracers), hotstick.MaxTracers)]
}

// small reads the beginning of a small file; empty if it cannot be read.
func small(fsys fs.FS, name string) string {
	f, err := fsys.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLine))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(data), "\ufffd")
}
