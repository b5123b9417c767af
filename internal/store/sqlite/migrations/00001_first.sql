-- +goose Up

-- "hstk": tells a database of Hotstick from those of other programs.
PRAGMA application_id = 1752396907;

-- Times are microseconds since 1970 in UTC. Numbers that are unsigned in Go are
-- kept bit by bit. Texts named so in the comment are JSON.

CREATE TABLE hosts (
    n              INTEGER PRIMARY KEY,
    id             TEXT    NOT NULL UNIQUE,
    name           TEXT    NOT NULL,
    revoked        INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    build          TEXT    NOT NULL, -- kernel build ID of the newest facts
    name_folded    TEXT    NOT NULL, -- as searches compare it
    release_folded TEXT    NOT NULL,
    identity       BLOB    NOT NULL,
    enrolled       INTEGER NOT NULL,
    facts_sum      BLOB,             -- SHA-256 of host_facts.facts; NULL without facts
    facts_digest   TEXT    NOT NULL, -- as the host sent it
    boot           TEXT    NOT NULL,
    boots          INTEGER NOT NULL,
    reported       INTEGER NOT NULL,
    patches        TEXT    NOT NULL, -- JSON
    loader         TEXT    NOT NULL  -- JSON
) STRICT;
CREATE INDEX hosts_by_name ON hosts (name, id) WHERE revoked = 0;
CREATE INDEX hosts_by_build ON hosts (build, name, id) WHERE revoked = 0;

-- Facts are large and rarely change.
CREATE TABLE host_facts (
    host  INTEGER PRIMARY KEY REFERENCES hosts (n),
    facts BLOB NOT NULL -- JSON
) STRICT;

-- What every check-in changes, so that one that brings nothing new writes one
-- narrow row without an index.
CREATE TABLE host_seen (
    host      INTEGER PRIMARY KEY REFERENCES hosts (n),
    seq       INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    readings  TEXT    NOT NULL -- JSON
) STRICT;

CREATE TABLE plans (
    n           INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    patch_name  TEXT    NOT NULL,
    patch_level INTEGER NOT NULL,
    envelope    BLOB    NOT NULL,
    status      TEXT    NOT NULL,
    over        INTEGER NOT NULL CHECK (over IN (0, 1)), -- follows from status
    generation  INTEGER NOT NULL,
    reason      TEXT    NOT NULL, -- JSON
    author      TEXT    NOT NULL,
    reverting   INTEGER NOT NULL CHECK (reverting IN (0, 1)),
    created     INTEGER NOT NULL,
    approved    INTEGER,
    started     INTEGER,
    ended       INTEGER
) STRICT;
CREATE INDEX plans_by_age ON plans (over, created);

CREATE TABLE plan_hosts (
    plan     INTEGER NOT NULL REFERENCES plans (n),
    idx      INTEGER NOT NULL,
    host     TEXT    NOT NULL,
    listed   TEXT    NOT NULL, -- JSON
    state    TEXT    NOT NULL,
    attempt  INTEGER NOT NULL,
    reason   TEXT    NOT NULL, -- JSON
    evidence TEXT    NOT NULL, -- JSON
    timing   TEXT    NOT NULL, -- JSON
    updated  INTEGER NOT NULL,
    granted  INTEGER,
    started  INTEGER,
    ended    INTEGER,
    PRIMARY KEY (plan, idx)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX plan_hosts_by_host ON plan_hosts (host, plan);

CREATE TABLE slots (
    domain TEXT    NOT NULL,
    value  TEXT    NOT NULL,
    idx    INTEGER NOT NULL,
    plan   TEXT    NOT NULL,
    host   TEXT    NOT NULL,
    taken  INTEGER NOT NULL,
    PRIMARY KEY (domain, value, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX slots_by_holder ON slots (plan, host);

-- The audit log. A leaf is the event; hashes are those that its leaf added to the
-- Merkle tree, 32 bytes each.
CREATE TABLE events (
    seq    INTEGER PRIMARY KEY,
    plan   TEXT,
    host   TEXT,
    leaf   BLOB NOT NULL,
    hashes BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_plan ON events (plan, seq) WHERE plan IS NOT NULL;
CREATE INDEX events_by_host ON events (host, seq) WHERE host IS NOT NULL;

-- +goose StatementBegin
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'cannot change the audit log');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'cannot delete from the audit log');
END;
-- +goose StatementEnd

CREATE TABLE bans (
    patch_name  TEXT    NOT NULL,
    patch_level INTEGER NOT NULL,
    envelope    BLOB    NOT NULL,
    reason      TEXT    NOT NULL, -- JSON
    at          INTEGER NOT NULL,
    by_whom     TEXT    NOT NULL,
    PRIMARY KEY (patch_name, patch_level)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    digest  TEXT    PRIMARY KEY,
    kind    TEXT    NOT NULL,
    role    TEXT    NOT NULL,
    person  TEXT    NOT NULL,
    expires INTEGER NOT NULL,
    used    INTEGER,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL,
    body     BLOB    NOT NULL,
    created  INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    done     INTEGER
) STRICT;
CREATE INDEX outbox_pending ON outbox (id, due) WHERE done IS NULL;

-- Single values: stop_all is the fleet-wide stop, checked_at is written to learn
-- whether a commit works.
CREATE TABLE state (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO state (name, value) VALUES ('stop_all', 0), ('checked_at', 0);

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
