package guest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeGuest is the other end of a link: it speaks the protocol as the script in
// a guest does, but leaves to the test when and what to answer.
type fakeGuest struct {
	t    *testing.T
	link *link
	conn net.Conn
	in   *bufio.Reader
	part map[string]string

	input []byte // of all commands
}

func newFakeGuest(t *testing.T) *fakeGuest {
	t.Helper()
	host, guest := net.Pipe()
	f := &fakeGuest{t: t, link: newLink(host), conn: guest, in: bufio.NewReader(guest), part: map[string]string{}}
	done := make(chan struct{})
	go func() {
		f.link.read(host)
		close(done)
	}()
	t.Cleanup(func() {
		guest.Close()
		host.Close()
		<-done
	})
	return f
}

func (f *fakeGuest) say(format string, args ...any) {
	f.t.Helper()
	if _, err := fmt.Fprintf(f.conn, format, args...); err != nil {
		f.t.Error(err)
	}
}

// next returns the next order, with the command's text for "run".
func (f *fakeGuest) next() (verb, boot, id, text string) {
	f.t.Helper()
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			f.t.Errorf("cannot read the next order: %v", err)
			return
		}
		if len(line) > 4000 {
			f.t.Errorf("a line of %d bytes would be cut by the terminal", len(line))
		}
		w := strings.Fields(line)
		if len(w) < 4 || w[0] != mark {
			f.t.Errorf("cannot read order %q", line)
			return
		}
		if w[1] != "part" && w[1] != "input" {
			return w[1], w[2], w[3], f.part[w[3]]
		}
		data, err := base64.StdEncoding.DecodeString(w[4])
		if err != nil {
			f.t.Error(err)
		}
		if w[1] == "input" {
			f.input = append(f.input, data...)
		} else {
			f.part[w[3]] += string(data)
		}
	}
}

func (f *fakeGuest) answer(boot, id, output string, code int) {
	f.t.Helper()
	encoded := base64.StdEncoding.EncodeToString([]byte(output))
	f.say("%s begin %s %s\n", mark, boot, id)
	for len(encoded) > 0 {
		n := min(76, len(encoded))
		f.say("%s\r\n", encoded[:n])
		encoded = encoded[n:]
	}
	f.say("%s end %s %s %d\n", mark, boot, id, code)
}

// result is what a call came to.
type result struct {
	output string
	code   int
	err    error
}

func (f *fakeGuest) run(ctx context.Context, script string) <-chan result {
	c := make(chan result, 1)
	go func() {
		output, code, err := f.link.run(ctx, script, nil)
		c <- result{output, code, err}
	}()
	return c
}

func TestACommandReturnsWhatItWroteAndItsExitCode(t *testing.T) {
	for _, output := range []string{"", "hello\n", "no newline", "@hotstick end b1 c1 0\n", strings.Repeat("many lines\n", 5000), "\x00\xff\r\n\t"} {
		f := newFakeGuest(t)
		got := f.run(context.Background(), "echo")
		f.say("%s hello b1\n", mark)
		_, boot, id, text := f.next()
		if text != "echo\n" {
			t.Errorf("the guest got %q", text)
		}
		f.answer(boot, id, output, 3)
		if r := <-got; r.err != nil || r.code != 3 || r.output != output {
			t.Errorf("output %.20q: got %.20q, %d, %v", output, r.output, r.code, r.err)
		}
	}
}

func TestALongCommandIsSentInLinesThatATerminalTakes(t *testing.T) {
	f := newFakeGuest(t)
	script := strings.Repeat("echo 'a line of shell'; ", 3000)
	got := f.run(context.Background(), script)
	f.say("%s hello b1\n", mark)
	_, boot, id, text := f.next()
	if text != script+"\n" {
		t.Errorf("the guest got %d bytes of %d", len(text), len(script)+1)
	}
	f.answer(boot, id, "", 0)
	if r := <-got; r.err != nil {
		t.Error(r.err)
	}
	if _, _, err := f.link.run(context.Background(), strings.Repeat("x", maxCommand), []byte{1}); err == nil {
		t.Error("a command over the limit was sent")
	}
}

func TestWhatACommandReadsIsSentCompressed(t *testing.T) {
	f := newFakeGuest(t)
	want := bytes.Repeat([]byte("line of a file\n"), 4000)
	got := make(chan error, 1)
	go func() {
		_, _, err := f.link.run(context.Background(), "cat", want)
		got <- err
	}()
	f.say("%s hello b1\n", mark)
	_, boot, id, text := f.next()
	if text != "cat\n" || len(f.input) > len(want)/10 {
		t.Errorf("the guest got %q and %d bytes to read", text, len(f.input))
	}
	if data, err := gunzip(f.input); err != nil || !bytes.Equal(data, want) {
		t.Errorf("the command would read %d bytes of %d (%v)", len(data), len(want), err)
	}
	f.answer(boot, id, "", 0)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestNoiseOnTheLineIsSkipped(t *testing.T) {
	f := newFakeGuest(t)
	got := f.run(context.Background(), "true")
	f.say("\x00\x1b[2J garbage\r\nlogin: %s hello b1\r\n", mark)
	_, boot, id, _ := f.next()
	f.say("%s\n%s hello\n%s begin\n%s end b1 %s\n%s end b1 nobody 0\n", mark, mark, mark, mark, id, mark)
	f.answer(boot, id, "fine", 0)
	if r := <-got; r.err != nil || r.output != "fine" {
		t.Errorf("got %+v", r)
	}
}

func TestSeveralCommandsRunAtOnce(t *testing.T) {
	f := newFakeGuest(t)
	const n = 8
	var all sync.WaitGroup
	for i := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			want := fmt.Sprintf("answer to %d", i)
			output, _, err := f.link.run(context.Background(), fmt.Sprint(i), nil)
			if err != nil || output != want {
				t.Errorf("command %d: got %q, %v", i, output, err)
			}
		}()
	}
	f.say("%s hello b1\n", mark)
	type order struct{ boot, id, text string }
	var orders []order
	for range n {
		_, boot, id, text := f.next()
		orders = append(orders, order{boot, id, strings.TrimSpace(text)})
	}
	for i := range orders { // answered in the opposite order
		o := orders[n-1-i]
		f.answer(o.boot, o.id, "answer to "+o.text, 0)
	}
	all.Wait()
}

