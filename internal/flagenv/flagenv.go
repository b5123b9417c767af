// Package flagenv lets the environment stand in for flags that were not given.
package flagenv

import (
	"flag"
	"fmt"
	"strings"
)

// Fill sets every flag that was not given on the command line from the variable
// PREFIX and the flag's name in capitals, dashes as underscores. It returns an
// error for the first value that a flag does not take.
func Fill(flags *flag.FlagSet, prefix string, lookup func(string) (string, bool)) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var failed error
	flags.VisitAll(func(f *flag.Flag) {
		name := prefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := lookup(name)
		if !set || given[f.Name] || failed != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = fmt.Errorf("cannot use %s: %v", name, err)
		}
	})
	return failed
}
