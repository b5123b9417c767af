package world

import (
	"container/heap"
	"time"
)

// event is something that happens at a moment. Two of one moment happen in the
// order in which they were planned.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

type queue []*event

// Len implements [heap.Interface].
func (q queue) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}

// Swap implements [heap.Interface].
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements [heap.Interface].
func (q *queue) Push(x any) { *q = append(*q, x.(*event)) }

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}

// loop is time and what is going to happen in it.
type loop struct {
	now   time.Duration
	seq   uint64
	queue queue
	count int
}

// at plans something; a moment that is over means now.
func (l *loop) at(t time.Duration, do func()) {
	l.seq++
	heap.Push(&l.queue, &event{at: max(t, l.now), seq: l.seq, do: do})
}

// after plans something for later.
func (l *loop) after(d time.Duration, do func()) { l.at(l.now+d, do) }

// step lets the next thing happen. It reports false when nothing is left.
func (l *loop) step() bool {
	if len(l.queue) == 0 {
		return false
	}
	e := heap.Pop(&l.queue).(*event)
	l.now = e.at
	l.count++
	e.do()
	return true
}