func TestACommandCutOffByAPanicSaysThatTheGuestRebooted(t *testing.T) {
	f := newFakeGuest(t)
	got := f.run(context.Background(), "echo c >/proc/sysrq-trigger")
	f.say("%s hello b1\n", mark)
	_, _, id, _ := f.next()
	f.say("%s begin b1 %s\nAAAA", mark, id) // it died in the middle of its answer
	f.say("\n%s hello b2\n", mark)
	if r := <-got; !errors.Is(r.err, ErrRebooted) {
		t.Errorf("got %+v", r)
	}
	after := f.run(context.Background(), "uptime")
	_, boot, id, _ := f.next()
	if boot != "b2" {
		t.Errorf("the next command was sent to boot %s", boot)
	}
	f.answer("b1", id, "from the grave", 9) // a late answer of the dead boot counts for nothing
	f.answer("b2", id, "up", 0)
	if r := <-after; r.err != nil || r.output != "up" || r.code != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestARestartedCommandServerIsNotAReboot(t *testing.T) {
	f := newFakeGuest(t)
	got := f.run(context.Background(), "true")
	f.say("%s hello b1\n", mark)
	_, boot, id, _ := f.next()
	f.say("%s hello b1\n", mark)
	f.answer(boot, id, "", 0)
	if r := <-got; r.err != nil {
		t.Error(r.err)
	}
}

func TestACommandGivenUpIsKilledInTheGuest(t *testing.T) {
	f := newFakeGuest(t)
	ctx, cancel := context.WithCancel(context.Background())
	got := f.run(ctx, "sleep 1000")
	f.say("%s hello b1\n", mark)
	_, _, id, _ := f.next()
	cancel()
	if r := <-got; !errors.Is(r.err, context.Canceled) {
		t.Errorf("got %+v", r)
	}
	if verb, boot, killed, _ := f.next(); verb != "kill" || boot != "b1" || killed != id {
		t.Errorf("the guest was told %s %s %s", verb, boot, killed)
	}
}

func TestABootIsHeardBehindALineThatTheOneBeforeLeftHalf(t *testing.T) {
	for _, half := range []string{"aGVsbG8", mark, mark + " begin b1", mark + " end b1 1"} {
		f := newFakeGuest(t)
		go func() {
			f.say("%s hello b1\n", mark)
			f.say("%s%s hello b2\n", half, mark)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if boot, err := f.link.waitBoot(ctx, "b1"); err != nil || boot != "b2" {
			t.Errorf("behind %q: boot %q, %v", half, boot, err)
		}
		cancel()
	}
}

func TestWaitingForABootEndsWhenTheGuestDoes(t *testing.T) {
	f := newFakeGuest(t)
	got := f.run(context.Background(), "true")
	f.conn.Close()
	if r := <-got; !errors.Is(r.err, ErrStopped) {
		t.Errorf("got %+v", r)
	}
	if _, err := f.link.waitBoot(context.Background(), ""); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v", err)
	}
}

func TestWaitingForARebootIsNotContentWithTheOldBoot(t *testing.T) {
	f := newFakeGuest(t)
	f.say("%s hello b1\n", mark)
	if boot, err := f.link.waitBoot(context.Background(), ""); boot != "b1" || err != nil {
		t.Fatalf("got %q, %v", boot, err)
	}
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	if boot, err := f.link.waitBoot(expired, "b1"); err == nil {
		t.Errorf("got %q", boot)
	}
	f.say("%s hello b2\n", mark)
	if boot, err := f.link.waitBoot(context.Background(), "b1"); boot != "b2" || err != nil {
		t.Errorf("got %q, %v", boot, err)
	}
}

func TestACommandForADeadLineIsNotSentForEver(t *testing.T) {
	l := newLink(brokenLine{})
	l.hello("b1")
	if _, _, err := l.run(context.Background(), "true", nil); err == nil || !strings.Contains(err.Error(), "cannot send to the guest") {
		t.Errorf("got %v", err)
	}
	if len(l.calls) != 0 {
		t.Error("the call is still open")
	}
}

type brokenLine struct{}

func (brokenLine) Write([]byte) (int, error)        { return 0, io.ErrClosedPipe }
func (brokenLine) SetWriteDeadline(time.Time) error { return nil }
