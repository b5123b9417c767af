package probe

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
)

func TestTheReferenceHasTheProbesAsTheyAre(t *testing.T) {
	data, err := os.ReadFile("../../../docs/reference/probes.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for l := range strings.Lines(string(data)) {
		cells := strings.Split(strings.TrimSpace(l), "|")
		if len(cells) == 9 {
			for i, c := range cells {
				cells[i] = strings.NewReplacer(" ", "", "`", "").Replace(c)
			}
			rows[cells[1]] = cells
		}
	}
	for _, b := range builtins {
		number := func(x float64) string {
			if x == 0 {
				return "–"
			}
			return strings.ReplaceAll(hotstick.Measure{Unit: b.unit}.Text(x), " ", "")
		}
		window := fmt.Sprintf("%ds", b.limits.Window)
		if b.watch > 0 {
			window = fmt.Sprintf("%d×%s", b.limits.Window, b.watch)
		}
		var above []string
		if b.limits.Rise > 0 {
			above = append(above, number(b.limits.Rise))
		}
		if b.limits.Times > 0 {
			above = append(above, fmt.Sprintf("%g×", b.limits.Times))
		}
		row := rows[b.name]
		if row == nil {
			t.Errorf("%s has no row", b.name)
			continue
		}
		want := strings.Join([]string{number(b.limits.Floor), strings.Join(above, "and"), number(b.limits.Ceiling), window}, " ")
		if got := strings.Join(row[4:8], " "); got != want {
			t.Errorf("%s reads %q, want %q", b.name, got, want)
		}
	}
	_, all := Names()
	for _, name := range all {
		if rows[name] == nil {
			t.Errorf("%s has no row", name)
		}
	}
}
