package conffile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Saved is how some keys of one section stood in a file.
type Saved struct {
	// Absent: there was no such file.
	Absent  bool   `json:"absent,omitempty"`
	Section string `json:"section,omitempty"`
	// NoSection: there was no such section.
	NoSection bool  `json:"no_section,omitempty"`
	Keys      []Key `json:"keys"`
}

// Key is how one key stood.
type Key struct {
	Name string `json:"name"`
	// Lines are its lines as they were; none if it was not there.
	Lines []Line `json:"lines,omitempty"`
}

// Line is one line of a file, and its place from 0 on.
type Line struct {
	At   int    `json:"at"`
	Text string `json:"text"`
}

// Value is what the key was; empty and false if it was not there.
func (k Key) Value() (string, bool) {
	if len(k.Lines) == 0 {
		return "", false
	}
	_, value, _ := cut(k.Lines[len(k.Lines)-1].Text)
	return value, true
}

// Save returns how some keys of a section stand.
func (f *File) Save(section string, keys ...string) Saved {
	s := Saved{Absent: f.absent, Section: section, NoSection: !f.has(section)}
	for _, key := range keys {
		k := Key{Name: key}
		for _, i := range f.find(section, key) {
			k.Lines = append(k.Lines, Line{At: i, Text: f.lines[i]})
		}
		s.Keys = append(s.Keys, k)
	}
	return s
}

// Restore puts the keys back as they stood. A file in which nothing else was edited is
// then the same to the last byte.
func (f *File) Restore(s Saved) {
	var missing []Line
	for _, k := range s.Keys {
		at := f.find(s.Section, k.Name)
		if len(at) == len(k.Lines) {
			for n, i := range at {
				f.lines[i] = k.Lines[n].Text
			}
			continue
		}
		f.Remove(s.Section, k.Name)
		missing = append(missing, k.Lines...)
	}
	slices.SortStableFunc(missing, func(a, b Line) int { return a.At - b.At })
	for _, line := range missing {
		at := line.At
		if at > len(f.lines) || f.section(at) != s.Section {
			at = f.end(s.Section)
		}
		f.insert(at, line.Text)
	}
	if s.NoSection {
		f.dropEmpty(s.Section)
	}
	if s.Absent && f.empty() {
		f.absent = true
	}
}

// section returns the one in which a line that is put at a place stands.
func (f *File) section(at int) string {
	in := ""
	for _, line := range f.lines[:at] {
		if name, ok := header(line); ok {
			in = name
		}
	}
	return in
}

// has reports whether a section is there.
func (f *File) has(section string) bool {
	return section == "" || slices.ContainsFunc(f.lines, func(line string) bool {
		name, ok := header(line)
		return ok && name == section
	})
}

// dropEmpty takes out the header of a section that has nothing in it.
func (f *File) dropEmpty(section string) {
	for i, line := range f.lines {
		if name, ok := header(line); !ok || name != section {
			continue
		}
		for _, below := range f.lines[i+1:] {
			if _, next := header(below); next {
				break
			}
			if strings.TrimSpace(below) != "" {
				return
			}
		}
		f.lines = slices.Delete(f.lines, i, i+1)
		return
	}
}

// Check refuses what was not saved from these keys of this section: it comes from a place
// where it may have been damaged, and goes into a file that a program of root's reads.
func (s Saved) Check(section string, keys ...string) error {
	if s.Section != section || len(s.Keys) != len(keys) {
		return errors.New("cannot use the saved configuration: it is of other keys")
	}
	for i, k := range s.Keys {
		if k.Name != keys[i] {
			return fmt.Errorf("cannot use the saved configuration: it has the key %.40q", k.Name)
		}
		for _, line := range k.Lines {
			name, _, ok := cut(line.Text)
			if !ok || line.At < 0 || !strings.EqualFold(name, k.Name) || strings.ContainsAny(line.Text, "\n\x00") {
				return fmt.Errorf("cannot use the saved configuration: %.80q is no line of %s", line.Text, k.Name)
			}
		}
	}
	return nil
}
