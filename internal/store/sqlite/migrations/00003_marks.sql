-- +goose Up

-- What the server remembers beside its tables, such as which catalog the audit log
-- tells of.
CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
