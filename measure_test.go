package hotstick_test

import (
	"math"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
)

func TestAMeasureIsWrittenForPeople(t *testing.T) {
	for _, c := range []struct {
		unit string
		x    float64
		want string
	}{
		{hotstick.UnitSeconds, 0.01234567, "12.3ms"},
		{hotstick.UnitSeconds, 2, "2s"},
		{hotstick.UnitRatio, 0.97654, "97.7 %"},
		{hotstick.UnitRatio, 0, "0 %"},
		{hotstick.UnitBytesPerSecond, 256 << 10, "256 KiB/s"},
		{hotstick.UnitBytesPerSecond, 1.5 * (1 << 20), "1.5 MiB/s"},
		{hotstick.UnitBytesPerSecond, 1e30, "909000000000000000 TiB/s"},
		{"", 12345, "12300"},
		{"", 1e300, "1e+300"},
		{hotstick.UnitSeconds, 1e300, "1e+300"},
		{"parsecs", 3, "3"},
	} {
		if got := (hotstick.Measure{Unit: c.unit}).Text(c.x); got != c.want {
			t.Errorf("%g %s is written %q, want %q", c.x, c.unit, got, c.want)
		}
	}
}

func TestAMeasureThatIsNoNumberIsRefused(t *testing.T) {
	nan := math.NaN()
	for what, m := range map[string]*hotstick.Measure{
		"its value is none": {Value: math.Inf(1)}, "what is usual is none": {Usual: &nan}, "its limit is none": {Limit: &nan},
		"its unit is a story": {Unit: strings.Repeat("x", 33)},
	} {
		if m.Validate() == nil {
			t.Errorf("a measure is used although %s", what)
		}
	}
	if err := (*hotstick.Measure)(nil).Validate(); err != nil {
		t.Error(err)
	}
}
