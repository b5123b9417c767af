package inventory

import "github.com/hotstick/hotstick/internal/store"

// Unreconciled reports whether the database is an older one than hosts have seen:
// it was restored from a backup, or a host holds a checkpoint that the audit log
// does not continue. Nothing starts then; everything that grants a start asks this
// in its own transaction.
func Unreconciled(tx store.Tx) (bool, error) {
	for _, name := range []string{MarkRestored, MarkDisputed} {
		if mark, err := tx.Events().Mark(name); err != nil || mark != "" {
			return true, err
		}
	}
	return false, nil
}
