package gate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// Sizes of a [Series].
const (
	// BatchPoints neighbouring points are judged by their mean, so that bursts and
	// autocorrelation weigh less.
	BatchPoints = 3
	// MinBaseline is how many points from before the patch a series needs: fewer
	// say too little of how much the two groups differ anyway.
	MinBaseline = 120
	// MinPatched is how many points it needs with the patch.
	MinPatched = 4 * BatchPoints
	// clip bounds, in standard deviations of the baseline, what one point may say.
	clip = 4
	// effect is the prior variance of the shift, in units of a batch's variance.
	effect = 4
	// maxCorrelation bounds the autocorrelation of batches that is reckoned with.
	maxCorrelation = 0.8
)

// Point is one moment of a metric, such as one step of a Prometheus range query:
// its mean, or its worst, over the hosts of each group at the same time. Higher is
// worse. NaN says that the value is missing.
type Point struct {
	At time.Time
	// Canary is the value over the hosts that the patch goes to first, Control over
	// comparable hosts that do not have it.
	Canary, Control float64
	// Patched: the canaries ran the patch; false for the baseline from before.
	Patched bool
}

// Series compares one metric of hosts that run a patch with hosts that do not,
// as a value. The two groups need not be alike: what counts is whether the ratio
// between them changes when the patch comes. Load that both share, such as day
// and night, cancels out.
//
// The test may be looked at after every point. It is the Bayes factor of a shift
// in the mean of batches, with the right-Haar prior on the ratio before and on
// the spread, so neither needs to be known; under a good patch and independent
// batches its chance of ever reaching 1/a is at most a. What correlation is left
// between batches is measured and taken off. Points count up to clip deviations
// of the baseline, so a burst is one odd point and not a shift.
type Series struct {
	name      string
	floor     float64
	threshold float64
	settings  settings
	baseline  []float64
	// centre and spread are the baseline's, once the patch came.
	centre, spread float64
	batch          segment
	before, after  segment
	newest         time.Time
	patched        int
}

// NewSeries returns the comparison of one of as many metrics as the gate watches:
// they share the chance of a false halt. Values below floor, in the metric's unit,
// are too small to matter; floor must be above 0 where the metric may be 0.
func NewSeries(name string, metrics int, floor float64, s hotstick.GateSettings) Series {
	return Series{name: name, floor: floor, settings: settings(s), threshold: float64(max(1, metrics)) / settings(s).alarm()}
}

// Add takes the next point; points come in the order of time, those of the
// baseline first. Points with a missing or impossible value are passed over.
func (s Series) Add(p Point) Series {
	ratio := math.Log((p.Canary + s.floor) / (p.Control + s.floor))
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return s
	}
	s.newest = p.At
	if !p.Patched {
		if s.patched == 0 {
			s.baseline = append(slices.Clip(s.baseline), ratio)
		}
		return s
	}
	if s.patched == 0 {
		s = s.settle()
	}
	s.patched++
	if s.spread > 0 {
		s.batch, s.after = s.gather(s.batch, s.after, ratio)
	}
	return s
}

// settle takes the measure of the baseline when the patch comes.
func (s Series) settle() Series {
	if len(s.baseline) < MinBaseline {
		return s
	}
	sorted := slices.Sorted(slices.Values(s.baseline))
	s.centre = sorted[len(sorted)/2]
	for i, x := range sorted {
		sorted[i] = math.Abs(x - s.centre)
	}
	slices.Sort(sorted)
	// 1.4826 makes the median deviation that of a normal distribution.
	s.spread = max(1.4826*sorted[len(sorted)/2], 1e-6)
	var batch segment
	for _, x := range s.baseline {
		batch, s.before = s.gather(batch, s.before, x)
	}
	return s
}

// gather adds one point to the batch, and a full batch to the segment.
func (s Series) gather(batch, to segment, ratio float64) (segment, segment) {
	z := (ratio - s.centre) / s.spread
	batch = batch.add(min(max(z, -clip), clip))
	if batch.n < BatchPoints {
		return batch, to
	}
	return segment{}, to.add(batch.mean())
}

// Evidence is how many times better a shift to the worse explains the points than
// none does; 0 while there are too few.
func (s Series) Evidence() float64 {
	if s.spread == 0 || s.after.n*BatchPoints < MinPatched {
		return 0
	}
	shift := s.after.mean() - s.before.mean()
	if shift <= 0 {
		return 0
	}
	free := float64(s.after.n + s.before.n - 2)
	squares := s.after.deviation() + s.before.deviation()
	r := (s.after.products() + s.before.products()) / max(squares, 1e-12)
	// One standard error more: a short row shows too little of its correlation.
	r = min(max(r, 0)+1/math.Sqrt(free), maxCorrelation)
	variance := max(squares/free, 1e-6) * (1 + r) / (1 - r)
	v := 1/float64(s.after.n) + 1/float64(s.before.n)
	t2 := shift * shift / (variance * v)
	w := v / (v + effect)
	return math.Sqrt(w) * math.Pow((1+t2/free)/(1+t2*w/free), (free+1)/2)
}

// Judge gives the verdict at now: no data, and old data, is hold.
func (s Series) Judge(now time.Time) Verdict {
	v := Verdict{Limit: 1}
	ratio := math.Exp(s.spread * (s.after.mean() - s.before.mean()))
	switch {
	case s.spread == 0 || s.after.n*BatchPoints < MinPatched:
		v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonTooFewReadings, Subject: s.name,
			Detail: fmt.Sprintf("%d points before the patch and %d since", len(s.baseline), s.patched)}
	case s.Evidence() >= s.threshold:
		v.Outcome, v.Reason = Fail, hotstick.Reason{Code: hotstick.ReasonGateFailed, Subject: s.name,
			Detail: fmt.Sprintf("about %.2f times what it was beside hosts without the patch", ratio)}
	case now.Sub(s.newest) > s.settings.fresh():
		v.Outcome, v.Reason = Hold, hotstick.Reason{Code: hotstick.ReasonStaleReadings, Subject: s.name}
	default:
		v.Outcome, v.Reason = Pass, hotstick.Reason{Code: hotstick.ReasonBake}
	}
	return v
}

// segment holds the sums of a row of numbers from which its mean, its spread and
// its autocorrelation follow.
type segment struct {
	n                                      int
	sum, squares, cross, firstOne, lastOne float64
}

func (g segment) add(x float64) segment {
	if g.n == 0 {
		g.firstOne = x
	} else {
		g.cross += x * g.lastOne
	}
	g.n++
	g.sum, g.squares, g.lastOne = g.sum+x, g.squares+x*x, x
	return g
}

func (g segment) mean() float64 {
	if g.n == 0 {
		return 0
	}
	return g.sum / float64(g.n)
}

// deviation is the sum of squared deviations from the mean.
func (g segment) deviation() float64 {
	return max(0, g.squares-g.sum*g.mean())
}

// products is the sum of the products of neighbours' deviations.
func (g segment) products() float64 {
	m := g.mean()
	return g.cross - m*(2*g.sum-g.firstOne-g.lastOne) + float64(g.n-1)*m*m
}
