package cli

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/cli/show"
)

// formats are the values of -o.
var formats = []string{"table", "wide", "csv", "json", "yaml", "name"}

// view is an answer in all its forms. A text or a table is for people; value is
// the API's own document; names are arguments for the next command.
type view struct {
	value any
	table func(show.Style) show.Table
	text  func(show.Style) string
	names []string
}

// print writes the view in the form that -o asks for.
func (a *app) print(v view) error {
	st := a.style()
	switch a.output {
	case "json":
		return show.JSON(a.env.Stdout, v.value)
	case "yaml":
		return show.YAML(a.env.Stdout, v.value)
	case "name":
		for _, n := range v.names {
			if _, err := fmt.Fprintln(a.env.Stdout, show.Escape(n)); err != nil {
				return err
			}
		}
		return nil
	}
	if a.output == "csv" {
		if v.table == nil {
			return usage("lists are tables; this answer has -o json and -o yaml", "cannot write this answer as csv: it is no table")
		}
		t := v.table(st)
		t.Bare = a.bare
		return t.CSV(a.env.Stdout)
	}
	if v.table == nil {
		_, err := fmt.Fprint(a.env.Stdout, v.text(st))
		return err
	}
	t := v.table(st)
	t.Bare = a.bare
	return t.Write(a.env.Stdout, st)
}

func (a *app) style() show.Style {
	_, _, terminal := a.env.Size()
	return show.Style{
		Terminal: terminal,
		Color:    terminal && a.env.Getenv("NO_COLOR") == "",
		Wide:     a.output == "wide" || a.output == "csv",
		Now:      a.env.Now(),
	}
}

// structured tells whether a program reads the output.
func (a *app) structured() bool { return a.output == "json" || a.output == "yaml" }

func (a *app) outputFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "table", "form of the answer: "+strings.Join(formats, ", "))
	flags.StringVar(&a.context, "context", "", "which server of the configuration to speak with")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print data and errors only")
	flags.BoolVar(&a.bare, "no-headers", false, "print tables without their header")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("context", a.completeContexts)
}

func (a *app) checkOutput() error {
	if !slices.Contains(formats, a.output) {
		return usage("choose one of "+strings.Join(formats, ", "), "cannot write the answer as %q", a.output)
	}
	return nil
}

// consent asks on the terminal before something is signed. Where nobody can
// answer, --yes must have said so before.
func (a *app) consent(yes bool, question string) error {
	if !yes && !a.env.Interactive {
		return usage("read the review above, then run it again with --yes", "cannot sign without a person's consent: there is no terminal to ask on")
	}
	return a.confirm(yes, question)
}

// confirm asks on the terminal before a step that has no way back. A script that
// calls the step means it.
func (a *app) confirm(yes bool, question string) error {
	if yes || !a.env.Interactive {
		return nil
	}
	fmt.Fprintf(a.env.Stderr, "%s [y/N] ", question)
	answer, err := bufio.NewReader(a.env.Stdin).ReadString('\n')
	if err != nil && answer == "" {
		return fail(exitFailed, "", "cannot read the answer: %v", err)
	}
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return fail(exitFailed, "", "cannot go on: you said no")
	}
	return nil
}
