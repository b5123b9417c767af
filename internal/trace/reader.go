package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// MaxLine bounds one line, in bytes. The longest is a plan with its host list.
const MaxLine = 512 << 20

// Read hands the events of a trace to take, in order and with the opening one, until
// it returns an error. It refuses what does not begin with the schema, a line that is
// no event, a kind that is not in the schema and a file whose last line is cut off;
// fields that it does not know it passes over. Where one program went on with the
// file of another there is one opening event only.
func Read(r io.Reader, take func(Event) error) error {
	lines := bufio.NewReaderSize(r, bufferBytes)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) && n > 1 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read line %d of the trace: %w", n, err)
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("cannot read line %d of the trace: %w", n, err)
		}
		switch {
		case n == 1 && (e.Kind != KindBegin || e.Detail != Schema):
			return fmt.Errorf("cannot read a trace that begins with %q %.80q: want %s", e.Kind, e.Detail, Schema)
		case n > 1 && e.Kind == KindBegin:
			return fmt.Errorf("cannot read line %d of the trace: a second trace begins there", n)
		case !slices.Contains(Kinds(), e.Kind):
			return fmt.Errorf("cannot read line %d of the trace: no event is of kind %.80q", n, e.Kind)
		}
		if err := take(e); err != nil {
			return err
		}
	}
}

// ReadAll returns all events of a trace but the opening one.
func ReadAll(r io.Reader) ([]Event, error) {
	var events []Event
	err := Read(r, func(e Event) error {
		if e.Kind != KindBegin {
			events = append(events, e)
		}
		return nil
	})
	return events, err
}

// readLine returns the next line without its end; io.EOF if there is none.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > MaxLine:
			return nil, fmt.Errorf("it is longer than %d bytes", MaxLine)
		}
	}
}
