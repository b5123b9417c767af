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

// kill is one death at a failpoint.
type kill struct {
	point failpoint.Name
	// resumed is the time from the death until the program was ready again.
	resumed time.Duration
}

// process is one program that is started again whenever it is killed.
type process struct {
	name  string
	argv  []string
	env   []string
	ready string // a line of its log that holds this means that it works
	log   *os.File
	// once: it ends by itself, and that it has is its end.
	once bool

	mu    sync.Mutex // guards what follows
	pool  *pool
	armed failpoint.Name
	cmd   *exec.Cmd
	// stopping: its end is wanted. moved: it was ended to be armed anew.
	stopping, moved bool
	kills           []kill
	failed          error
	done            chan struct{}
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
		watch, err := p.spawn()
		if first {
			up <- err
			first = false
		}
		if err != nil {
			p.fail(err)
			return
		}
		ended := make(chan error, 1)
		go func() { ended <- p.cmd.Wait() }()
		select {
		case <-watch.up:
			if point != "" {
				p.mu.Lock()
				p.kills = append(p.kills, kill{point, time.Since(died)})
				p.mu.Unlock()
			}
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
		p.moved, p.armed = false, ""
		p.mu.Unlock()
		switch {
		case watch.killed():
			point = armed
		case stopping:
			return
		case moved:
		case p.once && err == nil:
			return
		default:
			p.fail(fmt.Errorf("%s ended by itself: %v (see %s)", p.name, err, p.log.Name()))
			return
		}
		if stopping {
			p.mu.Lock()
			p.kills = append(p.kills, kill{point, 0})
			p.mu.Unlock()
			return
		}
	}
}

func (p *process) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = errors.Join(p.failed, err)
}

func (p *process) spawn() (*watcher, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = p.pool.next()
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	if p.armed != "" {
		cmd.Env = append(cmd.Env, failpointVariable+"="+string(p.armed)+"=kill")
	}
	w := &watcher{log: p.log, ready: []byte(p.ready), up: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd = cmd
	return w, cmd.Start()
}

// failpointVariable arms points in lab builds; see package failpoint.
const failpointVariable = "HOTSTICK_FAILPOINTS"

// rearm ends the program by a signal if it lives, so that it starts again with a point of
// the new pool.
func (p *process) rearm(arms *pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pool = arms; p.armed == "" && len(arms.left) == 0 {
		return
	}
	p.kill()
}

// restart ends the program by a signal, so that it starts anew with the next point.
func (p *process) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kill()
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

// trouble is why the program is not running although it should.
func (p *process) trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// idle is the point at which the process is armed and that it has not reached.
func (p *process) idle() failpoint.Name {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.armed
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
