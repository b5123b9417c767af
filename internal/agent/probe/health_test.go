package probe_test

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick/internal/agent/probe"
)

// box is a made-up machine.
type box struct {
	t    *testing.T
	root fstest.MapFS
	now  time.Duration
}

func newBox(t *testing.T) *box {
	b := &box{t: t, root: fstest.MapFS{}, now: time.Hour}
	b.set("proc/pressure/cpu", "some avg10=1.50 avg60=0.00 avg300=0.00 total=100\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	b.set("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=100\n")
	b.set("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=100\n")
	b.set("proc/schedstat", "version 15\ntimestamp 4294900000\ncpu0 0 0 0 0 0 0 5000000000 1000000000 1000\ndomain0 3 0 0\ncpu1 0 0 0 0 0 0 5000000000 1000000000 1000\n")
	b.set("proc/net/snmp", "Ip: Forwarding\nIp: 1\nTcp: InSegs OutSegs RetransSegs\nTcp: 5 1000 0\nUdp: InDatagrams\nUdp: 1\n")
	b.memory(1<<20, 512<<10, 20<<10)
	b.set("proc/sys/kernel/modules_disabled", "0\n")
	b.set("sys/module/module/parameters/sig_enforce", "N\n")
	b.set("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
	return b
}

func (b *box) set(name, text string) { b.root[name] = &fstest.MapFile{Data: []byte(text)} }

// memory sets what the kernel says of its memory, in KiB.
func (b *box) memory(total, available, slab int) {
	b.set("proc/meminfo", "MemTotal:  "+strconv.Itoa(total)+" kB\nMemFree: 1 kB\nMemAvailable: "+strconv.Itoa(available)+" kB\nSUnreclaim: "+strconv.Itoa(slab)+" kB\n")
}

func (b *box) health(s probe.Settings) ([]probe.Probe, []string) {
	return probe.Health(probe.Machine{Root: b.root, Dir: b.t.TempDir(), Uptime: func() time.Duration { return b.now }}, s)
}

func names(probes []probe.Probe) (list []string) {
	for _, p := range probes {
		list = append(list, p.Name)
	}
	return list
}

func (b *box) find(probes []probe.Probe, name string) probe.Probe {
	b.t.Helper()
	i := slices.IndexFunc(probes, func(p probe.Probe) bool { return p.Name == name })
	if i < 0 {
		b.t.Fatalf("there is no probe %s", name)
	}
	return probes[i]
}

func TestAHostIsAskedWhatItsKernelCanAnswer(t *testing.T) {
	b := newBox(t)
	probes, lacking := b.health(probe.Settings{})
	_, all := probe.Names()
	if got := names(probes); len(got) != len(all) || len(lacking) != 0 {
		t.Errorf("asked %v, lacking %v", got, lacking)
	}
	for name := range b.root {
		if strings.HasPrefix(name, "proc/pressure/") || name == "proc/schedstat" {
			delete(b.root, name)
		}
	}
	if _, lacking = b.health(probe.Settings{}); strings.Join(lacking, " ") != "pressure_cpu pressure_io pressure_memory run_queue" {
		t.Errorf("an older kernel lacks %v", lacking)
	}
	probes, _ = b.health(probe.Settings{Off: []string{"fsync", "modules"}})
	if got := strings.Join(names(probes), " "); got != "memory slab tcp_retransmits" {
		t.Errorf("without two of them: %s", got)
	}
}

// off is a file system whose files tell that they are switched off, as with psi=0.
type off struct{ fs.FS }

func (o off) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "proc/pressure") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EOPNOTSUPP}
	}
	return o.FS.Open(name)
}

func TestPressureThatIsSwitchedOffIsNotAskedFor(t *testing.T) {
	_, lacking := probe.Health(probe.Machine{Root: off{newBox(t).root}, Dir: t.TempDir(), Uptime: func() time.Duration { return 0 }}, probe.Settings{})
	if strings.Join(lacking, " ") != "pressure_cpu pressure_io pressure_memory" {
		t.Errorf("lacking %v", lacking)
	}
}

