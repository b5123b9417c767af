package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"

	driver "modernc.org/sqlite"
)

// ErrNewer: the database was made by a newer Hotstick.
var ErrNewer = errors.New("made by a newer hotstick")

// Error is a failure of the database's file or of the disk under it: something
// that an operator can mend.
type Error struct {
	// Doing says what cannot be done: open, read, write to.
	Doing string
	// Path is the database's file.
	Path    string
	Problem string
	// Fix says what to do about it.
	Fix string
	// Err is the cause, if there is one behind the problem.
	Err error
}

// Error names file and problem.
func (e *Error) Error() string { return "cannot " + e.Doing + " " + e.Path + ": " + e.Problem }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Fix }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// SQLite's primary result codes that an operator can do something about.
const (
	codePerm     = 3
	codeBusy     = 5
	codeReadOnly = 8
	codeIO       = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

const notADatabase = "name another data directory, or restore the file from a backup"

// damaged says that the file is not what was written to it.
func (s *Store) damaged(doing string, err error) error {
	dir := filepath.Dir(s.path)
	return &Error{Doing: doing, Path: s.path, Problem: "it is damaged (" + err.Error() + ")", Err: err,
		Fix: "stop the server, keep a copy of " + dir + ", check its disk, and restore the newest backup with hotstick server restore"}
}

// explain turns an error of SQLite into one that says what to do.
func (s *Store) explain(doing string, err error) error {
	var native *driver.Error
	if !errors.As(err, &native) {
		return fmt.Errorf("cannot %s %s: %w", doing, s.path, err)
	}
	e := &Error{Doing: doing, Path: s.path, Problem: native.Error(), Err: err}
	dir := filepath.Dir(s.path)
	switch native.Code() & 0xff {
	case codeFull:
		e.Problem, e.Fix = "the disk is full", "make room in "+dir+"; nothing was lost, and the server goes on by itself"
	case codeReadOnly, codePerm:
		e.Problem, e.Fix = "it is read-only", "let the server's user write to "+dir+", and check that the disk is not mounted read-only"
	case codeCantOpen:
		e.Problem, e.Fix = "the file or its directory cannot be opened", "let the server's user read and write "+dir
	case codeNotADB:
		e.Problem, e.Fix = "it is not a database", notADatabase
	case codeCorrupt:
		return s.damaged(doing, err)
	case codeBusy:
		e.Problem, e.Fix = "another process keeps it locked", "stop the other process that uses "+dir
	case codeIO:
		e.Problem, e.Fix = "the disk failed: "+native.Error(), "check the disk under "+dir+" and the kernel's log"
	}
	return e
}
