package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
)

// audit gathers what people do with the audit log. Its old name stays.
func (a *app) audit() *cobra.Command {
	cmd := noun("audit", "The audit log: who did what, when and why, and the proof that it is whole",
		a.auditLog(), a.auditVerify(), a.auditExport())
	cmd.Aliases = []string{"events"}
	return cmd
}

// auditLogFlags are what audit log was asked for.
type auditLogFlags struct {
	plan, host, patch, actor, kind, since, until string
	limit                                        int
}

func (a *app) auditLog() *cobra.Command {
	var f auditLogFlags
	cmd := &cobra.Command{
		Use:     "log",
		Aliases: []string{"list", "ls"},
		Short:   "List what happened, newest first",
		Long: `Lists the audit log, newest first. All flags narrow it together.

--kind takes a kind such as plan.status, or what it is about, such as plan;
--since and --until take a time or a length of time before now, such as 12h.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.query(a.env.Now())
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error { return a.listEvents(ctx, c, q, f.limit) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.plan, "plan", "", "only events of this rollout")
	flags.StringVar(&f.host, "host", "", "only events of this host")
	flags.StringVar(&f.patch, "patch", "", "only events of this patch level, such as unix-ioctl@1")
	flags.StringVar(&f.actor, "actor", "", "only what this person, or controller, did")
	flags.StringVar(&f.kind, "kind", "", "only events of this kind, such as plan.status or plan")
	flags.StringVar(&f.since, "since", "", "only events since this time, or this long ago")
	flags.StringVar(&f.until, "until", "", "only events before this time, or this long ago")
	flags.IntVar(&f.limit, "limit", 50, "at most so many events")
	_ = cmd.RegisterFlagCompletionFunc("plan", a.completeRollouts())
	_ = cmd.RegisterFlagCompletionFunc("host", a.completeHosts())
	_ = cmd.RegisterFlagCompletionFunc("patch", a.completePatches())
	return cmd
}

func (f auditLogFlags) query(now time.Time) (client.EventQuery, error) {
	q := client.EventQuery{Plan: hotstick.PlanID(f.plan), Host: hotstick.HostID(f.host), Actor: f.actor, Kind: f.kind}
	if f.limit < 1 {
		return q, usage("--limit is at least 1", "cannot list %d events", f.limit)
	}
	if f.patch != "" {
		var err error
		if q.Patch, err = hotstick.ParsePatchRef(f.patch); err != nil {
			return q, usage("--patch NAME@LEVEL", "%v", err)
		}
	}
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", f.since, &q.Since}, {"until", f.until, &q.Until}} {
		if t.text == "" {
			continue
		}
		var err error
		if *t.to, err = parsePast(t.flag, t.text, now); err != nil {
			return q, err
		}
	}
	return q, nil
}

// parsePast reads a time, or a length of time before now.
func parsePast(flag, text string, now time.Time) (time.Time, error) {
	if d, ok := parseSpan(text); ok {
		return now.Add(-d).UTC(), nil
	}
	return parseWhen(flag, text, now)
}

// maxEventPage is the largest page that the server gives.
const maxEventPage = 1000

// listEvents gathers pages until there are enough events.
func (a *app) listEvents(ctx context.Context, c *client.Client, q client.EventQuery, limit int) error {
	list := api.EventList{Events: []api.Event{}}
	for {
		q.Limit = min(limit-len(list.Events), maxEventPage)
		page, err := c.Events(ctx, q)
		if err != nil {
			return err
		}
		list.Events = append(list.Events, page.Events...)
		list.Next, q.Page = page.Next, page.Next
		if page.Next == "" || len(list.Events) >= limit {
			break
		}
	}
	return a.print(view{value: list, names: eventNames(list.Events),
		table: func(st show.Style) show.Table { return show.Events(list.Events, st) }})
}

func eventNames(events []api.Event) []string {
	var names []string
	for _, e := range events {
		names = append(names, e.Kind)
	}
	return names
}
