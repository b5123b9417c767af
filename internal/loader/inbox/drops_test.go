package inbox

import (
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
)

func mustKey(t *testing.T) *statement.Key {
	t.Helper()
	key, err := statement.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustWrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatKeepsARecallBackDoesNotKeepItFromAHost(t *testing.T) {
	owner, publisher, online := mustKey(t), mustKey(t), mustKey(t)
	now := time.Now().UTC().Truncate(time.Second)
	ref := hotstick.PatchRef{Name: "fix", Level: 1}
	trust := hotstick.Trust{Approvals: 1, AuthorMayApprove: true, Epoch: 1, ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(online.Public())},
		Persons: []hotstick.TrustedPerson{{Person: "ada", Keys: []hotstick.TrustedKey{hotstick.TrustedKey(owner.Public())}}}}
	rootFile, err := catalog.Init(catalog.RootSpec{RootKeys: []hotstick.TrustedKey{owner.Public()}, RootThreshold: 1,
		PublisherKeys: []hotstick.TrustedKey{publisher.Public()}, PublisherThreshold: 1, OnlineKeys: []hotstick.TrustedKey{online.Public()},
		Trust: trust, Expires: now.Add(time.Hour)}, owner)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := catalog.EmptyTargets(now.Add(time.Hour), publisher)
	if err != nil {
		t.Fatal(err)
	}
	agent, state := t.TempDir(), t.TempDir()
	mustWrite(t, filepath.Join(agent, "root.json"), rootFile)
	staged := filepath.Join(agent, "catalog")
	if err := os.Mkdir(staged, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.CreateRepository(staged, rootFile, targets, online, now); err != nil {
		t.Fatal(err)
	}
	own := &Catalog{Dir: filepath.Join(state, "catalog"), Agent: agent, Root: hotstick.NewDigest(rootFile)}
	if _, err := own.Refresh(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	recalls := catalog.Revision{Root: rootFile, Targets: targets, Expires: now.Add(time.Hour), Recalls: []hotstick.Recall{{Patch: ref,
		Action: hotstick.RecallRevert, Reason: "bad", Issued: now}}}
	next, err := catalog.Revise(recalls, publisher)
	if err != nil {
		t.Fatal(err)
	}
	forged := []byte(strings.ReplaceAll(string(next), `"fix"`, `"fox"`))
	box := NewDrops(filepath.Join(state, "recalls"), own, slog.New(slog.DiscardHandler))
	if _, fresh := box.Take(); fresh {
		t.Error("nobody dropped anything")
	}
	if err := os.Mkdir(box.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(box.dir, "forged.json"), forged)
	if _, fresh := box.Take(); fresh {
		t.Error("a recall that nobody signed was taken")
	}
	mustWrite(t, filepath.Join(box.dir, "targets.json"), next)
	view, fresh := box.Take()
	if r, recalled := view.Recalled(ref, time.Time{}); !fresh || !recalled || r.Action != hotstick.RecallRevert || len(view.Recalls) != 1 {
		t.Errorf("the dropped recall was not taken: %+v", view.Recalls)
	}
	if _, fresh := box.Take(); fresh {
		t.Error("the same file is new twice")
	}
	if view, err := own.Refresh(t.Context(), now); err != nil || len(view.Recalls) != 1 {
		t.Errorf("after the server's catalog without it: %v, %v", view.Recalls, err)
	}
}
