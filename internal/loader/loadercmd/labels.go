package loadercmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// maxConfig bounds the agent's configuration file, in bytes.
const maxConfig = 1 << 20

// ownLabels reads the labels of this host from the agent's configuration file. Only
// a file that nobody but its owner may write, and that belongs to root or to the
// loader's own user, speaks for the host; the agent must not be able to write it.
// Without a file there are no labels.
func ownLabels(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's labels: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's labels: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid != 0 && stat.Uid != uint32(os.Geteuid()) || info.Mode().Perm()&0o022 != 0 || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot trust the host's labels in %s: it must be a file of root that nobody else can write", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's labels: %w", err)
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("cannot read the host's labels: %s is longer than %d bytes", path, maxConfig)
	}
	labels, err := parseLabels(string(data))
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's labels in %s: %w", path, err)
	}
	return labels, nil
}

var (
	keyPattern = regexp.MustCompile(`^([A-Za-z_]+):( .*)?$`)
	// entryPattern takes one label; its value is plain, or in quotes without escapes.
	entryPattern = regexp.MustCompile(`^( +)([a-z][a-z0-9_.-]{0,62}): +(?:([A-Za-z][A-Za-z0-9_./-]*)|"([^"\\]*)"|'([^']*)')$`)
	// comment is what follows a value.
	comment = regexp.MustCompile(`[ \t]+#[^"']*$`)
)

// words are plain values that YAML takes for something else than text.
var words = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

// parseLabels takes the labels out of the agent's configuration file. It reads the
// plain ways to write a mapping of texts and refuses all others, so that it never
// takes a text for anything but what the agent's YAML parser takes it for: that
// parser would be a tenth of the loader.
func parseLabels(text string) (map[string]string, error) {
	var labels map[string]string
	inside, seen, indent := false, false, ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(strings.TrimSuffix(line, "\r"), " ")
		bare := strings.TrimLeft(line, " \t")
		if bare == "" || bare[0] == '#' || line == "---" && i == 0 {
			continue
		}
		line = strings.TrimRight(comment.ReplaceAllString(line, ""), " ")
		if line[0] != ' ' && !strings.HasPrefix(line, "- ") {
			m := keyPattern.FindStringSubmatch(line)
			if m == nil {
				return nil, fmt.Errorf("line %d is not understood", i+1)
			}
			inside = m[1] == "labels"
			if inside && (seen || m[2] != "") {
				return nil, fmt.Errorf("line %d: want 'labels:' once, with one label on each line below it", i+1)
			}
			seen = seen || inside
			continue
		}
		if !inside {
			continue
		}
		key, value, at, err := parseEntry(line)
		_, double := labels[key]
		if err != nil || double || indent != "" && at != indent {
			return nil, fmt.Errorf("line %d: want 'name: value', each name once and all with one indent; put values that are not plain words into quotes", i+1)
		}
		if labels == nil {
			labels, indent = map[string]string{}, at
		}
		labels[key] = value
	}
	return labels, nil
}

var errEntry = errors.New("cannot read the label")

func parseEntry(line string) (key, value, indent string, err error) {
	m := entryPattern.FindStringSubmatch(line)
	if m == nil || slices.Contains(words, strings.ToLower(m[3])) {
		return "", "", "", errEntry
	}
	value = m[3] + m[4] + m[5]
	printable := utf8.ValidString(value) && !strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) })
	if value == "" || !printable {
		return "", "", "", errEntry
	}
	return m[2], value, m[1], nil
}
