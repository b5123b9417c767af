package keysource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Bounds of one run of pkcs11-tool.
const (
	// tokenTime is long, because a token may wait for a touch.
	tokenTime = time.Minute
	// maxToolBytes bounds what it prints: some 300 keys.
	maxToolBytes = 64 << 10
	// maxComplaint bounds what is kept of what it complains about.
	maxComplaint = 4 << 10
)

// toolName is OpenSC's program that speaks to tokens. It loads the token's library
// into a process of its own, so that ours needs no C and holds no foreign code.
const toolName = "pkcs11-tool"

// pinVariable is where the tool finds the PIN: in its own environment, which only
// its owner may read, and never among its arguments.
const pinVariable = "HOTSTICK_TOKEN_PIN"

// module is a token's library, which the tool loads.
type module struct {
	path string
	// patience bounds one run of the tool.
	patience time.Duration
}

// run runs the tool with the module and returns what it printed.
func (m module) run(input, pin []byte, args ...string) ([]byte, error) {
	program, err := exec.LookPath(toolName)
	if err != nil {
		return nil, ErrNoTool
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"--module", m.path}, args...)...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	if pin != nil {
		cmd.Args = append(cmd.Args, "--login", "--pin", "env:"+pinVariable)
		cmd.Env = append(cmd.Env, pinVariable+"="+string(pin))
	}
	out := &bounded{limit: maxToolBytes, full: cancel}
	complaint := &bounded{limit: maxComplaint, full: func() {}}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), out, complaint
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case out.overflowed:
		return nil, fmt.Errorf("cannot use the token: %s printed more than %d bytes", toolName, maxToolBytes)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("cannot use the token: %s did not end within %s", toolName, m.patience)
	case err != nil:
		return nil, complain(complaint.kept.String(), err)
	}
	return out.kept.Bytes(), nil
}

// bounded keeps the beginning of what is written, and tells when there is more. It
// is no bytes.Buffer itself, which would read without end.
type bounded struct {
	kept       bytes.Buffer
	limit      int
	full       func()
	overflowed bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - b.kept.Len(); len(p) > room {
		b.overflowed = true
		b.full()
		b.kept.Write(p[:room])
		return len(p), nil
	}
	return b.kept.Write(p)
}

// complaints are what the tool writes for faults that a person can mend.
var complaints = []struct {
	text string
	err  error
}{
	{"CKR_PIN_LOCKED", ErrPINLocked},
	{"CKR_PIN_INCORRECT", ErrPIN},
	{"CKR_PIN_LEN_RANGE", ErrPIN},
	{"CKR_PIN_INVALID", ErrPIN},
	{"CKR_TOKEN_NOT_PRESENT", ErrNoToken},
	{"CKR_TOKEN_NOT_RECOGNIZED", ErrNoToken},
	{"CKR_DEVICE_REMOVED", ErrNoToken},
	{"CKR_SLOT_ID_INVALID", ErrNoToken},
	{"Private key not found", ErrNoTokenKey},
	{"object not found", ErrNoTokenKey},
	{"Failed to load pkcs11 module", ErrNoModule},
}

// complain turns what the tool wrote into an error.
func complain(text string, err error) error {
	for _, c := range complaints {
		if strings.Contains(text, c.text) {
			return c.err
		}
	}
	for line := range strings.Lines(text) {
		if fault, ok := strings.CutPrefix(strings.TrimSpace(line), "error: "); ok {
			return fmt.Errorf("cannot use the token: %s says %.200q", toolName, fault)
		}
	}
	return fmt.Errorf("cannot use the token: %s ended with %w", toolName, err)
}
