package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/statement"
)

// Times of the plans that are signed before the theft.
const (
	day = 24 * time.Hour
	// farDelay is longer than the run, also by the clock of a guest on a busy machine,
	// which may run several times as fast. In seconds.
	farDelay = 12 * 3600
	// soon is a delay in seconds in which a plan is announced and halted.
	soon = 15
	// patience bounds every wait for hosts.
	patience = 3 * time.Minute
)

// live is the honest life before the theft. It leaves what a thief finds in a server:
// plans that are done, halted, expired, waiting, unapproved and of another epoch, a
// ban, a recall, a clear that is used up, and the grants and plans that hosts were sent.
func (r *run) live(ctx context.Context) error {
	steps := []func(context.Context) error{r.beforeTheEpoch, r.rollOut, r.halt, r.expire, r.notStarted, r.bansAndRecalls, r.goAhead}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
		r.thief.keep()
	}
	return r.outlive(ctx)
}

// beforeTheEpoch approves a plan and begins another epoch.
func (r *run) beforeTheEpoch(ctx context.Context) error {
	if _, err := r.house.approved(ctx, r.forAll("before the epoch", wantedLevel, 0)); err != nil {
		return err
	}
	if err := r.sameCatalog(ctx); err != nil {
		return err
	}
	if err := r.house.nextEpoch(ctx); err != nil {
		return err
	}
	return r.sameCatalog(ctx)
}

// sameCatalog waits until all loaders have the server's catalog. A host that asks for
// the next root just before there is one, and for the snapshot just after, would take
// that for all that is new.
func (r *run) sameCatalog(ctx context.Context) error {
	c, err := r.house.client.Catalog(ctx)
	if err != nil {
		return err
	}
	return r.until(ctx, "the catalog to be everywhere", r.heard(func(v *victim) bool { return v.loader.CatalogVersion == c.Version }))
}

func (r *run) forAll(name string, level, delay int) outline {
	return outline{name: name, level: level, waves: [][]string{r.names()}, delays: []int{delay}, life: day}
}

// rollOut brings all hosts to one level and then to the next.
func (r *run) rollOut(ctx context.Context) error {
	for _, o := range []outline{r.forAll("older", olderLevel, 0), r.forAll("in effect", effectLevel, 0)} {
		if err := r.rolledOut(ctx, o, r.names()...); err != nil {
			return err
		}
	}
	return nil
}

