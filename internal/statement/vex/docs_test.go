package vex_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement/vex"
)

func TestThePageNamesEveryStateAndColumn(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/reference/vex.md")
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := vex.CSV(&table, answers()); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(table.String(), "\n")
	words := strings.Split(first, ",")
	for _, s := range hotstick.ExposureStates() {
		words = append(words, string(s))
	}
	for _, w := range words {
		if !strings.Contains(string(raw), "`"+w+"`") {
			t.Errorf("the page does not name %s", w)
		}
	}
}
