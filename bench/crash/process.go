package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/hotstick/hotstick/internal/failpoint"
)

// pool hands out the points at which one kind of process is to be killed in a round.
type pool struct {
	mu   sync.Mutex
	left []failpoint.Name
}

func (p *pool) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.left) == 0
}

func (p *pool) next() failpoint.Name {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.left) == 0 {
		return ""
	}
	name := p.left[0]
	p.left = p.left[1:]
	return name
}

// drain takes what was not handed out.
func (p *pool) drain() []failpoint.Name {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.left
	p.left = nil
	return left
}

// kill is one death at a failpoint.
type kill struct {
	point failpoint.Name
	// resumed is the time from the death until the program was ready again.
	resumed time.Duration
}

// process is one program that is started again whenever it is killed.
type process struct {
	name string
	// program is how the table of points calls it.
	program string
	argv    []string
	env     []string
	ready   string // a line of its log that holds this means that it works
	log     *os.File
	// once: it ends by itself, and that it has is its end.
	once bool

	mu    sync.Mutex // guards what follows
	pool  *pool
	armed failpoint.Name
	cmd   *exec.Cmd
	// stopping: its end is wanted. moved: it was ended to be armed anew.
	stopping, moved bool
	kills           []kill
	// calm are the times from a start that followed no crash until the program was ready.
	calm   []time.Duration
	failed error
	done   chan struct{}
}

// start starts the program for the first time, with the first point of the pool.
func (p *process) start(arms *pool) error {
	p.pool, p.done, p.stopping, p.failed = arms, make(chan struct{}), false, nil
	up := make(chan error, 1)
	go p.supervise(up)
	return <-up
}

// supervise runs the program until its end is wanted.
func (p *process) supervise(up chan<- error) {
	defer close(p.done)
	died, point := time.Time{}, failpoint.Name("")
	first := true
	for {
		began := time.Now()
		watch, err := p.spawn()
		if first {
			up <- err
			first = false
		}
		if err != nil {
			p.fail(err)
		}
		if watch == nil {
			return
		}
		ended := make(chan error, 1)
		go func() { ended <- p.cmd.Wait() }()
		select {
		case <-watch.up:
			p.mu.Lock()
			if point != "" {
				p.kills = append(p.kills, kill{point, time.Since(died)})
			} else {
				p.calm = append(p.calm, time.Since(began))
			}
			p.mu.Unlock()
			err = <-ended
		case err = <-ended: // killed before it was ready, or too short-lived to say so
			if point != "" {
				p.mu.Lock()
				p.kills = append(p.kills, kill{point, 0})
				p.mu.Unlock()
			}
		}
		died, point = time.Now(), ""
		p.mu.Lock()
		stopping, moved, armed := p.stopping, p.moved, p.armed
		if p.moved = false; watch.killed() {
			if point = armed; stopping && point != "" {
				p.kills = append(p.kills, kill{point, 0})
			}
			p.armed = ""
		}
		p.mu.Unlock()
		switch {
		case stopping:
			return
		case watch.killed(), moved:
		case p.once && err == nil:
			return
		default:
			p.fail(fmt.Errorf("%s ended by itself: %v (see %s)", p.name, err, p.log.Name()))
			return
		}
	}
}

func (p *process) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = errors.Join(p.failed, err)
}

// spawn starts the program once more; there is no watcher if it is not to live.
func (p *process) spawn() (*watcher, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return nil, nil
	}
	// What it was armed with when it was ended it is to be killed at yet.
	if p.armed == "" {
		p.armed = p.pool.next()
	}
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	if p.armed != "" {
		cmd.Env = append(cmd.Env, failpointVariable+"="+string(p.armed)+"=kill")
	}
	w := &watcher{log: p.log, ready: []byte(p.ready), up: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd = cmd
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return w, nil
}

// failpointVariable arms points in lab builds; see package failpoint.
const failpointVariable = "HOTSTICK_FAILPOINTS"

// rearm ends the program by a signal if it lives, so that it starts again with a point of
// the new pool.
func (p *process) rearm(arms *pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.armed == "" && arms.empty()
	if p.pool = arms; idle {
		return
	}
	p.kill()
}

// restart ends the program by a signal, so that it starts anew, armed as it was.
func (p *process) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over() {
		p.kill()
	}
}

// disarm lets the program start again unarmed, if it is armed, and returns what it was
// not killed at: the point that it was armed with, and those that it would have come to.
func (p *process) disarm() (armed failpoint.Name, left []failpoint.Name) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pool == nil {
		return "", nil // it never ran
	}
	armed, left = p.armed, p.pool.drain()
	if p.armed = ""; armed != "" && !p.over() {
		p.kill()
	}
	return armed, left
}

// over reports whether nobody starts the program again. The caller holds mu.
func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return p.stopping || p.cmd == nil
	}
}

// kill ends the program; it is started again. The caller holds mu.
func (p *process) kill() {
	p.moved = true
	_ = p.cmd.Process.Kill() // it may have died just now
}

// end ends the program for good, by this signal.
func (p *process) end(how syscall.Signal) error {
	p.mu.Lock()
	p.stopping = true
	_ = p.cmd.Process.Signal(how) // it may have died just now
	p.mu.Unlock()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// deaths is how often it was killed at a failpoint.
func (p *process) deaths() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.kills)
}

// trouble is why the program is not running although it should.
func (p *process) trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// watcher keeps a program's log and looks for two words in it.
type watcher struct {
	log   *os.File
	ready []byte
	up    chan struct{}

	mu   sync.Mutex
	told bool
	shot bool
}

// Write implements io.Writer.
func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.told && bytes.Contains(b, w.ready) {
		w.told = true
		close(w.up)
	}
	w.shot = w.shot || bytes.HasPrefix(b, []byte("failpoint ")) || bytes.Contains(b, []byte("\nfailpoint "))
	return w.log.Write(b)
}

func (w *watcher) killed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shot
}
