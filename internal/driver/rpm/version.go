package rpm

import (
	"cmp"
	"strings"
)

// Compare compares two versions with releases, as rpm writes them (1-2.el9_2), the way rpm
// does: -1 if a is older, 1 if it is newer. Epochs are compared first; none is 0.
func Compare(a, b string) int {
	ea, va, ra := split(a)
	eb, vb, rb := split(b)
	for _, pair := range [][2]string{{ea, eb}, {va, vb}, {ra, rb}} {
		if c := compare(pair[0], pair[1]); c != 0 {
			return c
		}
	}
	return 0
}

func split(v string) (epoch, version, release string) {
	epoch = "0"
	if e, rest, ok := strings.Cut(v, ":"); ok {
		epoch, v = e, rest
	}
	version, release, _ = strings.Cut(v, "-")
	return epoch, version, release
}

func digit(c byte) bool  { return c >= '0' && c <= '9' }
func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// compare is rpm's comparison of one part: runs of digits and of letters, one after the
// other; a tilde is older than the end, and a caret newer.
func compare(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, separates), strings.TrimLeftFunc(b, separates)
		for _, mark := range []struct {
			with string
			end  int // what the one that has it is against one that has not, at its end or not
		}{{"~", -1}, {"^", 1}} {
			hasA, hasB := strings.HasPrefix(a, mark.with), strings.HasPrefix(b, mark.with)
			switch {
			case hasA && hasB:
				a, b = a[1:], b[1:]
			case hasA && (mark.end < 0 || b == ""):
				return mark.end
			case hasB && (mark.end < 0 || a == ""):
				return -mark.end
			case hasA:
				return -1 // something follows the other
			case hasB:
				return 1
			default:
				continue
			}
			return compare(a, b)
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		kind := letter
		if digit(a[0]) {
			kind = digit
		}
		ra, rb := run(a, kind), run(b, kind)
		if rb == "" {
			if digit(a[0]) {
				return 1 // numbers are newer than letters
			}
			return -1
		}
		a, b = a[len(ra):], b[len(rb):]
		if digit(ra[0]) {
			ra, rb = strings.TrimLeft(ra, "0"), strings.TrimLeft(rb, "0")
			if c := cmp.Compare(len(ra), len(rb)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(ra, rb); c != 0 {
			return c
		}
	}
}

func separates(r rune) bool {
	return r != '~' && r != '^' && (r > 127 || !digit(byte(r)) && !letter(byte(r)))
}

// run returns the bytes at the beginning that are of one kind.
func run(s string, kind func(byte) bool) string {
	i := 0
	for i < len(s) && kind(s[i]) {
		i++
	}
	return s[:i]
}
