// Package ftrace reads who has hooked into functions of the running kernel: by ftrace, of
// which a live patch is one user among others, and by kprobes. It only reads, and only root
// is shown it.
//
// # What is read
//
//	/sys/kernel/tracing/enabled_functions  functions that somebody has hooked into
//	/sys/kernel/debug/kprobes/list         probes
//	/proc/PID/fd, fdinfo                   who holds BPF programs that go into functions
//
// A line of the first is a function, how many have hooked into it, flags and, where the
// kernel can tell, the handlers; a direct call stands on a line of its own:
//
//	vfs_read (2) R I     ->ftrace_ops_list_func+0x0/0x150
//	nfs_open [nfs] (1)     D   	tramp: 0xffffffffc0605000 (call_direct_funcs+0x0/0x20)
//		direct-->bpf_trampoline_6442505421+0x0/0x1000
//
// The flag I says that one of them may change where the function goes on. The kernel lets
// only one of them do that, and a live patch is such a one. What a live patch alone has
// hooked into is left out: it stands among the live patches.
//
// # What it costs
//
// The kernel makes the first list under the lock that hooking in takes. It is short unless
// somebody traces every function; then it has some ten thousand lines, of which those that
// change a function's way are kept first. Open files are looked at only where somebody is in
// a function, and at most 32,768 of them.
//
// # What is not told
//
// Which process owns a probe, or a BPF program that is pinned only; whether a BPF program on a probe overrides
// what its function returns; and whether a probe has a post handler, but for one at a
// function's entry by the flag I.
package ftrace

import (
	"bufio"
	"cmp"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
)

// Limits of what is read.
const (
	// maxRead bounds each file, in bytes; what comes after that is not counted either.
	maxRead = 16 << 20
	// maxLine bounds a line; a longer one ends the reading.
	maxLine = 4 << 10
	// maxName bounds the name of a function or handler; a longer one is malformed.
	maxName = 512
)

// Read looks at the machine whose root is fsys.
func Read(fsys fs.FS) hotstick.TracingFacts {
	var found hotstick.TracingFacts
	readFunctions(fsys, &found)
	readKprobes(fsys, &found)
	readTracers(fsys, &found)
	return found
}

// lines hands every line of the first of the files that is there to take, and reports
// whether it came to the file's end.
func lines(fsys fs.FS, take func(string), names ...string) bool {
	for _, name := range names {
		f, err := fsys.Open(name)
		if err != nil {
			continue
		}
		defer f.Close()
		limited := &io.LimitedReader{R: f, N: maxRead}
		s := bufio.NewScanner(limited)
		s.Buffer(make([]byte, 0, maxLine), maxLine)
		for s.Scan() {
			take(s.Text())
		}
		return s.Err() == nil
	}
	return false
}

// readFunctions reads the functions that are hooked into.
func readFunctions(fsys fs.FS, found *hotstick.TracingFacts) {
	var kinds [3][]hotstick.TracedFunction
	total := 0
	var last *hotstick.TracedFunction
	end := func() {
		if last == nil || onlyLivepatch(*last) {
			return
		}
		total++
		if k := kind(*last); len(kinds[k]) < hotstick.MaxTraced {
			kinds[k] = append(kinds[k], *last)
		}
	}
	found.FunctionsRead = lines(fsys, func(l string) {
		if direct, is := strings.CutPrefix(strings.TrimLeft(l, "\t "), "direct-->"); is {
			if last != nil {
				addHandler(last, direct)
			}
			return
		}
		end()
		last = traced(l)
	}, "sys/kernel/tracing/enabled_functions", "sys/kernel/debug/tracing/enabled_functions")
	end()
	for _, list := range kinds {
		slices.SortFunc(list, func(a, b hotstick.TracedFunction) int {
			return cmp.Or(strings.Compare(a.Function, b.Function), cmp.Compare(a.Users, b.Users))
		})
		found.Functions = append(found.Functions, list...)
	}
	found.Functions = found.Functions[:min(len(found.Functions), hotstick.MaxTraced)]
	found.MoreFunctions = total - len(found.Functions)
}

// kind orders functions by how much they matter to a live patch.
func kind(f hotstick.TracedFunction) int {
	switch {
	case f.Modifies:
		return 0
	case f.Direct:
		return 1
	}
	return 2
}

