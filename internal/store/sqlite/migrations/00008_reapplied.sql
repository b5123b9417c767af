-- +goose Up

-- How often a plan put back on a host what somebody else took away.
ALTER TABLE plan_hosts ADD COLUMN reapplied INTEGER NOT NULL DEFAULT 0 CHECK (reapplied >= 0);

-- A plan that was completed, and ran again to put its level back.
ALTER TABLE plans ADD COLUMN reopened INTEGER NOT NULL DEFAULT 0 CHECK (reopened IN (0, 1));

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
