package memory

import (
	"bytes"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store"
)

// eventRows holds the audit log: events and leaves by number, hashes by index.
// The slices only grow; undoing is putting the shorter ones back.
type eventRows struct {
	events []store.Event
	leaves [][]byte
	hashes []audit.Hash
	ofPlan map[hotstick.PlanID][]int64
	ofHost map[hotstick.HostID][]int64
}

type eventTable struct{ *tx }

func (t eventTable) Append(e store.Event) (store.Event, error) {
	if err := t.writable(); err != nil {
		return store.Event{}, err
	}
	rows := &t.s.events
	e.Seq, e.At = int64(len(rows.events)), t.now
	e = e.Clone()
	leaf, err := audit.Encode(e)
	if err != nil {
		return store.Event{}, err
	}
	added, err := audit.Append(e.Seq, leaf, t)
	if err != nil {
		return store.Event{}, err
	}
	assign(t.tx, &rows.events, append(rows.events, e))
	assign(t.tx, &rows.leaves, append(rows.leaves, leaf))
	assign(t.tx, &rows.hashes, append(rows.hashes, added...))
	if e.Plan != "" {
		set(t.tx, rows.ofPlan, e.Plan, append(rows.ofPlan[e.Plan], e.Seq))
	}
	if e.Host != "" {
		set(t.tx, rows.ofHost, e.Host, append(rows.ofHost[e.Host], e.Seq))
	}
	return e.Clone(), nil
}

func (t eventTable) List(f store.EventFilter) ([]store.Event, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	rows := &t.s.events
	end := int64(len(rows.events))
	if f.Before > 0 {
		end = min(end, f.Before)
	}
	var page []store.Event
	add := func(seq int64) bool {
		e := rows.events[seq]
		if (f.Plan == "" || e.Plan == f.Plan) && (f.Host == "" || e.Host == f.Host) {
			page = append(page, e.Clone())
		}
		return f.Limit <= 0 || len(page) < f.Limit
	}
	var index []int64
	switch {
	case f.Host != "":
		index = rows.ofHost[f.Host]
	case f.Plan != "":
		index = rows.ofPlan[f.Plan]
	default:
		for seq := end - 1; seq >= max(0, f.From) && add(seq); seq-- {
		}
		return page, nil
	}
	n, _ := slices.BinarySearch(index, end)
	for i := n - 1; i >= 0 && index[i] >= f.From && add(index[i]); i-- {
	}
	return page, nil
}

func (t eventTable) Head() (int64, [32]byte, error) {
	if err := t.usable(); err != nil {
		return 0, [32]byte{}, err
	}
	head, err := audit.NewHead(int64(len(t.s.events.leaves)), t)
	return head.Size, head.Root, err
}

func (t eventTable) Leaf(seq int64) ([]byte, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if seq < 0 || seq >= int64(len(t.s.events.leaves)) {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(t.s.events.leaves[seq]), nil
}

func (t eventTable) ReadHashes(indexes []int64) ([]audit.Hash, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	hashes := make([]audit.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(t.s.events.hashes)) {
			return nil, store.ErrNotFound
		}
		hashes[i] = t.s.events.hashes[index]
	}
	return hashes, nil
}
