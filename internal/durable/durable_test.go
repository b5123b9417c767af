package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hotstick/hotstick/internal/durable"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	// What a power cut in the middle of an earlier write left behind.
	if err := os.WriteFile(filepath.Join(dir, ".f.new"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"old", "new and longer", ""} {
		if err := durable.Replace(dir, "f", 0o600, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "f"))
		if err != nil || string(got) != content {
			t.Fatalf("read %q (%v), want %q", got, err, content)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left (%v)", len(entries), err)
	}
	if info, err := os.Stat(filepath.Join(dir, "f")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
}

func TestReplaceLeavesTheOldContentIfItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	if err := durable.Replace(dir, "f", 0o600, []byte("old")); err != nil {
		t.Fatal(err)
	}
	// A directory stands where the temporary file should be.
	if err := os.MkdirAll(filepath.Join(dir, ".f.new", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(dir, "f", 0o600, []byte("new")); err == nil {
		t.Error("was told that the file was written")
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "f")); string(got) != "old" {
		t.Errorf("read %q", got)
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := durable.Create(path, 0o600, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Create(path, 0o600, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the error is %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "first" {
		t.Errorf("read %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
}

// A key was once written under its own name: what a power cut left of it could neither be
// read nor made again.
func TestWhatAPowerCutLeftOfACreateIsNotInTheWay(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(filepath.Join(dir, ".key.new-CUTOFF"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.Create(path, 0o600, []byte("whole")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if got, _ := os.ReadFile(path); err != nil || string(got) != "whole" || len(entries) != 1 {
		t.Errorf("read %q beside %d entries (%v)", got, len(entries), err)
	}
}

func TestOfManyWhoCreateAFileOneDoes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	var callers sync.WaitGroup
	results := make([]error, 20)
	for i := range results {
		callers.Go(func() { results[i] = durable.Create(path, 0o600, bytes.Repeat([]byte{byte('a' + i)}, 10_000)) })
	}
	callers.Wait()
	data, err := os.ReadFile(path)
	if err != nil || len(data) != 10_000 {
		t.Fatalf("%d bytes (%v)", len(data), err)
	}
	for i, err := range results {
		if won := data[0] == byte('a'+i); won != (err == nil) || !won && !errors.Is(err, fs.ErrExist) {
			t.Errorf("caller %d of the file by %q was told %v", i, data[0], err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d entries are left (%v)", len(entries), err)
	}
}
