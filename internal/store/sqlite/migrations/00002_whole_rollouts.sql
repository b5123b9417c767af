-- +goose Up

ALTER TABLE hosts ADD COLUMN ill_since INTEGER;
ALTER TABLE hosts ADD COLUMN reverted TEXT NOT NULL DEFAULT ''; -- JSON

ALTER TABLE plans ADD COLUMN promoted INTEGER NOT NULL DEFAULT 0;

ALTER TABLE plan_hosts ADD COLUMN standing INTEGER NOT NULL DEFAULT 0 CHECK (standing IN (0, 1));
ALTER TABLE plan_hosts ADD COLUMN late INTEGER NOT NULL DEFAULT 0 CHECK (late IN (0, 1));
ALTER TABLE plan_hosts ADD COLUMN recall TEXT NOT NULL DEFAULT ''; -- JSON
CREATE INDEX plan_hosts_by_state ON plan_hosts (plan, state);
CREATE INDEX plan_hosts_recalled ON plan_hosts (plan) WHERE recall <> '';

CREATE TABLE exclusions (
    host    TEXT    PRIMARY KEY,
    until   INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    by_whom TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE freezes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- an ID that was taken back never comes again
    from_when  INTEGER NOT NULL,
    until_when INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    by_whom    TEXT    NOT NULL
) STRICT;
CREATE INDEX freezes_by_time ON freezes (from_when, id);

CREATE TABLE clears (
    digest      TEXT    PRIMARY KEY,
    patch_name  TEXT    NOT NULL,
    patch_level INTEGER NOT NULL,
    envelope    BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    by_whom     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX clears_by_age ON clears (at, digest);

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
