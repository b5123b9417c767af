package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// instruction is one command of a page in docs/how-to, where it is run, and whether it
// is run again until it is not refused any more: the page says so in a comment.
type instruction struct {
	line  int
	where string
	text  string
	again bool
}

// placePattern is the line above a block of commands that says where they are run.
var placePattern = regexp.MustCompile(`^On (.+):$`)

// readPage reads the commands of a page, in order. Every block of commands must say
// where it is run.
func readPage(t *testing.T, name string) []instruction {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", name))
	if err != nil {
		t.Fatal(err)
	}
	var found []instruction
	where, inside, again := "", false, false
	for i, line := range strings.Split(string(data), "\n") {
		place := placePattern.FindStringSubmatch(line)
		switch {
		case !inside && line == "```sh":
			if where == "" {
				t.Fatalf("%s:%d: nobody says where this is run", name, i+1)
			}
			inside = true
		case inside && line == "```":
			inside, where = false, ""
		case inside && strings.HasPrefix(line, "#"):
			again = strings.HasPrefix(line, "# again, until")
		case inside:
			found = append(found, instruction{line: i + 1, where: where, text: line, again: again})
			again = false
		case place != nil:
			where = place[1]
		case strings.TrimSpace(line) != "":
			where = ""
		}
	}
	if inside || len(found) == 0 {
		t.Fatalf("%s: a block of commands has no end, or there is none", name)
	}
	return found
}

// place is a machine of a page: a directory, a home and an environment of its own.
type place struct {
	dir string
	env []string
}

// walk runs the commands of a page, each in a shell at its place, with a terminal at
// which somebody says yes. Nothing of a command is changed but the names of
// directories and of the server.
type walk struct {
	*testing.T
	places map[string][]place
	names  *strings.Replacer
}

// patience is how long a command is run again.
const patience = 2 * time.Minute

func (w *walk) follow(page string) {
	w.Helper()
	w.do(page, readPage(w.T, page))
}

// do runs a part of a page.
func (w *walk) do(page string, part []instruction) {
	w.Helper()
	for _, in := range part {
		places, known := w.places[in.where]
		if !known {
			w.Fatalf("%s:%d: there is no place called %q", page, in.line, in.where)
		}
		for _, p := range places {
			w.once(page, in, p)
		}
	}
}

// once runs one command at one place, and again if the page says so.
func (w *walk) once(page string, in instruction, p place) {
	w.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(time.Second) {
		out, err := p.run(w.names.Replace(in.text))
		if err == nil {
			w.Logf("%s:%d: on %s: %s\n%s", page, in.line, in.where, in.text, out)
			return
		}
		if !in.again || time.Now().After(deadline) {
			w.Fatalf("%s:%d: on %s: %s\n%s%v", page, in.line, in.where, in.text, out, err)
		}
	}
}

// run runs one command in the environment that the commands before it left.
func (p place) run(command string) (string, error) {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return "", err
	}
	master, slave, err := terminal()
	if err != nil {
		return "", err
	}
	defer master.Close()
	kept := filepath.Join(p.dir, ".environment")
	cmd := exec.Command("sh", "-eu", "-c", "[ ! -e "+kept+" ] || . "+kept+"\n"+command+"\nexport -p >"+kept)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stderr = p.dir, append([]string{"HOME=" + p.dir, "TERM=dumb", "NO_COLOR=1"}, p.env...), slave, slave
	var out bytes.Buffer
	var said lockedBuffer
	cmd.Stdout = &out
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(&said, master) }() // ends with the terminal
	if _, err := master.WriteString("yes\n"); err != nil {
		return "", err
	}
	err = cmd.Run()
	slave.Close()
	select {
	case <-read:
	case <-time.After(time.Second): // what the command has started holds the terminal
	}
	return said.String() + out.String(), err
}

// lockedBuffer is a buffer that is written while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// terminal opens a terminal of its own: commands that sign ask a person on one.
func terminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, fmt.Errorf("cannot open a terminal: %w", err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot open a terminal: %w", err), master.Close())
	}
	return master, slave, nil
}

// units stand in for systemd on a machine that has none: each is a command line, and
// systemctl starts and stops it by its name.
type units struct {
	t   *testing.T
	dir string
}

// systemctl is what the commands of a page find under that name.
const systemctl = `#!/bin/sh
set -eu
action=$1; shift
for unit in "$@"; do
	pid=UNITS/$unit.pid
	case $action in stop|restart)
		if [ -e "$pid" ]; then
			kill "$(cat "$pid")" 2>/dev/null || true
			while [ -e "/proc/$(cat "$pid")" ] && ! grep -q '^State:.*zombie' "/proc/$(cat "$pid")/status"; do sleep 0.1; done
			rm "$pid"
		fi;;
	esac
	case $action in start|restart)
		: >"UNITS/$unit.log"
		setsid sh "UNITS/$unit.sh" >"UNITS/$unit.log" 2>&1 </dev/null &
		echo $! >"$pid"
		tries=0
		while ! grep -q 'serving\|is ready\|level.:.ERROR' "UNITS/$unit.log" && [ $tries -lt 200 ]; do sleep 0.1; tries=$((tries + 1)); done;;
	esac
done
`

// newUnits makes the directory and the program; whatever was started ends with the
// test.
func newUnits(t *testing.T, dir string) *units {
	t.Helper()
	u := &units{t: t, dir: dir}
	u.must(os.MkdirAll(dir, 0o755))
	u.must(os.WriteFile(filepath.Join(dir, "systemctl"), []byte(strings.ReplaceAll(systemctl, "UNITS", dir)), 0o755))
	t.Cleanup(func() {
		running, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
		for _, file := range running {
			u.stop(strings.TrimSuffix(filepath.Base(file), ".pid"))
		}
		if t.Failed() {
			u.showLogs()
		}
	})
	return u
}

func (u *units) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

// add makes a unit of a command line.
func (u *units) add(name string, env []string, argv ...string) {
	u.t.Helper()
	u.addWith(name, "/dev/null", env, argv...)
}

// addWith makes a unit with a file of its environment besides.
func (u *units) addWith(name, file string, env []string, argv ...string) {
	u.t.Helper()
	text := "set -a\n. " + file + "\nset +a\n"
	for _, kv := range env {
		text += "export '" + kv + "'\n"
	}
	u.must(os.WriteFile(filepath.Join(u.dir, name+".sh"), []byte(text+"exec '"+strings.Join(argv, "' '")+"'\n"), 0o755))
}

func (u *units) start(name string) { u.systemctl("start", name) }
func (u *units) stop(name string)  { u.systemctl("stop", name) }

func (u *units) systemctl(args ...string) {
	u.t.Helper()
	cmd := exec.Command(filepath.Join(u.dir, "systemctl"), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		u.t.Errorf("systemctl %v: %v\n%s", args, err, out)
	}
}

// log is what a unit has said since its start.
func (u *units) log(name string) string {
	data, err := os.ReadFile(filepath.Join(u.dir, name+".log"))
	u.must(err)
	return string(data)
}

func (u *units) showLogs() {
	logs, _ := filepath.Glob(filepath.Join(u.dir, "*.log"))
	for _, file := range logs {
		data, _ := os.ReadFile(file)
		u.t.Logf("--- %s\n%s", filepath.Base(file), data[max(0, len(data)-4000):])
	}
}

// built builds the programs, and returns where they are.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "./cmd/hotstick", "./cmd/hotstick-agent", "./cmd/hotstick-loader")
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the programs: %v\n%s", err, out)
	}
	return dir
}

// eventually asks cond until it holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", patience, what)
		case <-time.After(300 * time.Millisecond):
		}
	}
}
