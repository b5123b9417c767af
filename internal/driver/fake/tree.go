package fake

import (
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"testing/fstest"

	"github.com/hotstick/hotstick"
)

// FS returns the machine's file tree, as far as package kernel reads it: /proc,
// /sys with the live patches, and the crash record in pstore. Each opening of a
// file or directory shows the state of that moment. While the machine is down
// nothing can be opened.
func (k *Kernel) FS() fs.FS { return tree{k} }

type tree struct{ k *Kernel }

// Open implements [fs.FS].
func (t tree) Open(name string) (fs.File, error) {
	t.k.enter()
	defer t.k.leave()
	if t.k.down {
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrDown}
	}
	return t.k.render().Open(name)
}

// render draws the tree. It is small, so it is drawn whole.
func (k *Kernel) render() fstest.MapFS {
	files := map[string]string{
		"proc/sys/kernel/random/boot_id":           k.bootID(),
		"proc/sys/kernel/hostname":                 k.cfg.Name,
		"proc/sys/kernel/osrelease":                k.cfg.Build.Release,
		"proc/sys/kernel/arch":                     k.cfg.Build.Arch,
		"proc/sys/kernel/version":                  "#1 SMP PREEMPT_DYNAMIC simulated",
		"proc/sys/kernel/tainted":                  strconv.FormatUint(k.taint, 10),
		"proc/sys/kernel/modules_disabled":         "0",
		"proc/cmdline":                             "simulated",
		"proc/stat":                                fmt.Sprintf("cpu 0 0\nbtime %d", k.bootedAt.Unix()),
		"proc/modules":                             k.renderModules(),
		"sys/kernel/security/lockdown":             "[none] integrity confidentiality",
		"sys/module/module/parameters/sig_enforce": "N",
		"sys/kernel/notes":                         gnuNote(k.cfg.Build.BuildID),
	}
	k.renderPatches(files)
	k.renderSleeper(files)
	if k.crash != nil {
		files["sys/fs/pstore/dmesg-ramoops-0"] = "Panic#1 Part1\n" + k.crash.Trace
	}
	maps.Copy(files, k.cfg.Files)
	fsys := fstest.MapFS{
		"sys/kernel/livepatch": {Mode: fs.ModeDir | 0o755},
		"sys/fs/pstore":        {Mode: fs.ModeDir | 0o750},
	}
	for name, text := range files {
		if name != "sys/kernel/notes" && text != "" {
			text += "\n"
		}
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o444}
	}
	return fsys
}

func (k *Kernel) renderModules() string {
	var b strings.Builder
	for _, m := range k.modules {
		refs := 0
		if m.patched {
			refs = 1
		}
		fmt.Fprintf(&b, "%s 16384 %d - Live 0x0000000000000000 (%s)\n", m.name, refs, m.taints())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (m *module) taints() string {
	if m.klp {
		return "OEK"
	}
	return "OE"
}

func (m *module) facts() hotstick.ModuleFacts {
	return hotstick.ModuleFacts{Name: m.name, SizeBytes: 16384, SrcVersion: m.srcver, Taints: m.taints()}
}

func (k *Kernel) renderPatches(files map[string]string) {
	order := 0
	for _, m := range k.modules {
		if m.srcver != "" {
			files["sys/module/"+m.name+"/srcversion"] = m.srcver
		}
		if !m.patched {
			continue
		}
		order++
		dir := "sys/kernel/livepatch/" + m.name
		files[dir+"/enabled"] = bit(m.enabled)
		files[dir+"/transition"] = bit(k.moving == m)
		files[dir+"/replace"] = bit(!m.does.Stacks)
		files[dir+"/stack_order"] = strconv.Itoa(order)
		if m.does.Unreadable {
			files[dir+"/enabled"] = "?"
		}
		for _, f := range m.does.Functions {
			object, function, _ := strings.Cut(f, ":")
			// A function is an empty directory; a hidden file makes it one here.
			files[dir+"/"+object+"/"+function+"/.dir"] = ""
			files[dir+"/"+object+"/patched"] = "1"
		}
	}
}

// renderSleeper draws the thread that keeps a transition from ending.
func (k *Kernel) renderSleeper(files map[string]string) {
	m := k.moving
	if m == nil || m.does.Sleepy || !k.stalls(m) || len(m.does.Functions) == 0 {
		return
	}
	object, function, _ := strings.Cut(m.does.Functions[0], ":")
	function, _, _ = strings.Cut(function, ",")
	frame := function + "+0x8d/0xe0"
	if object != "vmlinux" {
		frame += " [" + object + "]"
	}
	files["proc/412/cgroup"] = "0::/system.slice/sleeper.service"
	for name, text := range map[string]string{
		"patch_state": bit(!m.enabled), "comm": "sleeper", "stat": "412 (sleeper) S 1 412 412 0 -1 4194560 0 0",
		"stack": "[<0>] schedule_timeout+0x1a/0x30\n[<0>] " + frame + "\n[<0>] vfs_read+0xa1/0x310",
	} {
		files["proc/412/task/412/"+name] = text
	}
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// gnuNote writes a build ID as the kernel does: one ELF note of type 3, little
// endian.
func gnuNote(id string) string {
	var raw []byte
	for i := 0; i+2 <= len(id); i += 2 {
		n, _ := strconv.ParseUint(id[i:i+2], 16, 8)
		raw = append(raw, byte(n))
	}
	return string([]byte{4, 0, 0, 0, byte(len(raw)), 0, 0, 0, 3, 0, 0, 0}) + "GNU\x00" + string(raw)
}
