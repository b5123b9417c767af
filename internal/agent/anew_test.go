package agent_test

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAHostThatJoinsAnewHasAnotherIdentityAndNothingOfTheOldOne(t *testing.T) {
	o := newOffice(t)
	home, dir := newHome(t)
	if err := home.Enrol(t.Context(), o.join(), "n1"); err != nil {
		t.Fatal(err)
	}
	before, err := home.Host()
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]string{}
	for _, name := range []string{"identity.key", "identity.pub", "tls.pem"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		old[name] = string(data)
	}
	o.status = 503 // the server is away: the host keeps what it has
	if err := home.EnrolAnew(t.Context(), o.join(), "n1"); err == nil {
		t.Fatal("it joined without a server")
	}
	if now, err := home.Host(); err != nil || now != before || !home.Joined() {
		t.Fatalf("after a failure the host is %s (joined: %v), %v", now, home.Joined(), err)
	}
	o.status = 0
	if err := home.EnrolAnew(t.Context(), o.join(), "n1"); err != nil {
		t.Fatal(err)
	}
	after, err := home.Host()
	if err != nil || after == before || !home.Joined() {
		t.Errorf("the host was %s and is %s (joined: %v), %v", before, after, home.Joined(), err)
	}
	for name, was := range old {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) == was {
			t.Errorf("%s is the old one, %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new-identity")); !os.IsNotExist(err) {
		t.Errorf("the place where the identity was made is left: %v", err)
	}
}

// TestACrashWhileJoiningAnewIsRepaired cuts the move short after each of its steps,
// as a copy of the directory at that moment would be.
func TestACrashWhileJoiningAnewIsRepaired(t *testing.T) {
	names := []string{"identity.pub", "ca.pem", "root.json", "labels.json", "identity.key"}
	for done := range len(names) + 1 {
		o := newOffice(t)
		home, dir := newHome(t)
		if err := home.Enrol(t.Context(), o.join(), "n1"); err != nil {
			t.Fatal(err)
		}
		other, otherDir := newHome(t)
		if err := other.Enrol(t.Context(), o.join(), "n1"); err != nil {
			t.Fatal(err)
		}
		want, err := other.Host()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(otherDir, filepath.Join(dir, "new-identity")); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "tls.pem")); err != nil {
			t.Fatal(err)
		}
		for _, name := range names[:done] {
			data, err := os.ReadFile(filepath.Join(dir, "new-identity", name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		asked := len(o.tokens)
		if err := home.EnrolAnew(t.Context(), o.join(), "n1"); err != nil {
			t.Fatalf("after %d steps: %v", done, err)
		}
		if got, err := home.Host(); err != nil || got != want || !home.Joined() || len(o.tokens) != asked {
			t.Errorf("after %d steps the host is %s, want %s; %d more tokens were sent, %v", done, got, want, len(o.tokens)-asked, err)
		}
	}
}
