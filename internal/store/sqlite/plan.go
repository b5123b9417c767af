package sqlite

import (
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type planTable struct{ *tx }

const selectPlan = `SELECT id, name, patch_name, patch_level, cve, envelope, status, generation, reason, author, reverting,
	promoted, reopened, created, approved, started, ended FROM plans`

func readPlan(row scan) (p store.Plan, err error) {
	var generation, created int64
	var approved, started, ended *int64
	var reason string
	err = row(&p.ID, &p.Name, &p.Patch.Name, &p.Patch.Level, &p.CVE, &p.Envelope, &p.Status, &generation, &reason, &p.Author, &p.Reverting,
		&p.Promoted, &p.Reopened, &created, &approved, &started, &ended)
	if err != nil {
		return p, err
	}
	p.Generation, p.Created = uint64(generation), when(created)
	p.Approved, p.Started, p.Ended = whenever(approved), whenever(started), whenever(ended)
	p.Reason, err = parse[*hotstick.Reason](reason)
	return p.Clone(), err
}

func (t planTable) Create(p store.Plan, hosts []store.PlanHost) error {
	if err := t.writable(); err != nil {
		return err
	}
	if store.ListedTwice(hosts) {
		return store.ErrTaken
	}
	reason, err := text(p.Clone().Reason, p.Reason == nil)
	if err != nil {
		return err
	}
	created, err := t.exec(`INSERT INTO plans (id, name, patch_name, patch_level, cve, envelope, status, over, generation, reason, author,
		reverting, promoted, reopened, created, approved, started, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		p.ID, p.Name, p.Patch.Name, p.Patch.Level, p.CVE, present(p.Envelope), p.Status, p.Status.Over(), int64(p.Generation), reason, p.Author,
		p.Reverting, p.Promoted, p.Reopened, p.Created.UnixMicro(), instant(p.Approved), instant(p.Started), instant(p.Ended))
	if err == nil && created == 0 {
		return store.ErrTaken
	}
	if err != nil {
		return err
	}
	n, err := t.number(p.ID)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := t.list(n, h.Clone()); err != nil {
			return err
		}
	}
	return nil
}

// number returns the plan's key.
func (t planTable) number(id hotstick.PlanID) (int64, error) {
	return one(t.tx, value[int64], `SELECT n FROM plans WHERE id = ?`, id)
}

func (t planTable) Get(id hotstick.PlanID) (store.Plan, error) {
	return one(t.tx, readPlan, selectPlan+` WHERE id = ?`, id)
}

func (t planTable) List(active bool) ([]store.Plan, error) {
	query := selectPlan
	if active {
		query += ` WHERE over = 0`
	}
	return all(t.tx, readPlan, query+` ORDER BY created DESC, id`)
}

// Unfinished looks at what [store.PlanHost].Unfinished does.
func (t planTable) Unfinished() ([]store.Plan, error) {
	return all(t.tx, readPlan, selectPlan+` p WHERE over = 0
		OR EXISTS (SELECT 1 FROM plan_hosts l WHERE l.plan = p.n
			AND l.state IN ('admitted', 'armed', 'applying', 'probation', 'reverting', 'lost'))
		OR reverting = 1 AND EXISTS (SELECT 1 FROM plan_hosts l WHERE l.plan = p.n AND l.state = 'confirmed')
		OR EXISTS (SELECT 1 FROM plan_hosts l WHERE l.plan = p.n AND l.recall <> '' AND +l.state = 'confirmed')
		ORDER BY created DESC, id`)
}

func (t planTable) Advance(p store.Plan) error {
	reason, err := text(p.Clone().Reason, p.Reason == nil)
	if err != nil {
		return err
	}
	changed, err := t.exec(`UPDATE plans SET name = ?, patch_name = ?, patch_level = ?, cve = ?, envelope = ?, status = ?, over = ?,
		generation = ?, reason = ?, author = ?, reverting = ?, promoted = ?, reopened = ?, created = ?, approved = ?, started = ?, ended = ?
		WHERE id = ? AND generation = ?`,
		p.Name, p.Patch.Name, p.Patch.Level, p.CVE, present(p.Envelope), p.Status, p.Status.Over(),
		int64(p.Generation+1), reason, p.Author, p.Reverting, p.Promoted, p.Reopened, p.Created.UnixMicro(),
		instant(p.Approved), instant(p.Started), instant(p.Ended),
		p.ID, int64(p.Generation))
	if err != nil || changed > 0 {
		return err
	}
	if _, err := t.number(p.ID); err != nil {
		return err
	}
	return store.ErrConflict
}

// The lines of plans.

const selectLine = `SELECT p.id, l.idx, l.listed, l.state, l.attempt, l.reason, l.evidence, l.timing, l.updated, l.granted, l.started, l.ended,
	l.standing, l.late, l.recall, l.reapplied FROM plan_hosts l JOIN plans p ON p.n = l.plan`

func readLine(row scan) (h store.PlanHost, err error) {
	var listed, reason, evidence, timing, recall string
	var updated int64
	var granted, started, ended *int64
	err = row(&h.Plan, &h.Index, &listed, &h.State, &h.Attempt, &reason, &evidence, &timing, &updated, &granted, &started, &ended,
		&h.Standing, &h.Late, &recall, &h.Reapplied)
	if err != nil {
		return h, err
	}
	h.Updated, h.Granted, h.Started, h.Ended = when(updated), whenever(granted), whenever(started), whenever(ended)
	var errs [5]error
	h.Listed, errs[0] = parse[hotstick.PlanHost](listed)
	h.Reason, errs[1] = parse[*hotstick.Reason](reason)
	h.Evidence, errs[2] = parse[[]hotstick.Evidence](evidence)
	h.Timing, errs[3] = parse[hotstick.Timing](timing)
	h.Recall, errs[4] = parse[*hotstick.Reason](recall)
	return h, errors.Join(errs[:]...)
}

// list inserts a line.
func (t planTable) list(plan int64, h store.PlanHost) error {
	listed, err := text(h.Listed, false)
	if err != nil {
		return err
	}
	texts, err := newLineTexts(h)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO plan_hosts (plan, idx, host, listed, state, attempt, reason, evidence, timing, updated, granted, started, ended,
		standing, late, recall, reapplied) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		plan, h.Index, h.Listed.Host, listed, h.State, h.Attempt, texts.reason, texts.evidence, texts.timing,
		h.Updated.UnixMicro(), instant(h.Granted), instant(h.Started), instant(h.Ended), h.Standing, h.Late, texts.recall, h.Reapplied)
	return err
}

// lineTexts are the parts of a line that are kept as JSON.
type lineTexts struct{ reason, evidence, timing, recall string }

func newLineTexts(h store.PlanHost) (t lineTexts, err error) {
	var errs [4]error
	t.reason, errs[0] = text(h.Reason, h.Reason == nil)
	t.evidence, errs[1] = text(h.Evidence, len(h.Evidence) == 0)
	t.timing, errs[2] = text(h.Timing, h.Timing == hotstick.Timing{})
	t.recall, errs[3] = text(h.Recall, h.Recall == nil)
	return t, errors.Join(errs[:]...)
}

func (t planTable) AddLate(h store.PlanHost) (store.PlanHost, error) {
	if err := t.writable(); err != nil {
		return h, err
	}
	n, err := t.number(h.Plan)
	if err != nil {
		return h, err
	}
	_, err = one(t.tx, value[int], `SELECT idx FROM plan_hosts WHERE host = ? AND plan = ?`, h.Listed.Host, n)
	if err == nil {
		return h, store.ErrTaken
	}
	if !errors.Is(err, store.ErrNotFound) {
		return h, err
	}
	h = h.Clone()
	h.Late = true
	if h.Index, err = one(t.tx, value[int], `SELECT coalesce(max(idx) + 1, 0) FROM plan_hosts WHERE plan = ?`, n); err != nil {
		return h, err
	}
	return h, t.list(n, h)
}

func (t planTable) Hosts(id hotstick.PlanID) ([]store.PlanHost, error) {
	n, err := t.number(id)
	if err != nil {
		return nil, err
	}
	return all(t.tx, readLine, selectLine+` WHERE l.plan = ? ORDER BY l.idx`, n)
}

func (t planTable) Host(id hotstick.PlanID, host hotstick.HostID) (store.PlanHost, error) {
	return one(t.tx, readLine, selectLine+` WHERE l.host = ? AND p.id = ?`, host, id)
}

func (t planTable) PutHost(h store.PlanHost) error {
	texts, err := newLineTexts(h.Clone())
	if err != nil {
		return err
	}
	changed, err := t.exec(`UPDATE plan_hosts SET state = ?, attempt = ?, reason = ?, evidence = ?, timing = ?, updated = ?,
		granted = ?, started = ?, ended = ?, standing = ?, recall = ?, reapplied = ? WHERE host = ? AND plan = (SELECT n FROM plans WHERE id = ?)`,
		h.State, h.Attempt, texts.reason, texts.evidence, texts.timing, h.Updated.UnixMicro(),
		instant(h.Granted), instant(h.Started), instant(h.Ended), h.Standing, texts.recall, h.Reapplied, h.Listed.Host, h.Plan)
	if err == nil && changed == 0 {
		return store.ErrNotFound
	}
	return err
}

func (t planTable) OfHost(host hotstick.HostID) ([]store.PlanHost, error) {
	return all(t.tx, readLine, selectLine+` WHERE l.host = ? ORDER BY p.created DESC, p.id`, host)
}
