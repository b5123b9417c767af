-- +goose Up

-- What a plan closes whose lanes have a patch each; its own patch is empty then.
ALTER TABLE plans ADD COLUMN cve TEXT NOT NULL DEFAULT '';

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
