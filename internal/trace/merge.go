package trace

import (
	"fmt"
	"io"
)

// Merge hands out the events of several traces of one run, such as those of the
// server and of each loader, by their times. Events of one trace never change
// places, whatever its clock did; of two at the same time that of the earlier
// trace in the list comes first. It holds all events in memory.
func Merge(traces []io.Reader, take func(Event) error) error {
	queues := make([][]Event, len(traces))
	for i, r := range traces {
		events, err := ReadAll(r)
		if err != nil {
			return fmt.Errorf("cannot merge trace %d: %w", i+1, err)
		}
		queues[i] = events
	}
	for {
		next := -1
		for i, q := range queues {
			if len(q) > 0 && (next < 0 || q[0].T < queues[next][0].T) {
				next = i
			}
		}
		if next < 0 {
			return nil
		}
		if err := take(queues[next][0]); err != nil {
			return err
		}
		queues[next] = queues[next][1:]
	}
}
