package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// session is one connection and its prepared statements. One goroutine at a time
// has it.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func newSession(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &session{conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

// Statements run without the caller's context: the driver starts a goroutine for
// each one that could be interrupted, and an interrupted write rolls the whole
// batch back. Transactions look at their context between statements instead.

// stmt returns a prepared statement. Queries are constants or made of constant
// parts, so there are few.
func (s *session) stmt(query string) (*sql.Stmt, error) {
	if st := s.stmts[query]; st != nil {
		return st, nil
	}
	st, err := s.conn.PrepareContext(context.Background(), query)
	if err == nil {
		s.stmts[query] = st
	}
	return st, err
}

// run executes a statement that has no arguments and no answer.
func (s *session) run(query string) error {
	st, err := s.stmt(query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(context.Background())
	return err
}

func (s *session) close() error {
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}
