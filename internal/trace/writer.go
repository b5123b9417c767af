package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// bufferBytes is what a buffered writer keeps before it writes.
const bufferBytes = 64 << 10

// Writer is a [Sink] that writes JSON lines. It is safe for concurrent use. After an
// error it drops what comes and says so when it is closed.
type Writer struct {
	now func() time.Time

	mu    sync.Mutex // guards all below
	to    *bufio.Writer
	close func() error
	// eager: each line is written at once.
	eager bool
	err   error
	// dropped counts events that could not be written.
	dropped int
	// leaves is the size of the audit log in the newest leaf that the file had when it
	// was opened.
	leaves uint64
}

var _ Sink = (*Writer)(nil)

// NewWriter writes a new trace to w, which it buffers; Close writes what is left. now
// gives the time of events that come without one; it is not asked for others.
func NewWriter(w io.Writer, now func() time.Time) *Writer {
	t := &Writer{now: now, to: bufio.NewWriterSize(w, bufferBytes), close: func() error { return nil }}
	t.begin()
	return t
}

// Append opens the file of a program that may die at any moment, and begins a trace
// in it unless there is one. Every event is written at once, as one line, so that
// what happened before the process ended is there afterwards; a line that was cut off
// goes. Events without a time get the wall clock's.
func Append(path string) (*Writer, error) { return openAppend(path, 0) }

// AppendSynced is Append for a program whose machine may go down as well: each event
// is on the disk before Emit returns, which costs a disk's wait.
func AppendSynced(path string) (*Writer, error) { return openAppend(path, os.O_SYNC) }

func openAppend(path string, flags int) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open the trace: %w", err)
	}
	size, err := dropTail(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot open the trace: %w", err)
	}
	t := &Writer{now: time.Now, to: bufio.NewWriterSize(f, bufferBytes), close: f.Close, eager: true}
	if size == 0 {
		t.begin()
		return t, nil
	}
	err = Read(f, func(e Event) error {
		if e.Kind == KindLeaf {
			t.leaves = max(t.leaves, e.Generation)
		}
		return nil
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// Leaves is how much of the audit log, in leaves, the trace knew already when it was
// opened: a server that was killed between a commit and its trace goes on there. 0 is
// none.
func (t *Writer) Leaves() uint64 { return t.leaves }

// dropTail cuts off what follows the last whole line, and returns the size.
func dropTail(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	chunk := make([]byte, 4<<10)
	for end := size; end > 0; {
		from := max(0, end-int64(len(chunk)))
		part := chunk[:end-from]
		if _, err := f.ReadAt(part, from); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			end = from + int64(i) + 1
			if end == size {
				return size, nil
			}
			return end, f.Truncate(end)
		}
		end = from
	}
	return 0, f.Truncate(0)
}

func (t *Writer) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	// The one event that always has the time 0 for whoever brings times of its own.
	t.write(Event{Kind: KindBegin, Detail: Schema})
}

// Emit implements [Sink].
func (t *Writer) Emit(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		t.dropped++
		return
	}
	if e.T == 0 {
		e.T = t.now().UnixNano()
	}
	t.write(e)
}

// write writes one line. The caller holds mu.
func (t *Writer) write(e Event) {
	line, err := json.Marshal(e)
	if err == nil && len(line) > MaxLine {
		err = fmt.Errorf("an event of %d bytes is over the limit of %d", len(line), MaxLine)
	}
	if err == nil {
		_, err = t.to.Write(append(line, '\n'))
	}
	if err == nil && t.eager {
		err = t.to.Flush()
	}
	if err != nil {
		t.err = err
		t.dropped++
	}
}

// Close writes what is left and tells of the first error there ever was. Events that
// come later are dropped.
func (t *Writer) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err, dropped := t.err, t.dropped
	if err == nil {
		err = t.to.Flush()
	}
	if failed := t.close(); err == nil {
		err = failed
	}
	t.err, t.close = os.ErrClosed, func() error { return nil }
	if err != nil {
		return fmt.Errorf("cannot write the trace; %d events are missing: %w", dropped, err)
	}
	return nil
}
