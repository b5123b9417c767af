package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

// How often the rollout is read anew without a change, and how long a server
// may be away before the watch gives up. A server that was killed is back within
// seconds, and watching should not end because of it.
const (
	watchPace     = 2 * time.Second
	watchPatience = time.Minute
)

func (a *app) rolloutWatch() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "watch PLAN",
		Short: "Follow a rollout until it is over",
		Long: `Redraws in place on a terminal and prints one line for each change elsewhere.

Ends when the rollout is over: with exit code 0 if it completed with every host
confirmed, 1 otherwise, and 7 if --timeout came first.`,
		Args:              exactly("PLAN"),
		ValidArgsFunction: a.completeRollouts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				return a.watch(ctx, c, args[0], timeout)
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "give up after this long (exit code 7); 0 waits for ever")
	return cmd
}

// watch follows a rollout until it is over and nothing moves any more.
func (a *app) watch(ctx context.Context, c *client.Client, plan string, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	changes := make(chan struct{}, 1)
	go listen(ctx, c, changes)
	screen := a.screen()
	away := time.Time{}
	tick := time.NewTicker(watchPace)
	defer tick.Stop()
	for {
		r, err := c.Rollout(ctx, plan)
		var unreachable *client.Unreachable
		switch {
		case errors.As(err, &unreachable) && (away.IsZero() || time.Since(away) < watchPatience):
			if away.IsZero() {
				away = time.Now()
				screen.say("the server is away; waiting for it")
			}
		case err != nil:
			return err
		default:
			away = time.Time{}
			screen.show(r)
			if atRest(r) {
				return a.outcome(r)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-changes:
		}
	}
}

// listen hands on that something changed, as long as the live stream works; the
// ticker serves where it does not.
func listen(ctx context.Context, c *client.Client, changes chan<- struct{}) {
	for {
		_ = c.Stream(ctx, func(api.Change) error {
			select {
			case changes <- struct{}{}:
			default:
			}
			return nil
		})
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchPace):
		}
	}
}

// atRest reports whether the rollout is over and no host is on its way any more.
func atRest(r api.Rollout) bool {
	if !r.Status.Over() || r.Reverting {
		return false
	}
	for state, n := range r.States {
		// A lost host may stay lost for ever; waiting for it is not this command's.
		if n > 0 && state.HoldsSlot() && state != "lost" {
			return false
		}
	}
	return true
}

// outcome ends the watch with the rollout's own exit code.
func (a *app) outcome(r api.Rollout) error {
	text, well := show.Outcome(r.RolloutSummary)
	if a.structured() {
		if err := a.printRollout(r); err != nil {
			return err
		}
	} else {
		a.note(text)
	}
	if well {
		return nil
	}
	return fail(exitFailed, "hotstick rollout show "+r.Plan.Short()+" says which hosts and why", "cannot call it done: not every host is confirmed")
}

// screen is where a watch shows its rollout.
type screen struct {
	app   *app
	out   io.Writer
	lines int
	last  string
}

func (a *app) screen() *screen { return &screen{app: a, out: a.env.Stdout} }

// show draws a frame over the last one on a terminal, and elsewhere prints a line
// if it differs from the last one.
func (s *screen) show(r api.Rollout) {
	if s.app.structured() {
		return
	}
	width, height, terminal := s.app.env.Size()
	if !terminal {
		if line := show.Progress(r); line != s.last {
			s.last = line
			fmt.Fprintf(s.out, "%s  %s\n", s.app.env.Now().UTC().Format(time.TimeOnly), line)
		}
		return
	}
	s.draw(show.Frame(r, width, s.app.style()), height)
}

// draw writes the lines over those of the last frame. A frame that does not fit
// would scroll and could not be drawn over, so its end is left out.
func (s *screen) draw(lines []string, height int) {
	if len(lines) > height-1 && height > 1 {
		lines = lines[:height-1]
	}
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	for _, l := range lines {
		b.WriteString("\r\x1b[2K" + l + "\n")
	}
	b.WriteString("\x1b[J")
	s.lines = len(lines)
	_, _ = io.WriteString(s.out, b.String())
}

// say shows a message in place of the rollout.
func (s *screen) say(text string) {
	if _, height, terminal := s.app.env.Size(); terminal {
		s.draw([]string{text}, height)
		return
	}
	s.app.note(text)
}
