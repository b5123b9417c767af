-- +goose Up

-- Clears, and every other signed statement that people hand in.
ALTER TABLE clears RENAME TO statements;
ALTER TABLE statements ADD COLUMN kind TEXT NOT NULL DEFAULT 'clear';
DROP INDEX clears_by_age;
CREATE INDEX statements_by_age ON statements (kind, at, digest);

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
