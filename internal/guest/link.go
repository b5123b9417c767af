package guest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Errors that callers act on.
var (
	// ErrRebooted means that the guest rebooted while a command was running in it.
	// The command may or may not have had an effect.
	ErrRebooted = errors.New("the guest rebooted")
	// ErrStopped means that the guest's QEMU process has ended.
	ErrStopped = errors.New("the guest has stopped")
)

// mark begins every line of the protocol.
const mark = "@hotstick"

// partSize is how much of a command goes into one line, before encoding. The
// guest's terminal takes 4095 characters a line.
const partSize = 768

// maxCommand and maxOutput bound a command and what it may write.
const (
	maxCommand = 256 << 10
	maxOutput  = 16 << 20
)

// link is this end of the serial line that carries commands. Lines to the guest:
//
//	@hotstick part BOOT ID BASE64    a piece of the command's text
//	@hotstick input BOOT ID BASE64   a piece of what it reads from stdin, with gzip
//	@hotstick run BOOT ID            run the pieces as a shell script
//	@hotstick kill BOOT ID           kill it and everything in its session
//
// and from the guest:
//
//	@hotstick hello BOOT             a boot announces itself and is ready
//	@hotstick begin BOOT ID
//	BASE64 of what the command wrote, any number of lines
//	@hotstick end BOOT ID CODE       its exit code
//
// BOOT is the kernel's boot ID. The guest ignores what is not for its boot, so
// lines that were on their way when a kernel died do nothing. Any other line is
// noise and is skipped.
type link struct {
	mu      sync.Mutex // guards all below; never held while reading or writing
	boot    string     // last boot that said hello
	changed chan struct{}
	calls   map[string]*call
	nextID  int
	stopped error // set once, when no more will come

	writing sync.Mutex // held for the lines of one command
	out     io.Writer
}

// call is a command under way. done is closed when output, code or err are set.
type call struct {
	boot   string
	text   strings.Builder
	output string
	code   int
	err    error
	done   chan struct{}
}

func newLink(out io.Writer) *link {
	return &link{changed: make(chan struct{}), calls: map[string]*call{}, out: out}
}

// read takes lines until the other end goes away.
func (l *link) read(in io.Reader) {
	r := bufio.NewReaderSize(in, 64<<10)
	current := ""
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			l.stop(ErrStopped)
			return
		}
		current = l.take(strings.TrimSpace(string(line)), current)
	}
}

// take handles one line. current is the command whose output is being received;
// the new one is returned.
func (l *link) take(line, current string) string {
	// A kernel that goes down in the middle of a line leaves its beginning before the
	// first words of the next one, and that beginning may be a mark's.
	i := strings.LastIndex(line, mark+" ")
	if i < 0 {
		l.collect(current, line)
		return current
	}
	words := strings.Fields(line[i:])[1:]
	switch {
	case len(words) == 2 && words[0] == "hello":
		l.hello(words[1])
		return ""
	case len(words) == 3 && words[0] == "begin":
		return l.begin(words[1], words[2])
	case len(words) == 4 && words[0] == "end":
		l.end(words[1], words[2], words[3])
		return ""
	}
	return current
}

// begin starts the output of a command and returns its ID, or "" if nobody waits
// for it.
func (l *link) begin(boot, id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[id]
	if c == nil || c.boot != boot {
		return ""
	}
	c.text.Reset()
	return id
}

func (l *link) collect(id, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.calls[id]; c != nil && c.text.Len() < maxOutput {
		c.text.WriteString(line)
	}
}

func (l *link) hello(boot string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if boot == l.boot {
		return // only the server of commands was started again
	}
	l.boot = boot
	for id, c := range l.calls {
		l.finish(id, c, "", 0, ErrRebooted)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) end(boot, id, code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[id]
	if c == nil || c.boot != boot {
		return
	}
	output, err := base64.StdEncoding.DecodeString(c.text.String())
	if err != nil {
		l.finish(id, c, "", 0, fmt.Errorf("cannot read what the command wrote: %w", err))
		return
	}
	n, err := strconv.Atoi(code)
	if err != nil {
		err = fmt.Errorf("cannot read exit code %q", code)
	}
	l.finish(id, c, string(output), n, err)
}

// finish ends a call. The caller holds the lock.
func (l *link) finish(id string, c *call, output string, code int, err error) {
	c.output, c.code, c.err = output, code, err
	close(c.done)
	delete(l.calls, id)
}

func (l *link) stop(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil {
		return
	}
	l.stopped = err
	for id, c := range l.calls {
		l.finish(id, c, "", 0, err)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// waitBoot waits until a boot other than the one named has said hello.
func (l *link) waitBoot(ctx context.Context, other string) (string, error) {
	for {
		l.mu.Lock()
		boot, stopped, changed := l.boot, l.stopped, l.changed
		l.mu.Unlock()
		switch {
		case stopped != nil:
			return "", stopped
		case boot != "" && boot != other:
			return boot, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-changed:
		}
	}
}

// bootID returns the last boot that said hello, "" before the first.
func (l *link) bootID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.boot
}

// run waits for a boot, runs a shell script in it, with nothing to read from stdin
// if input is nil, and returns what it wrote.
func (l *link) run(ctx context.Context, script string, input []byte) (string, int, error) {
	if n := len(script) + len(input); n > maxCommand {
		return "", 0, fmt.Errorf("cannot send a command of %d bytes: the limit is %d", n, maxCommand)
	}
	boot, err := l.waitBoot(ctx, "")
	if err != nil {
		return "", 0, err
	}
	id, c, err := l.open(boot)
	if err != nil {
		return "", 0, err
	}
	if err := l.send(boot, id, script, input); err != nil {
		l.abandon(id)
		return "", 0, err
	}
	select {
	case <-c.done:
		return c.output, c.code, c.err
	case <-ctx.Done():
		l.abandon(id)
		// The guest may hang; killing the command must not hang with it.
		go l.write(fmt.Sprintf("%s kill %s %s\n", mark, boot, id))
		return "", 0, ctx.Err()
	}
}

func (l *link) open(boot string) (string, *call, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil {
		return "", nil, l.stopped
	}
	if l.boot != boot {
		return "", nil, ErrRebooted
	}
	l.nextID++
	id := "c" + strconv.Itoa(l.nextID)
	c := &call{boot: boot, done: make(chan struct{})}
	l.calls[id] = c
	return id, c, nil
}

func (l *link) abandon(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.calls, id)
}

func (l *link) send(boot, id, script string, input []byte) error {
	var b strings.Builder
	put := func(verb string, data []byte) {
		for part := range slices.Chunk(data, partSize) {
			fmt.Fprintf(&b, "%s %s %s %s %s\n", mark, verb, boot, id, base64.StdEncoding.EncodeToString(part))
		}
	}
	put("part", []byte(script+"\n"))
	if input != nil {
		put("input", compress(input))
	}
	fmt.Fprintf(&b, "%s run %s %s\n", mark, boot, id)
	return l.write(b.String())
}

// compress uses gzip. Writing to memory cannot fail.
func compress(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// write sends whole lines. A guest that does not take them for a minute is dead.
func (l *link) write(lines string) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if d, ok := l.out.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(time.Now().Add(time.Minute))
	}
	if _, err := io.WriteString(l.out, lines); err != nil {
		return fmt.Errorf("cannot send to the guest: %w", err)
	}
	return nil
}
