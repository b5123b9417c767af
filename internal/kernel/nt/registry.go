package nt

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// Registry reads HKEY_LOCAL_MACHINE. Keys are written with backslashes, below it.
type Registry interface {
	// Text returns a value of type REG_SZ or REG_EXPAND_SZ, false if there is none.
	Text(key, name string) (string, bool)
	// Number returns a value of type REG_DWORD or REG_QWORD, false if there is none.
	Number(key, name string) (uint64, bool)
	// Values returns the names of a key's values, false if there is no such key.
	Values(key string) ([]string, bool)
}

// maxText bounds a text of the registry that is passed on, in bytes.
const maxText = 256

// Recorded is a registry that was exported by regedit or reg.exe: names are folded to
// lower case.
type Recorded map[string]map[string]any

// fileHead is the first line of an export.
const fileHead = "Windows Registry Editor Version 5.00"

// Record reads an export, as UTF-8, of texts and 32-bit numbers below HKEY_LOCAL_MACHINE.
func Record(text string) (Recorded, error) {
	r, key := Recorded{}, ""
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == ';' || n == 1 && line == fileHead:
		case strings.HasPrefix(line, "["):
			path, ok := strings.CutPrefix(strings.Trim(line, "[]"), `HKEY_LOCAL_MACHINE\`)
			if !ok {
				return nil, fmt.Errorf("cannot read line %d of a registry's export: want a key of HKEY_LOCAL_MACHINE", n)
			}
			key = strings.ToLower(path)
			if r[key] == nil {
				r[key] = map[string]any{}
			}
		default:
			name, value, err := assignment(line)
			if err != nil || key == "" {
				return nil, fmt.Errorf("cannot read line %d of a registry's export: %.80q", n, line)
			}
			r[key][strings.ToLower(name)] = value
		}
	}
	return r, lines.Err()
}

// assignment reads "NAME"="TEXT" and "NAME"=dword:HEX.
func assignment(line string) (string, any, error) {
	quoted, value, ok := strings.Cut(line, "=")
	name, err := strconv.Unquote(quoted)
	if !ok || err != nil {
		return "", nil, fmt.Errorf("cannot read the name in %.80q", line)
	}
	if hex, ok := strings.CutPrefix(value, "dword:"); ok {
		number, err := strconv.ParseUint(hex, 16, 32)
		return name, number, err
	}
	text, err := strconv.Unquote(value)
	return name, text, err
}

// Text implements [Registry].
func (r Recorded) Text(key, name string) (string, bool) {
	text, ok := r[strings.ToLower(key)][strings.ToLower(name)].(string)
	return text, ok
}

// Number implements [Registry].
func (r Recorded) Number(key, name string) (uint64, bool) {
	number, ok := r[strings.ToLower(key)][strings.ToLower(name)].(uint64)
	return number, ok
}

// Values implements [Registry].
func (r Recorded) Values(key string) ([]string, bool) {
	values, ok := r[strings.ToLower(key)]
	var names []string
	for name := range values {
		names = append(names, name)
	}
	return names, ok
}
