package mixed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/demo/host"
)

// stepAdopt takes over the systems that would load patches by themselves. Without it no
// plan starts anything beside them.
func (d *demo) stepAdopt(ctx context.Context) error {
	for _, m := range d.hosts {
		if !m.schedules {
			continue
		}
		if err := d.adopt(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) adopt(ctx context.Context, m *member) error {
	d.rec.Ran("hotstick-agent adopt --yes   (on " + m.name + ")")
	out, code, err := m.Run(ctx, "hotstick-agent adopt --yes")
	if err != nil {
		return err
	}
	if code != 0 {
		d.rec.Check("4 "+m.name+": its own scheduler is on hold", false, "hotstick-agent adopt ended with %d: %s", code, oneLine(out))
		return nil
	}
	var said string
	err = host.Until(ctx, time.Minute, m.name+" to show the hold", func(ctx context.Context) (bool, error) {
		c, err := d.capability(ctx, m.name, m.driver)
		said = saysOf(c)
		return err == nil && c != nil && c.Held, nil
	})
	d.rec.Check("4 "+m.name+": its own scheduler is on hold", err == nil, "%s", said)
	return d.tempt(ctx, m)
}

// tempt lets the vendor offer the fix, and its own jobs run: while the hold is on, nothing
// comes.
func (d *demo) tempt(ctx context.Context, m *member) error {
	if m.offer == "" {
		return nil
	}
	if _, err := host.MustRun(ctx, m.Guest, m.offer); err != nil {
		return err
	}
	// Its job runs every second or two, and is given five of these.
	if _, err := host.MustRun(ctx, m.Guest, "sleep 8"); err != nil {
		return err
	}
	is, err := m.inEffect(ctx, d.fixed)
	if err != nil {
		return err
	}
	closed, line, err := m.hole(ctx)
	if err != nil {
		return err
	}
	d.rec.Check("4 "+m.name+": on hold, the vendor's own job brings nothing", !is && !closed, "8 s beside the running job: %s", line)
	return nil
}

func oneLine(text string) string {
	return fmt.Sprintf("%.400s", strings.Join(strings.Fields(text), " "))
}
