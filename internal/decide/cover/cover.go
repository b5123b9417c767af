package cover

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/kernel/nt/calendar"
	"github.com/hotstick/hotstick/internal/series"
)

// Kernel is a running kernel and the live-patch system that is in use on its host. What is
// not known is zero.
type Kernel struct {
	// Release is what uname -r prints; Product and Version are of the booted package.
	Release string
	Product hotstick.KernelProduct
	Version string
	// Driver is of the system in use.
	Driver string
	// Told is the day until which that system says that it covers the kernel.
	Told time.Time
	// Over: that system says that it covers the kernel no more.
	Over bool
	// Chosen: there is a live patch of the vendor's for this very kernel; a caller who knows
	// of one that is not loaded says so.
	Chosen bool
	// Published is when the vendor published the kernel.
	Published hotstick.KernelRelease
}

// Of takes from a host's facts what its cover rests on, but for when the kernel was
// published. The system in use is the one that has a patch in the kernel, or else the first
// that can be used; then one that could, if its cover were not over; and one that loads our
// own bytes only where there is no other.
func Of(f hotstick.Facts) Kernel {
	booted := exposure.Booted(f)
	k := Kernel{Release: f.Kernel.Build.Release, Product: booted.Product, Version: booted.Version}
	var use *hotstick.Capabilities
	for i, c := range f.Drivers {
		if hotstick.Reboots(c.Driver) || !c.Available && !over(c) {
			continue
		}
		if use == nil || rank(f, c) > rank(f, *use) {
			use = &f.Drivers[i]
		}
	}
	if use != nil {
		k.Driver, k.Told, k.Over, k.Chosen = use.Driver, use.CoverUntil, over(*use), made(f, use.Driver)
	}
	return k
}

func rank(f hotstick.Facts, c hotstick.Capabilities) int {
	switch {
	case loads(f, c.Driver):
		return 3
	case c.TrustClass == hotstick.TrustBytes:
		return 0
	case c.Available:
		return 2
	}
	return 1
}

// over reports whether a system takes no patches since its cover is over.
func over(c hotstick.Capabilities) bool {
	return !c.Available && c.Reason != nil && c.Reason.Code == hotstick.ReasonCoverEnded
}

// loads reports whether a driver's truth source shows a patch for the running kernel.
func loads(f hotstick.Facts, driver string) bool {
	return slices.ContainsFunc(f.Livepatch.Patches, func(p hotstick.LoadedPatch) bool { return p.Driver == driver && p.State != hotstick.Disabled })
}

// made reports whether a driver has loaded a patch that bears the version of the running
// kernel in its name, as vendors name theirs: kpatch_5_14_0_284_11_1_1_2 is for
// 5.14.0-284.11.1.el9_2.x86_64. One that somebody built is no sign that a vendor does.
func made(f hotstick.Facts, driver string) bool {
	release := f.Kernel.Build.Release
	end := strings.IndexFunc(release, unicode.IsLetter)
	if end < 0 {
		end = len(release)
	}
	version := strings.NewReplacer(".", "_", "-", "_").Replace(strings.TrimRight(release[:end], ".-_"))
	return version != "" && slices.ContainsFunc(f.Livepatch.Patches, func(p hotstick.LoadedPatch) bool {
		return p.Driver == driver && p.State != hotstick.Disabled && strings.Contains("_"+p.Module+"_", "_"+version+"_")
	})
}

// Judge says until when there are live patches for a kernel.
func (r *Rules) Judge(k Kernel, now time.Time) hotstick.Cover {
	c := hotstick.Cover{Driver: k.Driver}
	switch {
	case k.Driver == "":
		c.Reason = hotstick.CoverNoSystem
	case k.Over && (k.Told.IsZero() || now.Before(dayOf(k.Told).AddDate(0, 0, 1))):
		c.Reason = hotstick.CoverOver // whatever day it names beside that
	case !k.Told.IsZero():
		c.Reason, c.Until = hotstick.CoverTold, dayOf(k.Told)
	default:
		c.Reason = hotstick.CoverNoRule
		if at := slices.IndexFunc(r.rules, func(r rule) bool { return r.fits(k) }); at >= 0 {
			k.Published = r.published(k)
			c = r.rules[at].judge(k, now)
		}
	}
	c.State = c.Reason.State()
	return c
}

// published prefers the operator's word.
func (r *Rules) published(k Kernel) hotstick.KernelRelease {
	at := slices.IndexFunc(r.kernels, func(p published) bool { return string(p.Release) == k.Release })
	if at < 0 {
		return k.Published
	}
	return hotstick.KernelRelease{Day: r.kernels[at].Published.Time, Origin: hotstick.ReleasedByOperator}
}

func (r rule) judge(k Kernel, now time.Time) hotstick.Cover {
	c := hotstick.Cover{Driver: k.Driver, Rule: string(r.Name), Source: string(r.Source), Reason: hotstick.CoverReason(r.End)}
	switch {
	case r.Chosen && !k.Chosen:
		c.Reason = hotstick.CoverChoiceUnknown
	case r.End == end(hotstick.CoverBaseline):
		var unplanned []calendar.Month
		for _, m := range r.Unplanned {
			unplanned = append(unplanned, calendar.Month(m))
		}
		c.Until = dayOf(calendar.NextReboot(now, unplanned...).Published())
	case r.End != "":
	case !r.Until.IsZero():
		c.Reason, c.Until = hotstick.CoverSet, r.Until.Time
	case k.Published.Day.IsZero():
		c.Reason = hotstick.CoverReleaseUnknown
	default:
		c.Reason, c.Released, c.Until = hotstick.CoverCounted, k.Published, after(k.Published.Day, r.Months)
	}
	return c
}

func (r rule) fits(k Kernel) bool {
	if string(r.Driver) != k.Driver {
		return false
	}
	for _, asked := range []struct {
		of   int
		fits func(i int) bool
	}{
		{len(r.Distributions), func(i int) bool { return within(k.Product.Distribution, string(r.Distributions[i])) }},
		{len(r.Packages), func(i int) bool { return r.Packages[i].fits(k.Product.Package) }},
		{len(r.Series), func(i int) bool { return string(r.Series[i]) == series.Number(k.Version) }},
		{len(r.Releases), func(i int) bool { return r.Releases[i].fits(k.Release) }},
	} {
		fits := asked.of == 0
		for i := 0; i < asked.of && !fits; i++ {
			fits = asked.fits(i)
		}
		if !fits {
			return false
		}
	}
	return true
}

// within reports whether rhel:9.4 is of rhel, rhel:9 or rhel:9.4.
func within(distribution, wanted string) bool {
	rest, ok := strings.CutPrefix(distribution, wanted)
	return ok && (rest == "" || rest[0] == ':' || rest[0] == '.' && strings.Contains(wanted, ":"))
}

// after is so many months after a day: the same day of that month, or its last.
func after(from time.Time, months int) time.Time {
	from = dayOf(from)
	first := time.Date(from.Year(), from.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(from.Day(), last)-1)
}

func dayOf(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
