// Package shape says which texts are well formed, for the many names and digests of
// which a regular expression would say no more than which bytes there may be and how
// many. Such an expression is compiled into an instruction for each of its repetitions:
// those of this module together took more than a megabyte of every agent's memory and
// three milliseconds of each start.
package shape

// Shape is a set of texts: a prefix, then one byte out of one set, then so many more out
// of another. The zero Shape is no text at all.
type Shape struct {
	prefix      string
	first, rest set
	least, most int
}

// set is a set of ASCII characters.
type set [2]uint64

func (s *set) add(c byte) { s[c>>6] |= 1 << (c & 63) }

func (s *set) has(c byte) bool { return c < 128 && s[c>>6]&(1<<(c&63)) != 0 }

// Of returns the texts of least to most bytes whose first is out of one set and whose
// others are out of another. A set is written as between the brackets of a regular
// expression, ASCII only and without escapes: a-z0-9_ and, at its end, a dash.
func Of(first, rest string, least, most int) Shape {
	return Shape{first: parse(first), rest: parse(rest), least: least, most: most}
}

// All is [Of] for one set.
func All(set string, least, most int) Shape { return Of(set, set, least, most) }

// After returns the texts that begin with a prefix, which does not count.
func (s Shape) After(prefix string) Shape {
	s.prefix = prefix
	return s
}

func parse(text string) set {
	var s set
	for i := 0; i < len(text); i++ {
		from, to := text[i], text[i]
		if i+2 < len(text) && text[i+1] == '-' {
			to = text[i+2]
			i += 2
		}
		for c := from; c <= to && c < 128; c++ {
			s.add(c)
		}
	}
	return s
}

// MatchString reports whether a text is of the shape.
func (s Shape) MatchString(text string) bool {
	if len(text) < len(s.prefix) || text[:len(s.prefix)] != s.prefix {
		return false
	}
	text = text[len(s.prefix):]
	if len(text) < s.least || len(text) > s.most {
		return false
	}
	for i := range len(text) {
		if i == 0 && !s.first.has(text[0]) || i > 0 && !s.rest.has(text[i]) {
			return false
		}
	}
	return s.most > 0
}
