package keysource

import (
	"encoding/hex"
	"slices"
	"strings"
)

// The tool prints lists for people. Only what names a token or a key is read, and an
// entry that cannot be read with certainty (a label may hold anything, a new line
// too) is told as such instead of being guessed at.

// slot is one slot that holds a token.
type slot struct {
	// id is what the tool calls it, such as 0x1.
	id, label string
}

// object is one public key on a token.
type object struct {
	label string
	id    []byte
	// doubtful: a field stands there twice or cannot be read.
	doubtful bool
}

// parseSlots reads what --list-token-slots prints: for each slot a line
//
//	Slot 0 (0x127baf18): DESCRIPTION
//
// and lines NAME : VALUE, indented. Slots without an initialised token have no
// label and are left out.
func parseSlots(text string) []slot {
	var found []slot
	for _, entry := range entries(text, "Slot ") {
		_, rest, ok := strings.Cut(entry.title, "(")
		id, _, ok2 := strings.Cut(rest, ")")
		if labels := entry.fields["token label"]; ok && ok2 && isSlotID(id) && len(labels) == 1 {
			found = append(found, slot{id: id, label: labels[0]})
		}
	}
	return found
}

// isSlotID tells whether it may stand among the tool's arguments.
func isSlotID(id string) bool {
	digits, ok := strings.CutPrefix(id, "0x")
	return ok && digits != "" && len(digits) <= 16 && !strings.ContainsFunc(digits, func(r rune) bool { return r > 0x7f || !isHex(byte(r)) })
}

// parseObjects reads what --list-objects --type pubkey prints: for each key a line
// that begins with "Public Key Object", and fields.
func parseObjects(text string) []object {
	var found []object
	for _, entry := range entries(text, "Public Key Object") {
		labels, ids := entry.fields["label"], entry.fields["ID"]
		o := object{doubtful: len(labels) > 1 || len(ids) > 1}
		if len(labels) == 1 {
			o.label = labels[0]
		}
		if len(ids) == 1 {
			id, err := hex.DecodeString(ids[0])
			o.id, o.doubtful = id, o.doubtful || err != nil || len(id) == 0 || len(id) > maxLabelBytes
		}
		found = append(found, o)
	}
	return found
}

// entry is one thing of a list: its first line, and what follows it.
type entry struct {
	title  string
	fields map[string][]string
}

// entries splits a list at the lines that begin with a title. Fields are indented;
// what follows any other line belongs to nothing that is looked for.
func entries(text, title string) []entry {
	var list []entry
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if !strings.HasPrefix(line, " ") {
			if inside = strings.HasPrefix(line, title); inside {
				list = append(list, entry{title: line, fields: map[string][]string{}})
			}
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); inside && ok {
			fields, name := list[len(list)-1].fields, strings.TrimSpace(name)
			fields[name] = append(fields[name], strings.TrimSpace(value))
		}
	}
	return list
}

// matching returns the keys that a URI means.
func matching(objects []object, u tokenURI) []object {
	return slices.DeleteFunc(slices.Clone(objects), func(o object) bool {
		return u.Object != "" && o.label != u.Object || len(u.ID) > 0 && string(o.id) != string(u.ID)
	})
}
