package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
)

// build is the kernel build that every machine runs.
var build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}

// transition is how long a good level's transition takes.
const transition = 30 * time.Millisecond

// machine is a simulated kernel, which outlives the programs on it: it lives here, and
// they reach it over a socket. What it was asked for is the truth of the run.
type machine struct {
	name   string
	kernel *fake.Kernel
	// ill is the file that the agent's probe looks for.
	ill    string
	server *http.Server

	mu sync.Mutex
	// loads counts the modules that the kernel took, by name, over all boots.
	loads map[string]int
}

func newMachine(dir, name, socket string) (*machine, error) {
	m := &machine{name: name, ill: filepath.Join(dir, "ill"), loads: map[string]int{}}
	m.kernel = fake.New(fake.Config{Name: name, Build: build, Clock: time.Now, Transition: transition,
		Files: map[string]string{"proc/meminfo": "MemTotal: 4194304 kB\nMemAvailable: 2097152 kB\nSUnreclaim: 65536 kB"}})
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the programs of %s: %w", name, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /open", m.open)
	mux.HandleFunc("POST /finit", m.finit)
	mux.HandleFunc("POST /disable", func(w http.ResponseWriter, r *http.Request) {
		m.answer(w, m.kernel.Calls().Disable(r.FormValue("module")))
	})
	mux.HandleFunc("POST /delete", func(w http.ResponseWriter, r *http.Request) {
		m.answer(w, m.kernel.Calls().Delete(r.FormValue("module")))
	})
	mux.HandleFunc("POST /help", func(w http.ResponseWriter, r *http.Request) {
		m.answer(w, m.kernel.Calls().Help(r.FormValue("module")))
	})
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = m.server.Serve(listener) }() // until it is closed
	return m, nil
}

// seen is what the programs are answered about a name; its form is package elsewhere's.
type seen struct {
	Data  []byte   `json:"data,omitempty"`
	Dir   bool     `json:"dir,omitempty"`
	Names []string `json:"names,omitempty"`
}

func (m *machine) open(w http.ResponseWriter, r *http.Request) {
	name, tree := r.FormValue("name"), m.kernel.FS()
	info, err := fs.Stat(tree, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	var s seen
	if s.Dir = info.IsDir(); s.Dir {
		var entries []fs.DirEntry
		entries, err = fs.ReadDir(tree, name)
		for _, e := range entries {
			n := e.Name()
			if e.IsDir() {
				n += "/"
			}
			s.Names = append(s.Names, n)
		}
	} else {
		s.Data, err = fs.ReadFile(tree, name)
	}
	if err != nil {
		http.NotFound(w, r) // it went meanwhile
		return
	}
	_ = json.NewEncoder(w).Encode(s) // the program may be dead
}

func (m *machine) finit(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return // killed in the middle of the call
	}
	module, err := m.insert(data)
	if err == nil {
		m.mu.Lock()
		m.loads[module]++
		m.mu.Unlock()
	}
	m.answer(w, err)
}

// insert gives the bytes to the kernel, which wants a file.
func (m *machine) insert(data []byte) (module string, err error) {
	file, err := os.CreateTemp("", "module-")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return "", err
	}
	// A level that is told to be bad makes its host ill, by the time that it is in effect.
	if bytes.Contains(data, []byte("_bad_")) {
		if err := os.WriteFile(m.ill, nil, 0o644); err != nil {
			return "", err
		}
	}
	before := m.modules()
	if err := m.kernel.Calls().Finit(file); err != nil {
		return "", err
	}
	for name := range m.modules() {
		if !before[name] {
			module = name
		}
	}
	return module, nil
}

// modules are those in memory.
func (m *machine) modules() map[string]bool {
	found := map[string]bool{}
	text, err := fs.ReadFile(m.kernel.FS(), "proc/modules")
	if err != nil {
		return found
	}
	for _, line := range strings.Split(string(text), "\n") {
		if name, _, ok := strings.Cut(line, " "); ok {
			found[name] = true
		}
	}
	return found
}

func (m *machine) answer(w http.ResponseWriter, err error) {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		errno = syscall.EIO
	}
	_, _ = io.WriteString(w, strconv.Itoa(int(errno))) // the program may be dead
}

// well makes the host healthy again.
func (m *machine) well() { _ = os.Remove(m.ill) } // it may not be there

// taken is how often the kernel took a module.
func (m *machine) taken(module string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loads[module]
}

// stalls keeps a module's transition from ending.
func (m *machine) stalls(module string) { m.kernel.Behave(module, fake.Behaviour{Stall: true}) }
