-- +goose Up

-- How often a plan put back on a host what somebody else took away.
ALTER TABLE plan_hosts ADD COLUMN reapplied INTEGER NOT NULL DEFAULT 0 CHECK (reapplied >= 0);

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
