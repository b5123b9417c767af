package flagenv_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/flagenv"
)

func TestTheEnvironmentFillsInWhatTheCommandLineLeavesOut(t *testing.T) {
	env := map[string]string{"X_ONE": "env", "X_TWO_WORDS": "env", "X_THREE": "x"}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	flags := flag.NewFlagSet("x", flag.ContinueOnError)
	one, two := flags.String("one", "default", ""), flags.String("two-words", "default", "")
	if err := flags.Parse([]string{"--one", "given"}); err != nil {
		t.Fatal(err)
	}
	if err := flagenv.Fill(flags, "X_", lookup); err != nil {
		t.Fatal(err)
	}
	if *one != "given" || *two != "env" {
		t.Errorf("one is %q, two is %q", *one, *two)
	}
	flags.Duration("three", time.Second, "")
	if err := flagenv.Fill(flags, "X_", lookup); err == nil || !strings.Contains(err.Error(), "X_THREE") {
		t.Errorf("error is %v", err)
	}
}
