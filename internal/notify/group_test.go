package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

// post is an outbox with a deliverer in fake time, and what it sent.
type post struct {
	*testing.T
	store store.Store
	start time.Time
	sent  []sent
	fails int
}

type sent struct {
	after time.Duration
	id    string
	body  Digest
}

// Send implements Sender.
func (p *post) Send(_ context.Context, id string, body []byte, _ time.Time) error {
	var d Digest
	if err := json.Unmarshal(body, &d); err != nil {
		p.Error(err)
	}
	p.sent = append(p.sent, sent{time.Since(p.start), id, d})
	if len(p.sent) <= p.fails {
		return errors.New("not now")
	}
	return nil
}

// inPost runs a script against a deliverer; fake time begins at midnight UTC,
// 2000-01-01, a Saturday.
func inPost(t *testing.T, o Options, fails int, script func(*post)) []sent {
	t.Helper()
	var p *post
	synctest.Test(t, func(t *testing.T) {
		p = &post{T: t, store: memory.Open(time.Now), start: time.Now(), fails: fails}
		o.Store, o.Sender, o.Log = p.store, p, slog.New(slog.DiscardHandler)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = NewDeliverer(o).Run(ctx)
		}()
		script(p)
		cancel()
		<-done
	})
	return p.sent
}

func (p *post) wait(d time.Duration) { <-time.After(d) }

func (p *post) tell(kind string, level int, host string) {
	p.Helper()
	err := p.store.Update(p.Context(), func(tx store.Tx) error {
		e, err := tx.Events().Append(store.Event{Kind: "x", HostName: host, Plan: hotstick.NewDigest([]byte("plan")),
			Patch: hotstick.PatchRef{Name: "p", Level: level}})
		if err != nil {
			return err
		}
		return inventory.Notify(tx, kind, e)
	})
	if err != nil {
		p.Fatal(err)
	}
}

// told writes what was sent, one line a message: when, what, how often.
func told(list []sent) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%s %s %s ×%d %s\n", s.after.Round(time.Second), s.body.Type, s.body.Data.Patch, max(s.body.Count, 1), strings.Join(s.body.Hosts, ","))
	}
	return b.String()
}

func TestOneMessagePerPatchAndKindNotOnePerHost(t *testing.T) {
	got := inPost(t, Options{}, 0, func(p *post) {
		p.tell(inventory.NotifyStrike, 1, "web-1")
		p.wait(time.Second)
		p.tell(inventory.NotifyStrike, 1, "web-2")
		p.tell(inventory.NotifyStrike, 2, "web-3")
		p.tell(inventory.NotifyHalt, 1, "")
		p.wait(3 * time.Second)
		p.tell(inventory.NotifyStrike, 1, "web-4")
		p.wait(5 * time.Second)
		p.tell(inventory.NotifyStrike, 1, "web-5")
		p.wait(time.Minute)
	})
	want := "1s rollout.halted p@1 ×1 \n5s host.struck p@1 ×3 web-1,web-2,web-4\n6s host.struck p@2 ×1 \n14s host.struck p@1 ×1 \n"
	if told(got) != want {
		t.Errorf("told\n%swant\n%s", told(got), want)
	}
	if text := got[1].body.Text; !strings.Contains(text, "3 times, on web-1, web-2, web-4. The first: ") {
		t.Errorf("the text is %q", text)
	}
}

func TestWhatWasTriedTogetherIsTriedTogetherAgain(t *testing.T) {
	got := inPost(t, Options{}, 2, func(p *post) {
		p.tell(inventory.NotifyStrike, 1, "web-1")
		p.tell(inventory.NotifyStrike, 1, "web-2")
		p.wait(6 * time.Second)
		p.tell(inventory.NotifyStrike, 1, "web-3")
		p.wait(time.Minute)
	})
	for i, want := range []string{"5s ×2", "7s ×2", "11s ×2", "11s ×1"} {
		if have := fmt.Sprintf("%s ×%d", got[i].after.Round(time.Second), max(got[i].body.Count, 1)); have != want {
			t.Errorf("try %d was %s; want %s", i, have, want)
		}
	}
	if len(got) != 4 || got[0].id != got[1].id || got[2].id != got[0].id || got[3].id == got[0].id {
		t.Errorf("told\n%s", told(got))
	}
}

func TestQuietTimesHoldBackWhatCanWait(t *testing.T) {
	night := Quiet{Hours: []Span{mustSpan(t, "22:00-06:00")}}
	window := func(_ store.Tx, _ hotstick.PlanID, now time.Time) (time.Time, bool, error) {
		end := time.Date(2000, 1, 1, 2, 0, 0, 0, time.UTC)
		return end, now.Before(end), nil
	}
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"at night", Options{Quiet: night}, "10m0s rollout.halted p@1 ×1 \n6h0m0s host.struck p@1 ×2 web-1,web-2\n7h0m5s host.struck p@1 ×1 \n"},
		{"in a maintenance window", Options{Quiet: Quiet{Windows: true}, Window: window}, "10m0s rollout.halted p@1 ×1 \n2h0m0s host.struck p@1 ×2 web-1,web-2\n7h0m5s host.struck p@1 ×1 \n"},
		{"in neither", Options{Window: window}, "5s host.struck p@1 ×1 \n10m0s rollout.halted p@1 ×1 \n10m5s host.struck p@1 ×1 \n7h0m5s host.struck p@1 ×1 \n"},
	} {
		got := inPost(t, tt.o, 0, func(p *post) {
			p.tell(inventory.NotifyStrike, 1, "web-1")
			p.wait(10 * time.Minute)
			p.tell(inventory.NotifyStrike, 1, "web-2")
			p.tell(inventory.NotifyHalt, 1, "")
			p.wait(7*time.Hour - 10*time.Minute)
			p.tell(inventory.NotifyStrike, 1, "web-3")
			p.wait(time.Hour)
		})
		if told(got) != tt.want {
			t.Errorf("%s: told\n%swant\n%s", tt.name, told(got), tt.want)
		}
	}
}

func TestALongListIsNotNamedInFull(t *testing.T) {
	got := inPost(t, Options{}, 0, func(p *post) {
		for i := range 200 {
			p.tell(inventory.NotifyStrike, 1, fmt.Sprintf("web-%03d", i))
		}
		p.wait(time.Minute)
	})
	if len(got) != 1 || got[0].body.Count != 200 || len(got[0].body.Hosts) != maxNamed || !strings.Contains(got[0].body.Text, "web-004 and 195 more.") {
		t.Errorf("told %d messages, %d hosts: %q", len(got), len(got[0].body.Hosts), got[0].body.Text)
	}
}
