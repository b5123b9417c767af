package loadercmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/loader/steps"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/loader/touch/onhost"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// How steps are started.
const (
	stepsSystemd = "systemd"
	stepsDirect  = "direct"
)

// touchStep is the step that touches things.
const touchStep = "touch"

// stepUnit is the unit that a touch runs in where systemd is.
const stepUnit = "hotstick-step@touch.service"

// stepTime ends a step that does not end by itself; the unit and the step itself have
// limits below it.
const stepTime = 95 * time.Second

// maxStepBytes bounds a request and an answer.
const maxStepBytes = 64 << 10

// stepRequest is what a step is asked for. Loader and step meet in two files of a
// directory that only root may open. ID ties an answer to its request.
type stepRequest struct {
	ID    string         `json:"id"`
	Touch hotstick.Touch `json:"touch"`
	// Value is what to set; nil asks what the thing is now.
	Value *string `json:"value,omitempty"`
}

type stepAnswer struct {
	ID    string `json:"id"`
	Value string `json:"value,omitempty"`
	// Error says why it was not done; empty if it was.
	Error string `json:"error,omitempty"`
}

// stepper touches things by steps: the loader itself may not. What it can read, it
// reads.
type stepper struct {
	// one step at a time: there is one place for a request.
	one     sync.Mutex
	dir     string
	systemd bool
	// argv starts a step as a child.
	argv []string
	host onhost.Host
}

var _ touch.World = (*stepper)(nil)

func newStepper(s settings) *stepper {
	p := &stepper{dir: stepDir(s), systemd: s.steps == stepsSystemd}
	if s.steps == "" {
		_, err := os.Stat("/run/systemd/system")
		p.systemd = err == nil
	}
	p.argv = []string{"/proc/self/exe", "step", touchStep, "--root", s.root, "--state", s.state, "--agent", s.agent, "--socket", s.socket}
	return p
}

// stepDir is beside the socket: in memory, so that the way back needs no disk.
func stepDir(s settings) string { return filepath.Join(filepath.Dir(s.socket), "step") }

// Read implements touch.World. The loader's unit has a network of its own, with its own
// sysctls, so those of the host are read by a step.
func (p *stepper) Read(ctx context.Context, t hotstick.Touch) (string, error) {
	if p.systemd && strings.HasPrefix(t.Path(), "proc/sys/net/") {
		return p.ask(ctx, t, nil)
	}
	return p.host.Read(ctx, t)
}

// Set implements touch.World.
func (p *stepper) Set(ctx context.Context, t hotstick.Touch, value string) error {
	_, err := p.ask(ctx, t, &value)
	return err
}

// ask starts a step and waits for its end.
func (p *stepper) ask(ctx context.Context, t hotstick.Touch, value *string) (string, error) {
	p.one.Lock()
	defer p.one.Unlock()
	if busy, err := steps.Busy(p.dir); err != nil || busy {
		return "", errors.Join(touch.ErrBusy, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	request := stepRequest{ID: rand.Text(), Touch: t, Value: value}
	if err := steps.Put(p.dir, "request.json", request); err != nil {
		return "", err
	}
	out, ended := p.start(ctx)
	if _, err := os.Lstat(filepath.Join(p.dir, "request.json")); err == nil && ended == nil && p.systemd {
		// A step of the loader before this one ran still, and systemd waited for that one.
		out, ended = p.start(ctx)
	}
	var answer stepAnswer
	err := readStep(p.dir, "answer.json", &answer)
	switch {
	case err != nil || answer.ID != request.ID:
		return "", fmt.Errorf("cannot touch the %s: the step gave no answer (%v): %.500s", t.Thing(), ended, strings.TrimSpace(out))
	case answer.Error != "":
		return "", errors.New(answer.Error)
	}
	return answer.Value, nil
}

// start starts a step, and returns at its end what was said.
func (p *stepper) start(ctx context.Context) (string, error) {
	argv := p.argv
	if p.systemd {
		argv = []string{"systemctl", "--no-ask-password", "start", stepUnit}
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "SYSTEMD_IGNORE_CHROOT=1")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	return out.String(), err
}

func readStep(dir, name string, v any) error {
	data, err := durable.ReadUntrusted(filepath.Join(dir, name), maxStepBytes)
	if err != nil {
		return err
	}
	return strictjson.Unmarshal(data, v)
}
