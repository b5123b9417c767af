package cli

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestThePublicSurfaceIsWhatTheGoldenFileSays shows every change of a command or
// a flag in review: scripts depend on them.
func TestThePublicSurfaceIsWhatTheGoldenFileSays(t *testing.T) {
	var b strings.Builder
	list(&b, (&app{}).root())
	const path = "testdata/commands.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the commands are\n%s\n%s says\n%s", b.String(), path, want)
	}
}

func list(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "%s\n", cmd.UseLine())
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { fmt.Fprintf(b, "    --%s %s\n", f.Name, f.Value.Type()) })
	if !cmd.HasParent() {
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { fmt.Fprintf(b, "    --%s %s\n", f.Name, f.Value.Type()) })
	}
	for _, sub := range cmd.Commands() {
		list(b, sub)
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: want one line without a full stop, not %q", cmd.CommandPath(), cmd.Short)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no explanation", cmd.CommandPath(), f.Name)
			}
		})
		takesThing := strings.ContainsAny(strings.TrimPrefix(cmd.Use, cmd.Name()), "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
		names := []string{"HOST", "PLAN", "PATCH@LEVEL"}
		if takesThing && slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(cmd.Use, cmd.Name()+" "+n) }) && cmd.ValidArgsFunction == nil {
			t.Errorf("%s does not complete its argument", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit((&app{}).root())
}
