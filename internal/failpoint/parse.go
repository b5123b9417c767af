package failpoint

import (
	"fmt"
	"strconv"
	"strings"
)

// parse reads NAME=kill or NAME=kill:N, separated by commas, into how often each point
// is to be reached.
func parse(text string) (map[Name]int, error) {
	set := map[Name]int{}
	known := map[Name]bool{}
	for _, p := range Points() {
		known[p.Name] = true
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		name, action, _ := strings.Cut(word, "=")
		verb, count, counted := strings.Cut(action, ":")
		n := 1
		var err error
		if counted {
			n, err = strconv.Atoi(count)
		}
		switch {
		case !known[Name(name)]:
			return nil, fmt.Errorf("cannot arm the failpoint %q: there is none of that name", name)
		case verb != "kill" || err != nil || n < 1:
			return nil, fmt.Errorf("cannot arm the failpoint %q with %q: want kill or kill:N", name, action)
		}
		set[Name(name)] = n
	}
	return set, nil
}