// goAhead brings the first host to two more levels, of which the others wait for the
// last.
func (r *run) goAhead(ctx context.Context) error {
	first, rest := r.names()[:1], r.names()[1:]
	for _, o := range []outline{
		// The rule for late hosts fits no other: each guest is its own rack.
		{name: "alone", level: aloneLevel, waves: [][]string{first}, delays: []int{0}, life: day,
			late: &hotstick.LateRule{Labels: map[string]string{"rack": "r1"}}},
		{name: "live", level: liveLevel, waves: [][]string{first, rest}, delays: []int{0, farDelay}, life: day},
	} {
		if err := r.rolledOut(ctx, o, first...); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) rolledOut(ctx context.Context, o outline, hosts ...string) error {
	w, err := r.house.started(ctx, o)
	if err != nil {
		return err
	}
	return r.until(ctx, fmt.Sprintf("plan %q", o.name), r.house.confirmed(w, hosts...))
}

// halt announces a plan and halts it before its delay is over.
func (r *run) halt(ctx context.Context) error {
	w, err := r.house.started(ctx, r.forAll("halted", wantedLevel, soon))
	if err != nil {
		return err
	}
	if err := r.until(ctx, "a plan to be announced", r.heard(func(v *victim) bool { return slices.Contains(v.loader.Plans, w.id) })); err != nil {
		return err
	}
	if _, err := r.house.client.Halt(ctx, string(w.id), api.ActionRequest{Reason: "it is not to go on"}); err != nil {
		return err
	}
	return r.until(ctx, "its halt to be heard", r.heard(func(v *victim) bool { return v.halts > 0 }))
}

// expire announces a plan whose life is over before its delay is, so that nobody can
// start it in time. On a busy machine hosts hear of it too late, and of the next one,
// which lives longer, in time.
func (r *run) expire(ctx context.Context) error {
	for life := 8; ; life *= 2 {
		o := r.forAll("expired", wantedLevel, life+1)
		o.life = time.Duration(life) * time.Second
		w, err := r.house.started(ctx, o)
		if err != nil {
			return err
		}
		heard := r.heard(func(v *victim) bool { return slices.Contains(v.loader.Plans, w.id) })
		all := false
		err = r.until(ctx, "a plan that expires to be announced", func(ctx context.Context) (bool, error) {
			all, err = heard(ctx)
			return all || time.Now().After(w.body.NotAfter), err
		})
		if err != nil || all {
			r.expired = w.body.NotAfter.Add(time.Second)
			return err
		}
	}
}

// notStarted approves plans that nobody starts: one whose windows are closed, and, on
// paper only, two for levels that are then taken back, for the server would halt
// them. One more waits for its approvers, of which one signed twice.
func (r *run) notStarted(ctx context.Context) error {
	tonight := r.forAll("at another time", wantedLevel, 0)
	now := time.Now().UTC().Truncate(time.Second)
	tonight.opens = &hotstick.Interval{From: now.Add(20 * time.Hour), Until: now.Add(day)}
	if _, err := r.house.approved(ctx, tonight); err != nil {
		return err
	}
	for _, o := range []outline{r.forAll("banned", bannedLevel, 0), r.forAll("recalled", recallLevel, 0)} {
		if err := r.post(ctx, o, r.house.keys[approvers[0]], r.house.keys[approvers[1]]); err != nil {
			return err
		}
	}
	return r.post(ctx, r.forAll("unapproved", wantedLevel, 0), r.house.keys[approvers[0]], r.house.second)
}

// post writes a plan that is signed on paper.
func (r *run) post(ctx context.Context, o outline, by ...statement.Signer) error {
	w, err := r.house.write(ctx, o)
	if err != nil {
		return err
	}
	for _, key := range by {
		if w.raw, err = statement.AddSignature(w.raw, key); err != nil {
			return err
		}
	}
	r.letters = append(r.letters, w)
	return nil
}

// bansAndRecalls bans a level, clears the ban, bans it again, and recalls another one.
func (r *run) bansAndRecalls(ctx context.Context) error {
	bans := func(has bool) func(context.Context) (bool, error) {
		return r.heard(func(v *victim) bool { return slices.Contains(v.loader.Bans, ref(bannedLevel)) == has })
	}
	if _, err := r.house.client.Ban(ctx, ref(bannedLevel), api.BanRequest{Reason: "it hurts"}); err != nil {
		return err
	}
	if err := r.until(ctx, "the ban to be heard", bans(true)); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second).Add(time.Second) // not older than the ban, which has whole seconds
	clearance, err := statement.Sign(statement.KindClear, statement.Clear{Patch: ref(bannedLevel), Hosts: []hotstick.HostID{}, Ban: true,
		IssuedAt: now, NotAfter: now.Add(day)}, r.house.keys[approvers[0]], r.house.keys[approvers[1]])
	if err != nil {
		return err
	}
	if _, err := r.house.client.Clear(ctx, api.ClearRequest{Envelope: clearance}); err != nil {
		return err
	}
	if err := r.until(ctx, "the clear to be heard", bans(false)); err != nil {
		return err
	}
	if err := r.until(ctx, "a second that is not the clear's", func(context.Context) (bool, error) {
		return time.Since(now) > time.Second, nil
	}); err != nil {
		return err
	}
	if _, err := r.house.client.Ban(ctx, ref(bannedLevel), api.BanRequest{Reason: "it still hurts"}); err != nil {
		return err
	}
	if err := r.house.recall(ctx, recallLevel); err != nil {
		return err
	}
	return r.until(ctx, "ban and recall to be heard", r.heard(func(v *victim) bool {
		return slices.Contains(v.loader.Bans, ref(bannedLevel)) && slices.Contains(v.loader.Recalls, ref(recallLevel))
	}))
}

// outlive waits until life and delay of the plan are over that is to be expired.
func (r *run) outlive(ctx context.Context) error {
	return r.until(ctx, "a plan to expire", func(context.Context) (bool, error) { return time.Since(r.expired) > 2*time.Second, nil })
}

// heard reports whether all hosts have said something in their check-ins.
func (r *run) heard(of func(*victim) bool) func(context.Context) (bool, error) {
	return func(context.Context) (bool, error) { return r.thief.all(len(r.guests), of), nil }
}
