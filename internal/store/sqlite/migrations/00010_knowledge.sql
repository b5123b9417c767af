-- +goose Up

-- Where advisories are read, and how reading them went.
CREATE TABLE feeds (
    name     TEXT    PRIMARY KEY,
    kind     TEXT    NOT NULL,
    location TEXT    NOT NULL,
    complete TEXT    NOT NULL, -- JSON
    vendor   TEXT    NOT NULL, -- JSON
    enabled  INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    period   INTEGER NOT NULL, -- nanoseconds
    added    INTEGER NOT NULL,
    removed  INTEGER NOT NULL CHECK (removed IN (0, 1)),
    tried    INTEGER NOT NULL,
    good     INTEGER NOT NULL,
    reading  INTEGER NOT NULL CHECK (reading IN (0, 1)),
    basis    TEXT    NOT NULL,
    failed   TEXT    NOT NULL,
    failures INTEGER NOT NULL,
    counts   TEXT    NOT NULL  -- JSON
) STRICT, WITHOUT ROWID;

-- How far each was read. Marks of large feeds have megabytes.
CREATE TABLE feed_marks (
    feed TEXT PRIMARY KEY,
    mark BLOB NOT NULL
) STRICT;

CREATE TABLE advisory_refusals (
    feed   TEXT    NOT NULL,
    path   TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (feed, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE advisory_documents (
    n            INTEGER PRIMARY KEY,
    feed         TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    path         TEXT    NOT NULL,
    digest       TEXT    NOT NULL,
    modified     INTEGER NOT NULL,
    fetched      INTEGER NOT NULL,
    complete     TEXT    NOT NULL, -- JSON
    withdrawn    INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
    reader       TEXT    NOT NULL,
    unread       TEXT    NOT NULL, -- JSON
    unread_count INTEGER NOT NULL,
    change       INTEGER NOT NULL UNIQUE, -- counted by advisory_change of table state
    UNIQUE (feed, id)
) STRICT;
CREATE INDEX advisory_documents_withdrawn ON advisory_documents (fetched) WHERE withdrawn = 1;

INSERT INTO state (name, value) VALUES ('advisory_change', 0);

-- What a document says. What it does not say any more stays for a while, so that whoever
-- follows the changes learns of it.
CREATE TABLE advisories (
    document     INTEGER NOT NULL REFERENCES advisory_documents (n),
    cve          TEXT    NOT NULL,
    distribution TEXT    NOT NULL,
    package      TEXT    NOT NULL,
    scheme       TEXT    NOT NULL,
    gone         INTEGER NOT NULL CHECK (gone IN (0, 1)),
    said         TEXT    NOT NULL, -- JSON
    PRIMARY KEY (document, cve, distribution, package, scheme)
) STRICT, WITHOUT ROWID;
CREATE INDEX advisories_by_cve ON advisories (cve) WHERE gone = 0;
CREATE INDEX advisories_gone ON advisories (document) WHERE gone = 1;

CREATE TABLE vulnerabilities (
    cve      TEXT    NOT NULL,
    feed     TEXT    NOT NULL,
    document TEXT    NOT NULL,
    fetched  INTEGER NOT NULL,
    said     TEXT    NOT NULL, -- JSON
    PRIMARY KEY (cve, feed, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX vulnerabilities_by_document ON vulnerabilities (feed, document, fetched);

-- From when until when hosts were open to CVEs. There are many rows, so they are narrow.
CREATE TABLE cves (
    n    INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;
CREATE TABLE exposure_sources (
    n        INTEGER PRIMARY KEY,
    feed     TEXT    NOT NULL,
    document TEXT    NOT NULL,
    UNIQUE (feed, document)
) STRICT;
CREATE TABLE exposures (
    n      INTEGER PRIMARY KEY,
    host   INTEGER NOT NULL REFERENCES hosts (n),
    cve    INTEGER NOT NULL REFERENCES cves (n),
    began  INTEGER NOT NULL,
    ended  INTEGER,           -- NULL while it is open
    reason TEXT    NOT NULL,
    closed TEXT    NOT NULL,
    source INTEGER NOT NULL REFERENCES exposure_sources (n)
) STRICT;
CREATE INDEX exposures_of_host ON exposures (host, cve);
CREATE UNIQUE INDEX exposures_open ON exposures (host, cve) WHERE ended IS NULL;

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
