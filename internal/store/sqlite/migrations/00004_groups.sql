-- +goose Up

-- Join tokens for groups of hosts, and who spoke under a host's identity.
ALTER TABLE tokens ADD COLUMN labels TEXT NOT NULL DEFAULT '';      -- JSON
ALTER TABLE tokens ADD COLUMN hosts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN revoked INTEGER;
ALTER TABLE hosts ADD COLUMN labels TEXT NOT NULL DEFAULT '';       -- JSON
ALTER TABLE hosts ADD COLUMN lineage TEXT NOT NULL DEFAULT '';      -- packed, see lineage.go

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
