package keysource

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// tokenPrefix begins the name of a key on a token.
const tokenPrefix = "pkcs11:"

// Limits of a key's URI, in bytes.
const (
	maxURIBytes = 4096
	// maxLabelBytes bounds the label of a token or a key, and its ID.
	maxLabelBytes = 256
)

// tokenURI is what we read of a URI of RFC 7512.
type tokenURI struct {
	// Token and Object are labels, ID is the key's; what is empty may be anything.
	Token, Object string
	ID            []byte
	// PINSource is a file that holds the PIN; empty to ask for it.
	PINSource string
	// Module is the library that speaks for the token; empty for the environment's.
	Module string
}

// parseTokenURI reads a URI of RFC 7512 with the attributes token, object and id, and
// pin-source and module-path after a question mark. Any other is refused, because
// what it narrows down would be ignored.
func parseTokenURI(text string) (tokenURI, error) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(text) > maxURIBytes {
		return tokenURI{}, fmt.Errorf("cannot read %.80q as a key on a token: want %stoken=…;object=…, at most %d bytes", text, tokenPrefix, maxURIBytes)
	}
	var u tokenURI
	path, query, _ := strings.Cut(rest, "?")
	if err := eachAttribute(path, ";", "&", u.setPath); err != nil {
		return tokenURI{}, err
	}
	if err := eachAttribute(query, "&", "/?|", u.setQuery); err != nil {
		return tokenURI{}, err
	}
	return u, nil
}

// eachAttribute takes a list of attributes apart. more are characters that may stand
// in it beside those which RFC 7512 allows everywhere.
func eachAttribute(list, separator, more string, set func(name, value string) error) error {
	if list == "" {
		return nil
	}
	seen := map[string]bool{}
	for _, part := range strings.Split(list, separator) {
		name, raw, ok := strings.Cut(part, "=")
		if !ok || name == "" || seen[name] {
			return fmt.Errorf("cannot read %.80q of a key's URI: want each attribute once, as name=value", part)
		}
		seen[name] = true
		value, err := unescape(raw, more)
		if err != nil {
			return fmt.Errorf("cannot read %.80q of a key's URI: %w", part, err)
		}
		if err := set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (u *tokenURI) setPath(name, value string) error {
	if value == "" || len(value) > maxLabelBytes {
		return fmt.Errorf("cannot use a %.40q of %d bytes in a key's URI: want 1 to %d", name, len(value), maxLabelBytes)
	}
	switch name {
	case "token":
		u.Token = value
	case "object":
		u.Object = value
	case "id":
		u.ID = []byte(value)
	default:
		return fmt.Errorf("cannot use %.40q in a key's URI: it may name token, object and id", name)
	}
	if name != "id" && !isPlain(value) {
		return fmt.Errorf("cannot use %.80q as %s in a key's URI: want plain text", value, name)
	}
	return nil
}

// isPlain reports whether a URI may have the text as a label.
func isPlain(label string) bool {
	return len(label) <= maxLabelBytes && !strings.ContainsFunc(label, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
}

func (u *tokenURI) setQuery(name, value string) error {
	switch name {
	case "pin-source":
		u.PINSource = strings.TrimPrefix(value, "file:")
		if u.PINSource == "" || strings.ContainsAny(u.PINSource, "|\x00") {
			return fmt.Errorf("cannot use pin-source=%.80q in a key's URI: want the name of a file", value)
		}
	case "module-path":
		u.Module = value
		return checkModule(value)
	case "pin-value":
		return fmt.Errorf("cannot use pin-value in a key's URI: whoever lists processes would read the PIN; use pin-source, or type it")
	default:
		return fmt.Errorf("cannot use %.40q in a key's URI: it may say pin-source and module-path", name)
	}
	return nil
}

// checkModule refuses names that the loader of libraries would look for elsewhere.
func checkModule(path string) error {
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return fmt.Errorf("cannot use %.80q as a token's module: want the full path of a library", path)
	}
	return nil
}

// everywhere are the characters besides letters and digits that need no escape in
// any attribute.
const everywhere = "-._~:[]@!$'()*+,="

// unescape reads an attribute's value: %XX stands for a byte, and what RFC 7512 does
// not allow must be written so.
func unescape(raw, more string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '%':
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return "", fmt.Errorf("%% is not followed by two hexadecimal digits")
			}
			out.WriteByte(fromHex(raw[i+1])<<4 | fromHex(raw[i+2]))
			i += 2
		case isAlphanumeric(c) || strings.IndexByte(everywhere+more, c) >= 0:
			out.WriteByte(c)
		default:
			return "", fmt.Errorf("write %%%02X for %q", c, c)
		}
	}
	return out.String(), nil
}

// escape writes a value so that it may stand in any attribute.
func escape(value string) string {
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		if c := value[i]; isAlphanumeric(c) || strings.IndexByte("-._~", c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// fromHex is the value of a hexadecimal digit.
func fromHex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// String writes the URI with what finds the key, and nothing secret.
func (u tokenURI) String() string {
	var parts []string
	if u.Token != "" {
		parts = append(parts, "token="+escape(u.Token))
	}
	if u.Object != "" {
		parts = append(parts, "object="+escape(u.Object))
	}
	if len(u.ID) > 0 {
		id := ""
		for _, b := range u.ID {
			id += fmt.Sprintf("%%%02X", b)
		}
		parts = append(parts, "id="+id)
	}
	return tokenPrefix + strings.Join(parts, ";")
}
