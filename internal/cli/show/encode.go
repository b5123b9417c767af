package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/hotstick/hotstick/internal/plain"
)

// JSON writes the value as the API writes it, indented. Characters that a
// terminal would obey are written as escapes, which is the same document.
func JSON(w io.Writer, value any) error {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write JSON: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", escapeDocument(raw, jsonRune))
	return err
}

// YAML writes the same document as [JSON] in block style, in the same order.
func YAML(w io.Writer, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("cannot write YAML: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	y := yamlWriter{dec: dec}
	if err := y.value("", false); err != nil {
		return fmt.Errorf("cannot write YAML: %w", err)
	}
	_, err = io.WriteString(w, strings.TrimPrefix(y.out.String(), "\n")+"\n")
	return err
}

// escapeDocument replaces runes that are not safe to print; encoding/json has
// escaped those below 0x20 before, and they occur inside strings only.
func escapeDocument(doc []byte, escape func(rune) string) string {
	var b strings.Builder
	for _, r := range string(doc) {
		if r == '\n' || plain.Printable(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(escape(r))
		}
	}
	return b.String()
}

// jsonRune escapes a rune for JSON, with surrogates above the first plane.
func jsonRune(r rune) string {
	if r < 0x10000 {
		return fmt.Sprintf(`\u%04x`, r)
	}
	r -= 0x10000
	return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
}

// yamlRune escapes a rune for a double-quoted YAML string, which has no
// surrogates.
func yamlRune(r rune) string {
	if r < 0x10000 {
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// yamlWriter turns a stream of JSON tokens into YAML, keeping the order of keys.
type yamlWriter struct {
	dec *json.Decoder
	out strings.Builder
}

// value writes the next value. The caller has written the key or the dash; a
// collection that is not empty begins on the next line, or right after a dash.
func (y *yamlWriter) value(indent string, afterDash bool) error {
	tok, err := y.dec.Token()
	if err != nil {
		return err
	}
	switch tok := tok.(type) {
	case json.Delim:
		return y.collection(tok, indent, afterDash)
	case string:
		y.out.WriteString(" " + yamlString(tok))
	case nil:
		y.out.WriteString(" null")
	default:
		y.out.WriteString(" " + fmt.Sprint(tok))
	}
	return nil
}

func (y *yamlWriter) collection(open json.Delim, indent string, afterDash bool) error {
	if !y.dec.More() {
		y.out.WriteString(map[json.Delim]string{'{': " {}", '[': " []"}[open])
		_, err := y.dec.Token()
		return err
	}
	for first := true; y.dec.More(); first = false {
		if first && afterDash {
			y.out.WriteString(" ")
		} else {
			y.out.WriteString("\n" + indent)
		}
		if err := y.member(open, indent); err != nil {
			return err
		}
	}
	_, err := y.dec.Token()
	return err
}

func (y *yamlWriter) member(open json.Delim, indent string) error {
	if open == '[' {
		y.out.WriteString("-")
		return y.value(indent+"  ", true)
	}
	key, err := y.dec.Token()
	if err != nil {
		return err
	}
	y.out.WriteString(yamlString(key.(string)) + ":")
	return y.value(indent+"  ", false)
}

var (
	yamlPlain    = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+-]+)*$`)
	yamlReserved = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|y|n|null|nan|inf)$`)
)

// yamlString writes a string plain where no reader can take it for anything
// else, and quoted otherwise.
func yamlString(s string) string {
	if yamlPlain.MatchString(s) && !yamlReserved.MatchString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case !plain.Printable(r):
			b.WriteString(yamlRune(r))
		default:
			b.WriteString(string(r))
		}
	}
	return b.String() + `"`
}
