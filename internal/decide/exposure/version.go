package exposure

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	debversion "github.com/knqyf263/go-deb-version"
	rpmversion "github.com/knqyf263/go-rpm-version"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/shape"
)

// Limits of a version. The longest of a vendor's kernels is some forty bytes, and no number
// in one has more than eight digits; the libraries count with machine words.
const (
	maxVersionBytes  = 128
	maxVersionDigits = 18
)

var (
	debPattern     = shape.Of("0-9", "0-9A-Za-z.+~-", 1, maxVersionBytes)
	rpmPattern     = shape.Of("0-9A-Za-z", "0-9A-Za-z._+~^", 1, maxVersionBytes)
	releasePattern = shape.All("0-9A-Za-z._+~^", 1, maxVersionBytes)
	numberPattern  = shape.All("0-9", 1, 9)
	epochPattern   = shape.All("0-9", 1, 6)
)

// version is a version that was read, of one scheme.
type version struct {
	scheme hotstick.VersionScheme
	deb    debversion.Version
	rpm    rpmversion.Version
	// parts are those of upstream and windows; upstream's last is its release candidate,
	// the highest number for a release.
	parts [6]uint32
}

// Compare orders two versions by a scheme's own rules: -1, 0 or 1. It fails for what is not
// a version there.
func Compare(scheme hotstick.VersionScheme, a, b string) (int, error) {
	va, err := parseVersion(scheme, a)
	if err != nil {
		return 0, err
	}
	vb, err := parseVersion(scheme, b)
	if err != nil {
		return 0, err
	}
	return va.compare(vb), nil
}

func parseVersion(scheme hotstick.VersionScheme, text string) (version, error) {
	v, ok := version{scheme: scheme}, false
	if len(text) <= maxVersionBytes && !longNumber(text) {
		switch scheme {
		case hotstick.DebVersions:
			ok = v.readDeb(text)
		case hotstick.RPMVersions:
			ok = v.readRPM(text)
		case hotstick.UpstreamVersions:
			ok = v.readUpstream(text)
		case hotstick.WindowsVersions:
			ok = v.readWindows(text)
		}
	}
	if !ok {
		return version{}, fmt.Errorf("cannot use %.80q as a version of scheme %.20q", text, string(scheme))
	}
	return v, nil
}

// longNumber reports whether a number is longer than what can be counted with.
func longNumber(text string) bool {
	run := 0
	for i := range len(text) {
		if run++; text[i] < '0' || text[i] > '9' {
			run = 0
		}
		if run > maxVersionDigits {
			return true
		}
	}
	return false
}

// withoutEpoch takes the epoch off; false for one that is none.
func withoutEpoch(text string) (string, bool) {
	epoch, rest, has := strings.Cut(text, ":")
	if !has {
		return text, true
	}
	return rest, epochPattern.MatchString(epoch)
}

// readDeb is stricter than the library, as dpkg is.
func (v *version) readDeb(text string) bool {
	rest, ok := withoutEpoch(text)
	if !ok || !debPattern.MatchString(rest) || strings.HasSuffix(rest, "-") {
		return false
	}
	var err error
	v.deb, err = debversion.NewVersion(text)
	return err == nil
}

// readRPM wants VERSION or VERSION-RELEASE: the library takes anything.
func (v *version) readRPM(text string) bool {
	rest, ok := withoutEpoch(text)
	name, release, has := strings.Cut(rest, "-")
	if !ok || !rpmPattern.MatchString(name) || has && !releasePattern.MatchString(release) {
		return false
	}
	v.rpm = rpmversion.NewVersion(text)
	return true
}

// final is the candidate of a release: above all of its candidates.
const final = 1<<32 - 1

// readUpstream reads up to five numbers and a candidate: 6.1.140, 6.15-rc1, 2.6.32.71. What
// is left out is zero.
func (v *version) readUpstream(text string) bool {
	text, candidate, has := strings.Cut(text, "-rc")
	v.parts[5] = final
	if has && !number(candidate, &v.parts[5]) {
		return false
	}
	return v.readNumbers(text, 5)
}

// readWindows reads 10.0.26100.3788, or the last two numbers of it.
func (v *version) readWindows(text string) bool {
	if strings.Count(text, ".") == 1 {
		text = "10.0." + text
	}
	return strings.Count(text, ".") == 3 && v.readNumbers(text, 4)
}

func (v *version) readNumbers(text string, most int) bool {
	i := 0
	for part := range strings.SplitSeq(text, ".") {
		if i == most || !number(part, &v.parts[i]) {
			return false
		}
		i++
	}
	return true
}

func number(text string, into *uint32) bool {
	n, err := strconv.ParseUint(text, 10, 32)
	*into = uint32(n)
	return err == nil && numberPattern.MatchString(text)
}

// compare orders two versions of the same scheme.
func (v *version) compare(other version) int {
	switch v.scheme {
	case hotstick.DebVersions:
		return cmp.Compare(v.deb.Compare(other.deb), 0)
	case hotstick.RPMVersions:
		return v.rpm.Compare(other.rpm)
	}
	return slices.Compare(v.parts[:], other.parts[:])
}
