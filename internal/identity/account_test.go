package identity

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

const password = "correct horse battery"

func passwords(t *testing.T) *Passwords {
	t.Helper()
	p, err := NewPasswords()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPasswordIsKeptAsAHashOfItsOwn(t *testing.T) {
	p := passwords(t)
	first, err1 := p.Hash(t.Context(), "alice", password)
	second, err2 := p.Hash(t.Context(), "alice", password)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if first == second || strings.Contains(first, password) || !strings.HasPrefix(first, "$argon2id$v=19$m=65536,t=3,p=1$") {
		t.Errorf("the hashes are %q and %q", first, second)
	}
	for _, tt := range []struct {
		name, hash, password string
		want                 bool
	}{
		{"the password", first, password, true},
		{"the password under the other salt", second, password, true},
		{"another", first, password + "!", false},
		{"an empty one", first, "", false},
		{"the hash itself", first, first, false},
		{"a very long one", first, strings.Repeat("a", 1<<20), false},
		{"any, of a person who has none", "", password, false},
		{"an empty one, of a person who has none", "", "", false},
	} {
		if got, err := p.Check(t.Context(), tt.hash, tt.password); err != nil || got != tt.want {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
	for _, hash := range []string{"x", "$2a$10$abcdefghijklmnopqrstuv", first + "$", strings.Replace(first, "m=65536", "m=4294967295", 1), first[:len(first)-4]} {
		if ok, err := p.Check(t.Context(), hash, password); ok || err == nil {
			t.Errorf("the stored hash %q was used", hash)
		}
	}
}

func TestPasswordsThatCannotBeChosen(t *testing.T) {
	for _, bad := range []string{"", "short", strings.Repeat("a", 20), strings.Repeat("x", 257), "alicealicealice", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4"} {
		err := CheckPassword("alice", bad)
		if err == nil {
			t.Errorf("%q was taken", bad)
		} else if len(bad) > 0 && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
	if err := CheckPassword("alice", password); err != nil {
		t.Error(err)
	}
}

// A flood of sign-ins holds no more memory than MaxHashing hashes, and those who
// cannot be served soon are told so.
func TestAFloodOfSignInsDoesNotExhaustMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := passwords(t)
		ctx, cancel := context.WithCancel(t.Context())
		var ends []func()
		for range MaxHashing {
			done, err := p.turn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, done)
		}
		waited := make(chan error, MaxWaiting)
		for range MaxWaiting {
			go func() {
				done, err := p.turn(ctx)
				if err == nil {
					done()
				}
				waited <- err
			}()
		}
		synctest.Wait()
		if _, err := p.Hash(ctx, "alice", password); !errors.Is(err, ErrBusy) {
			t.Errorf("one too many got %v", err)
		}
		ends[0]()
		for range MaxWaiting {
			if err := <-waited; err != nil {
				t.Errorf("one who waited got %v", err)
			}
		}
		ends[1]()
		if len(p.queue) != 0 || len(p.turns) != 0 {
			t.Errorf("%d wait and %d are hashed when all are done", len(p.queue), len(p.turns))
		}
		cancel()
		if _, err := p.Check(ctx, "", password); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestWhoMaySignIn(t *testing.T) {
	clock := now
	s := memory.Open(func() time.Time { return clock })
	p := passwords(t)
	hash, err := p.Hash(t.Context(), "alice", password)
	if err != nil {
		t.Fatal(err)
	}
	must := func(fn func(store.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	must(func(tx store.Tx) error {
		return errors.Join(
			AddAccount(tx, store.Account{Person: "alice", Roles: []string{Operator}, Password: hash}, "root"),
			AddAccount(tx, store.Account{Person: "carol", Roles: []string{Viewer}}, "root"),
			AddAccount(tx, store.Account{Person: "dave", Roles: []string{Viewer}, Password: hash}, "root"),
			SetDisabled(tx, "dave", true, "root", "left"))
	})
	for _, tt := range []struct {
		name     string
		person   hotstick.Person
		password string
		want     error
	}{
		{"with the right password", "alice", password, nil},
		{"with a wrong password", "alice", "wrong horse battery", ErrPassword},
		{"who is not known", "mallory", password, ErrPassword},
		{"who has no password", "carol", "", ErrPassword},
		{"whose account is disabled", "dave", password, ErrPassword},
		{"by another case", "Alice", password, ErrPassword},
		{"with nothing", "", "", ErrPassword},
	} {
		if a, err := p.SignIn(t.Context(), s, tt.person, tt.password); !errors.Is(err, tt.want) || err == nil && a.Person != tt.person {
			t.Errorf("a person %s: %+v, %v", tt.name, a, err)
		}
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		return AddAccount(tx, store.Account{Person: "alice", Roles: []string{Admin}}, "mallory")
	})
	if !errors.Is(err, store.ErrTaken) {
		t.Errorf("an account was made over another: %v", err)
	}
	for _, bad := range []store.Account{{Person: "Eve", Roles: []string{Viewer}}, {Person: "eve"}, {Person: "eve", Roles: []string{"root"}}, {Person: "e v", Roles: []string{Viewer}}} {
		if s.Update(t.Context(), func(tx store.Tx) error { return AddAccount(tx, bad, "root") }) == nil {
			t.Errorf("the account %+v was made", bad)
		}
	}
}

// Whoever the person is, an answer costs the time of a hash: with no turn left, none
// is given.
func TestAStrangerCannotTellByTheTimeWhoHasAnAccount(t *testing.T) {
	s := memory.Open(func() time.Time { return now })
	p := passwords(t)
	err := s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(
			AddAccount(tx, store.Account{Person: "alice", Roles: []string{Viewer}, Password: p.nobody}, "root"),
			AddAccount(tx, store.Account{Person: "carol", Roles: []string{Viewer}}, "root"),
			AddAccount(tx, store.Account{Person: "dave", Roles: []string{Viewer}, Password: p.nobody}, "root"),
			SetDisabled(tx, "dave", true, "root", "left"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for range cap(p.queue) {
		p.queue <- struct{}{}
	}
	for _, person := range []hotstick.Person{"alice", "carol", "dave", "mallory", "", "No Name"} {
		for _, tried := range []string{password, "", strings.Repeat("a", 1000)} {
			if _, err := p.SignIn(t.Context(), s, person, tried); !errors.Is(err, ErrBusy) {
				t.Errorf("%q got an answer without a hash: %v", person, err)
			}
		}
	}
}

func TestWhatChangesOfAccountsAreToldOf(t *testing.T) {
	clock := now
	s := memory.Open(func() time.Time { return clock })
	for _, c := range []struct {
		change func(store.Tx) error
		want   string
	}{
		{func(tx store.Tx) error {
			return AddAccount(tx, store.Account{Person: "alice", Roles: []string{Viewer}}, "root")
		}, AccountMade},
		{func(tx store.Tx) error { return SetRoles(tx, "alice", []string{Viewer}, "root", "x") }, ""},
		{func(tx store.Tx) error { return SetRoles(tx, "alice", []string{Operator}, "root", "x") }, AccountRoles},
		{func(tx store.Tx) error { return SetPassword(tx, "alice", "hash", "alice") }, AccountPassword},
		{func(tx store.Tx) error { return SetDisabled(tx, "alice", false, "root", "x") }, ""},
		{func(tx store.Tx) error { return SetDisabled(tx, "alice", true, "root", "x") }, AccountDisabled},
		{func(tx store.Tx) error { return SetDisabled(tx, "alice", true, "root", "x") }, ""},
		{func(tx store.Tx) error { return SetDisabled(tx, "alice", false, "root", "x") }, AccountEnabled},
	} {
		var told []string
		clock = clock.Add(time.Minute)
		err := s.Update(t.Context(), func(tx store.Tx) error {
			size, _, err := tx.Events().Head()
			if err := errors.Join(err, c.change(tx)); err != nil {
				return err
			}
			events, err := tx.Events().List(store.EventFilter{From: size})
			for _, e := range events {
				if e.Seq >= size {
					told = append(told, e.Kind)
				}
				for _, v := range e.Evidence {
					if v.Text == "hash" {
						t.Error("the log has the hash")
					}
				}
			}
			return err
		})
		if err != nil || strings.Join(told, " ") != c.want {
			t.Errorf("told %q, %v; want %q", told, err, c.want)
		}
	}
	for _, change := range []func(store.Tx) error{
		func(tx store.Tx) error { return SetRoles(tx, "mallory", []string{Admin}, "x", "x") },
		func(tx store.Tx) error { return SetPassword(tx, "mallory", "h", "x") },
		func(tx store.Tx) error { return SetDisabled(tx, "mallory", false, "x", "x") },
	} {
		if err := s.Update(t.Context(), change); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a change of no account: %v", err)
		}
	}
}
