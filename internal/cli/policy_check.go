package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

// checkedFile is what policy check says of one file.
type checkedFile struct {
	File     string          `json:"file"`
	Digest   hotstick.Digest `json:"digest,omitempty"`
	Policies []string        `json:"policies"`
	// Problems in the file's order; warnings do not fail the check.
	Problems []policy.Problem `json:"problems"`
}

func (c checkedFile) wrong() bool {
	for _, p := range c.Problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

func (a *app) policyCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Check policy files: every problem with its line and what to do",
		Long: `Reads each file as a whole, compiles its policies for a plan made now, and prints
every problem with line, column and caret. Exit code 2 if a file cannot be used; waivers
that have expired and calendars that never open are warnings.`,
		Args:              atLeastOne("FILE"),
		ValidArgsFunction: a.completePolicyFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			var files []checkedFile
			bad := false
			for _, arg := range args {
				f, err := a.checkPolicy(cmd, arg)
				if err != nil {
					return err
				}
				files = append(files, f)
				bad = bad || f.wrong()
			}
			if err := a.print(view{value: files, names: args, text: func(st show.Style) string { return checkText(files, st) }}); err != nil {
				return err
			}
			if bad {
				return &failure{code: exitUsage} // the output has said it
			}
			return nil
		},
	}
}

// checkPolicy checks one file.
func (a *app) checkPolicy(cmd *cobra.Command, arg string) (checkedFile, error) {
	f := checkedFile{File: arg, Policies: []string{}, Problems: []policy.Problem{}}
	raw, err := a.policyText(cmd, arg)
	if err != nil {
		return f, err
	}
	set, err := policy.Parse(raw)
	if err != nil {
		return f, f.take(err)
	}
	f.Digest = set.Digest()
	for _, name := range set.Names() {
		f.Policies = append(f.Policies, name)
		p, err := set.Compile(name, a.env.Now())
		if err != nil {
			if err := f.take(err); err != nil {
				return f, err
			}
			continue
		}
		f.Problems = append(f.Problems, p.Notes()...)
	}
	return f, nil
}

// take keeps the problems that an error carries; any other error is returned.
func (c *checkedFile) take(err error) error {
	var problems policy.Problems
	if !errors.As(err, &problems) {
		return err
	}
	c.Problems = append(c.Problems, problems...)
	return nil
}

func checkText(files []checkedFile, st show.Style) string {
	var b strings.Builder
	for _, f := range files {
		for _, p := range f.Problems {
			writeProblem(&b, f.File, p, st)
		}
		if !f.wrong() {
			fmt.Fprintf(&b, "%s: ok, %s\n", show.Clean(f.File), strings.Join(f.Policies, ", "))
		}
	}
	return b.String()
}

// writeProblem writes a problem as compilers do: FILE:LINE:COLUMN, then the line with
// a caret, then what to do.
func writeProblem(b *strings.Builder, file string, p policy.Problem, st show.Style) {
	kind := "error"
	if p.Warning {
		kind = "warning"
	}
	place := show.Clean(file)
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", place, p.Line, p.Column)
	}
	fmt.Fprintf(b, "%s: %s: %s\n", st.Bold(place), kind, show.Clean(p.Message))
	b.WriteString(show.EscapeLines(p.Excerpt()))
	if p.Hint != "" {
		fmt.Fprintf(b, "  hint: %s\n", show.Clean(p.Hint))
	}
}

// problemsFailure ends a command whose file cannot be used, with all that is wrong.
func problemsFailure(file string, err error, st show.Style) error {
	var problems policy.Problems
	if !errors.As(err, &problems) {
		return err
	}
	var b strings.Builder
	for _, p := range problems {
		writeProblem(&b, file, p, show.Style{Now: st.Now})
	}
	return usage("", "cannot use %s:\n%s", file, strings.TrimSuffix(b.String(), "\n"))
}

// testedFile is what policy test says of one file.
type testedFile struct {
	File    string          `json:"file"`
	Results []policy.Result `json:"results"`
}

func (a *app) policyTest() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use:               "test FILE...",
		Short:             "Run the tests that policies carry in their own documents",
		Args:              atLeastOne("FILE"),
		ValidArgsFunction: a.completePolicyFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			re, err := regexp.Compile(run)
			if err != nil {
				return usage("--run REGEXP chooses tests by POLICY/NAME", "cannot use --run: %v", err)
			}
			var files []testedFile
			failed, count := 0, 0
			for _, arg := range args {
				f, err := a.testPolicy(cmd, arg, re)
				if err != nil {
					return err
				}
				for _, r := range f.Results {
					count++
					if !r.Passed {
						failed++
					}
				}
				files = append(files, f)
			}
			if count == 0 {
				return usage("write a list tests: into the policy, or choose others with --run", "cannot find a test to run")
			}
			if err := a.print(view{value: files, names: args, table: func(st show.Style) show.Table { return testTable(files, st) }}); err != nil {
				return err
			}
			if failed > 0 {
				return fail(exitFailed, "", "cannot pass %d of %d tests", failed, count)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&run, "run", "", "only tests whose POLICY/NAME matches this regular expression")
	return cmd
}

func (a *app) testPolicy(cmd *cobra.Command, arg string, re *regexp.Regexp) (testedFile, error) {
	f := testedFile{File: arg, Results: []policy.Result{}}
	raw, err := a.policyText(cmd, arg)
	if err != nil {
		return f, err
	}
	set, err := policy.Parse(raw)
	if err != nil {
		return f, problemsFailure(arg, err, a.style())
	}
	results, err := set.Test(func(p, test string) bool { return re.MatchString(p + "/" + test) })
	if err != nil {
		return f, problemsFailure(arg, err, a.style())
	}
	f.Results = append(f.Results, results...)
	return f, nil
}

func testTable(files []testedFile, st show.Style) show.Table {
	t := show.Table{Header: []string{"RESULT", "POLICY", "TEST", "DIFFERENCE"}}
	for _, f := range files {
		for _, r := range f.Results {
			result, difference := "pass", "-"
			if !r.Passed {
				result = "FAIL"
				difference = fmt.Sprintf("%s:%d: %s", f.File, r.Line, strings.Join(r.Differences, "; "))
			}
			t.Rows = append(t.Rows, []show.Cell{{Text: result}, {Text: show.Clean(r.Policy)}, {Text: show.Clean(r.Name)}, {Text: show.Escape(difference)}})
		}
	}
	return t
}

// atLeastOne wants one argument or more.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("usage: "+cmd.UseLine(), "cannot go on without %s", name)
		}
		return nil
	}
}
