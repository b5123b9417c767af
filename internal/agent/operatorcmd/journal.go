package operatorcmd

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

func showJournal(ctx context.Context, s *session) error {
	answer, err := s.ask(ctx, operate.Request{Action: operate.Journal})
	if err != nil {
		return err
	}
	if s.json {
		if answer.Entries == nil {
			answer.Entries = []journal.Entry{}
		}
		s.print(answer.Entries)
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tWHAT\tLEVEL\tPLAN\tBY\tWHY")
	for _, e := range answer.Entries {
		level, plan, what := "-", "-", string(e.Kind)
		if !e.Patch.IsZero() {
			level = e.Patch.String()
		}
		if e.Plan != "" {
			plan = fmt.Sprintf("%s/%d", e.Plan.Short(), e.Attempt)
		}
		if e.State != "" {
			what = string(e.State)
		}
		why := string(e.Code)
		if e.Text != "" && why != "" {
			why += ": "
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.At.Format("2006-01-02 15:04:05Z"), what, level, plan, dash(e.By), dash(clean(why+e.Text)))
	}
	return w.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return clean(s)
}