// Windows shows nothing below /proc. What cannot be asked there must not keep patches away.
func TestAMachineWithoutProcIsAskedWhatItCanTell(t *testing.T) {
	probes, lacking := probe.Health(probe.Machine{Root: fstest.MapFS{}, Dir: t.TempDir(), Uptime: func() time.Duration { return 0 }}, probe.Settings{})
	_, all := probe.Names()
	if len(probes) != 1 || probes[0].Name != "fsync" || len(lacking) != len(all)-1 {
		t.Errorf("%d probes are asked, %v are lacking, of %v", len(probes), lacking, all)
	}
	for _, p := range probes {
		if a := p.Asker.Ask(t.Context(), false); !a.Healthy {
			t.Errorf("%s is not healthy: %s", p.Name, a.Detail)
		}
	}
}

func TestWhatTheKernelStopsTellingIsNotHealthy(t *testing.T) {
	b := newBox(t)
	probes, _ := b.health(probe.Settings{})
	for name, file := range map[string]string{"pressure_cpu": "proc/pressure/cpu", "run_queue": "proc/schedstat",
		"tcp_retransmits": "proc/net/snmp", "memory": "proc/meminfo", "slab": "proc/meminfo", "modules": "proc/meminfo"} {
		for _, text := range []string{"", "nonsense\n", "Tcp: OutSegs RetransSegs\nTcp: x y\n", "cpu0 1 2\n", "some avg10=nan\n", "MemTotal: -1 kB\n"} {
			b.set(file, text)
			if a := b.find(probes, name).Asker.Ask(t.Context(), false); a.Healthy {
				t.Errorf("%s is healthy though its file reads %q", name, text)
			}
		}
	}
}

func TestWhatTheBuiltInProbesMeasure(t *testing.T) {
	b := newBox(t)
	probes, _ := b.health(probe.Settings{})
	for _, p := range probes {
		if a := p.Asker.Ask(t.Context(), false); !a.Healthy {
			t.Fatalf("%s is not healthy at first: %s", p.Name, a.Detail)
		}
	}
	b.now += time.Minute
	b.set("proc/schedstat", "cpu0 0 0 0 0 0 0 0 2000000000 2000\ncpu1 0 0 0 0 0 0 0 1000000000 1000\n") // a second for 1,000 turns
	b.set("proc/net/snmp", "Tcp: OutSegs RetransSegs\nTcp: 2000 50\n")                                  // 50 of 1,000
	b.memory(1<<20, 256<<10, 80<<10)                                                                    // 60 MiB more in a minute
	for name, want := range map[string]float64{"pressure_cpu": 0.015, "pressure_io": 0, "run_queue": 0.001, "tcp_retransmits": 0.05, "memory": 0.75, "slab": 1 << 20} {
		a := b.find(probes, name).Asker.Ask(t.Context(), false)
		if a.Measure == nil || a.Measure.Value < 0.99*want || a.Measure.Value > 1.01*want {
			t.Errorf("%s measures %+v, want %g", name, a.Measure, want)
		}
	}
	if a := b.find(probes, "fsync").Asker.Ask(t.Context(), false); a.Measure == nil || a.Measure.Value <= 0 || a.Measure.Unit != "seconds" {
		t.Errorf("fsync measures %+v", a.Measure)
	}
}

func TestAFewLostSegmentsAreNoAlarm(t *testing.T) {
	b := newBox(t)
	probes, _ := b.health(probe.Settings{})
	p := b.find(probes, "tcp_retransmits").Asker
	p.Ask(t.Context(), false)
	b.now += time.Minute
	b.set("proc/net/snmp", "Tcp: OutSegs RetransSegs\nTcp: 1006 3\n") // three of six
	if a := p.Ask(t.Context(), false); a.Measure.Value > 0.01 {
		t.Errorf("three lost segments measure %+v", a.Measure)
	}
}

