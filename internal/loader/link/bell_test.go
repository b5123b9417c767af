package link_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/link"
)

func TestTheBellSaysWhatAnAgentWouldBeTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "loader.sock")
	bell := link.NewBell(socket, slog.New(slog.DiscardHandler))
	if got := link.ReadBell(link.BellPath(socket)); got != "" {
		t.Fatalf("a bell that was never rung says %s", got)
	}
	told := link.Response{Boot: "b", Nonce: "n", CatalogVersion: 7, Refusals: []link.Refusal{{Document: "x"}}}
	quiet := link.Response{Boot: "b", Nonce: "another", CatalogVersion: 7}
	bell.Ring(quiet.State())
	if got := link.ReadBell(link.BellPath(socket)); got != told.State() {
		t.Errorf("the bell says %q, and the agent was told %q", got, told.State())
	}
	told.Hold = &hotstick.HostHold{By: "ada"}
	if link.ReadBell(link.BellPath(socket)) == told.State() {
		t.Error("a hold changes nothing")
	}
	bell.Ring("")
	if got := link.ReadBell(link.BellPath(socket)); got != "" {
		t.Errorf("the bell still says %s", got)
	}
}

func TestAWordThatCannotBeReplacedIsTakenBack(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "loader.sock")
	bell := link.NewBell(socket, slog.New(slog.DiscardHandler))
	bell.Ring(link.Response{Boot: "a"}.State())
	if err := os.MkdirAll(link.BellPath(socket)+".new", 0o755); err != nil {
		t.Fatal(err)
	}
	bell.Ring(link.Response{Boot: "b"}.State())
	if got := link.ReadBell(link.BellPath(socket)); got != "" {
		t.Errorf("the bell says %s, which is no longer so", got)
	}
}

func TestForeignBytesInTheBellsPlaceSayNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bell")
	for _, data := range []string{"", "x", string(make([]byte, 1<<20)), "sha256:" + string(make([]byte, 64))} {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := link.ReadBell(path); got != "" {
			t.Errorf("%.20q is taken for %s", data, got)
		}
	}
}
