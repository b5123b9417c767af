package catalog

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/strictjson"
)

// publishersSigned checks that enough publishers have signed targets metadata, whose
// form has been checked. go-tuf checks the signatures too, but before it looks at them
// it reads a file several times, into many times its length: a file that just anybody
// wrote is not for it.
func (r *rootSigned) publishersSigned(data []byte) error {
	spec, err := r.spec()
	if err != nil {
		return refused("root metadata: %v", err)
	}
	var doc document[json.RawMessage]
	if err := strictjson.Unmarshal(data, &doc); err != nil {
		return refused("targets metadata: %v", err)
	}
	payload := canonical(doc.Signed)
	signed := 0
	for _, key := range spec.PublisherKeys {
		if signedBy(key, payload, doc.Signatures) {
			signed++
		}
	}
	if signed < spec.PublisherThreshold {
		return refused("targets metadata: not enough signatures, got %d, want %d", signed, spec.PublisherThreshold)
	}
	return nil
}

// canonical returns valid JSON in the form that TUF's signatures are over: no white
// space, sorted keys, and no escapes but those of quotes and backslashes.
func canonical(data []byte) []byte {
	c := canon{data: data, out: make([]byte, 0, len(data))}
	c.value()
	return c.out
}

// canon goes through a document once. It trusts the document to be valid.
type canon struct {
	data []byte
	pos  int
	out  []byte
}

// next skips white space and returns the byte that follows.
func (c *canon) next() byte {
	for strings.IndexByte(" \t\r\n", c.data[c.pos]) >= 0 {
		c.pos++
	}
	return c.data[c.pos]
}

func (c *canon) value() {
	switch c.next() {
	case '{':
		c.object()
	case '[':
		c.array()
	case '"':
		c.text()
	default:
		start := c.pos
		for c.pos < len(c.data) && strings.IndexByte(" \t\r\n,]}", c.data[c.pos]) < 0 {
			c.pos++
		}
		c.out = append(c.out, c.data[start:c.pos]...)
	}
}

func (c *canon) array() {
	c.pos++
	c.out = append(c.out, '[')
	for c.next() != ']' {
		if c.data[c.pos] == ',' {
			c.pos++
			c.out = append(c.out, ',')
		}
		c.value()
	}
	c.pos++
	c.out = append(c.out, ']')
}

// member is a key, and where it and its value stand in the output.
type member struct {
	key      string
	from, to int
}

func (c *canon) object() {
	c.pos++
	c.out = append(c.out, '{')
	start := len(c.out)
	var members []member
	for c.next() != '}' {
		if c.data[c.pos] == ',' {
			c.pos++
			c.next()
			c.out = append(c.out, ',')
		}
		m := member{from: len(c.out), key: c.text()}
		c.next()
		c.pos++
		c.out = append(c.out, ':')
		c.value()
		m.to = len(c.out)
		members = append(members, m)
	}
	c.pos++
	c.order(start, members)
	c.out = append(c.out, '}')
}

// order sorts the members of the object that the output ends with.
func (c *canon) order(start int, members []member) {
	byKey := func(a, b member) int { return cmp.Compare(a.key, b.key) }
	if slices.IsSortedFunc(members, byKey) {
		return // as all that we write ourselves
	}
	slices.SortFunc(members, byKey)
	found := slices.Clone(c.out[start:])
	c.out = c.out[:start]
	for i, m := range members {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, found[m.from-start:m.to-start]...)
	}
}

// text copies a string and returns what it says.
func (c *canon) text() string {
	start, escaped := c.pos, false
	for c.pos++; c.data[c.pos] != '"'; c.pos++ {
		if c.data[c.pos] == '\\' {
			escaped = true
			c.pos++
		}
	}
	c.pos++
	quoted := c.data[start:c.pos]
	said := string(quoted[1 : len(quoted)-1])
	if !escaped {
		c.out = append(c.out, quoted...)
		return said
	}
	// A valid string always decodes.
	_ = json.Unmarshal(quoted, &said)
	c.out = append(c.out, '"')
	c.out = append(c.out, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(said)...)
	c.out = append(c.out, '"')
	return said
}