// onlyLivepatch reports whether nobody but live patching has hooked in.
func onlyLivepatch(f hotstick.TracedFunction) bool {
	return f.Users == 1 && slices.Equal(f.Handlers, []string{"klp_ftrace_handler"})
}

// traced reads a line of a function; nil if it is none.
func traced(l string) *hotstick.TracedFunction {
	name, rest, found := strings.Cut(l, " (")
	count, rest, closed := strings.Cut(rest, ")")
	users, err := strconv.ParseUint(count, 10, 31)
	function := object(name)
	if !found || !closed || err != nil || function == "" {
		return nil
	}
	f := &hotstick.TracedFunction{Function: function, Users: int(users)}
	flags := rest
	for _, next := range []string{"\t", "->", "tramp:", "ops:"} {
		flags, _, _ = strings.Cut(flags, next)
	}
	for _, flag := range strings.Fields(flags) {
		f.Modifies = f.Modifies || flag == "I"
		f.Direct = f.Direct || flag == "D"
	}
	// Handlers stand in parentheses behind their trampoline, as SYMBOL+OFFSET/SIZE.
	for i, part := range strings.Split(rest[len(flags):], "(") {
		if i > 0 {
			addHandler(f, part)
		}
	}
	return f
}

// object makes OBJECT:FUNCTION of "FUNCTION" or "FUNCTION [MODULE]"; empty if it is neither.
func object(name string) string {
	function, module, is := strings.Cut(strings.TrimSpace(name), " [")
	if !is {
		module = "vmlinux]"
	}
	module, closed := strings.CutSuffix(module, "]")
	if !closed || !symbol(function) || !symbol(module) {
		return ""
	}
	return module + ":" + function
}

func addHandler(f *hotstick.TracedFunction, text string) {
	end := strings.IndexAny(text, "+)")
	if end < 0 {
		end = len(text)
	}
	if name := text[:end]; symbol(name) && !slices.Contains(f.Handlers, name) && len(f.Handlers) < hotstick.MaxHandlers {
		f.Handlers = append(f.Handlers, name)
	}
}

// symbol reports whether a text can be the name of a function; an address is none.
func symbol(s string) bool {
	if s == "" || len(s) > maxName || strings.HasPrefix(s, "0x") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '(' || r == ')' })
}

// readKprobes reads the probes, without those whose code is gone. Lines are such as
//
//	ffffffff9c1b1230  k  do_sys_open+0x0    [FTRACE]
//	ffffffffc0605040  r  nfs_open+0x14  nfs [DISABLED]
func readKprobes(fsys fs.FS, found *hotstick.TracingFacts) {
	var probes []hotstick.Kprobe
	more := 0
	found.KprobesRead = lines(fsys, func(l string) {
		p, ok := kprobe(l)
		switch {
		case !ok:
		case len(probes) < hotstick.MaxTraced:
			probes = append(probes, p)
		default:
			more++
		}
	}, "sys/kernel/debug/kprobes/list")
	slices.SortFunc(probes, func(a, b hotstick.Kprobe) int {
		return cmp.Or(strings.Compare(a.Function, b.Function), cmp.Compare(a.Offset, b.Offset), compareReturn(a, b))
	})
	found.Kprobes, found.MoreKprobes = probes, more
}

func compareReturn(a, b hotstick.Kprobe) int {
	switch {
	case a.Return == b.Return:
		return 0
	case a.Return:
		return 1
	}
	return -1
}

// kprobe reads a line; false if it is malformed, or of a probe whose code is gone.
func kprobe(l string) (hotstick.Kprobe, bool) {
	words, marks, _ := strings.Cut(l, "[")
	fields := strings.Fields(words)
	if len(fields) < 3 || len(fields) > 4 || fields[1] != "k" && fields[1] != "r" || strings.Contains(marks, "GONE]") {
		return hotstick.Kprobe{}, false
	}
	name, hex, found := strings.Cut(fields[2], "+0x")
	offset, err := strconv.ParseUint(hex, 16, 31)
	if !found || err != nil {
		return hotstick.Kprobe{}, false
	}
	if len(fields) == 4 {
		name += " [" + fields[3] + "]"
	}
	function := object(name)
	return hotstick.Kprobe{Function: function, Offset: int(offset), Return: fields[1] == "r",
		ByFtrace: strings.Contains(marks, "FTRACE]"), Disabled: strings.Contains(marks, "DISABLED]")}, function != ""
}
