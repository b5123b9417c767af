package hotstick

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Units of a [Measure].
const (
	UnitSeconds        = "seconds"
	UnitRatio          = "ratio"
	UnitBytesPerSecond = "bytes_per_second"
)

// maxUnit bounds a unit's name, in bytes.
const maxUnit = 32

// Validate reports the first thing that is malformed.
func (m *Measure) Validate() error {
	if m == nil {
		return nil
	}
	if len(m.Unit) > maxUnit {
		return fmt.Errorf("cannot use a unit of %d bytes: the limit is %d", len(m.Unit), maxUnit)
	}
	for _, x := range []*float64{&m.Value, m.Usual, m.Limit} {
		if x != nil && (math.IsNaN(*x) || math.IsInf(*x, 0)) {
			return fmt.Errorf("cannot use a measure that is no number")
		}
	}
	return nil
}

// Text writes a number in the measure's unit for people, with three digits, such as
// 12.5ms, 97 % or 1.5 MiB/s.
func (m Measure) Text(x float64) string {
	switch {
	case m.Unit == UnitSeconds && math.Abs(x) < 1e9:
		return time.Duration(threeDigits(x) * float64(time.Second)).String()
	case m.Unit == UnitRatio:
		return strconv.FormatFloat(threeDigits(100*x), 'f', -1, 64) + " %"
	case m.Unit == UnitBytesPerSecond:
		return sized(x) + "/s"
	}
	return strconv.FormatFloat(threeDigits(x), 'g', -1, 64)
}

// Round returns the measure with three digits of each number: more are noise.
func (m Measure) Round() Measure {
	m.Value = threeDigits(m.Value)
	for _, p := range []**float64{&m.Usual, &m.Limit} {
		if *p != nil {
			x := threeDigits(**p)
			*p = &x
		}
	}
	return m
}

func threeDigits(x float64) float64 {
	if r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64); err == nil {
		return r
	}
	return x
}

// sized writes a number of bytes in the largest unit that it fills.
func sized(x float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for len(units) > 1 && math.Abs(x) >= 1024 {
		x, units = x/1024, units[1:]
	}
	return strconv.FormatFloat(threeDigits(x), 'f', -1, 64) + " " + units[0]
}