func TestALeakOfSlabAlarmsWithinAnAttempt(t *testing.T) {
	b := newBox(t)
	probes, _ := b.health(probe.Settings{})
	p := b.find(probes, "slab").Asker
	slab := 20 << 10
	for range 30 {
		b.now += time.Minute
		if a := p.Ask(t.Context(), false); !a.Healthy {
			t.Fatalf("not healthy at rest: %+v", a)
		}
	}
	for i := range 600 {
		b.now += time.Second
		slab += 1 << 10
		b.memory(1<<20, 512<<10, slab)
		if a := p.Ask(t.Context(), true); !a.Healthy {
			if i < 60 || !strings.Contains(a.Detail, "the limit is 256 KiB/s") {
				t.Errorf("after %d s: %s", i, a.Detail)
			}
			return
		}
	}
	t.Error("a leak of 1 MiB a second for ten minutes is healthy")
}

func TestADiskThatCannotBeWrittenIsNotHealthy(t *testing.T) {
	b := newBox(t)
	dir := t.TempDir()
	probes, _ := probe.Health(probe.Machine{Root: b.root, Dir: dir, Uptime: func() time.Duration { return 0 }}, probe.Settings{})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if a := b.find(probes, "fsync").Asker.Ask(t.Context(), false); a.Healthy || !strings.Contains(a.Detail, "cannot write") {
		t.Errorf("%+v", a)
	}
}

func TestWhetherTheKernelStillTakesModules(t *testing.T) {
	for _, c := range []struct {
		what, file, text string
		before           bool // it was so before the attempt
		healthy          bool
		detail           string
	}{
		{"nothing changes", "proc/sys/kernel/modules_disabled", "0\n", false, true, ""},
		{"switched off in the attempt", "proc/sys/kernel/modules_disabled", "1\n", false, false, "no modules any more"},
		{"switched off before", "proc/sys/kernel/modules_disabled", "1\n", true, true, "takes no modules"},
		{"signatures are demanded", "sys/module/module/parameters/sig_enforce", "Y\n", false, false, "signed modules only"},
		{"signatures were demanded", "sys/module/module/parameters/sig_enforce", "Y\n", true, true, ""},
		{"locked down", "sys/kernel/security/lockdown", "none [integrity] confidentiality\n", false, false, "locked down (integrity)"},
		{"no memory is left", "proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 10240 kB\nSUnreclaim: 1 kB\n", true, false, "10 MiB of memory are left"},
	} {
		b := newBox(t)
		probes, _ := b.health(probe.Settings{})
		p := b.find(probes, "modules").Asker
		if c.before {
			b.set(c.file, c.text)
		}
		p.Ask(t.Context(), false)
		p.Ask(t.Context(), true)
		b.set(c.file, c.text)
		if a := p.Ask(t.Context(), true); a.Healthy != c.healthy || !strings.Contains(a.Detail, c.detail) {
			t.Errorf("%s: %+v, want %t %q", c.what, a, c.healthy, c.detail)
		}
	}
}

// BenchmarkRound is what one round of the built-in probes costs on this machine, and how
// much of that is this process's own.
func BenchmarkRound(b *testing.B) {
	probes, lacking := probe.Health(probe.Machine{Root: os.DirFS("/"), Dir: b.TempDir(), Uptime: func() time.Duration { return time.Hour }}, probe.Settings{})
	b.Log("asked", names(probes), "lacking", lacking)
	begun := cpu(b)
	for b.Loop() {
		for _, p := range probes {
			p.Asker.Ask(context.Background(), false)
		}
	}
	b.ReportMetric(float64((cpu(b)-begun).Microseconds())/float64(b.N), "cpu-µs/round")
	b.ReportAllocs()
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
