-- +goose Up

-- Levels that a kind of machine crashed with.
CREATE TABLE crash_stops (
    patch_name  TEXT    NOT NULL,
    patch_level INTEGER NOT NULL,
    build_id    TEXT    NOT NULL,
    release     TEXT    NOT NULL,
    arch        TEXT    NOT NULL,
    model       TEXT    NOT NULL,
    host        TEXT    NOT NULL,
    host_name   TEXT    NOT NULL,
    reason      TEXT    NOT NULL,      -- JSON
    at          INTEGER NOT NULL,
    PRIMARY KEY (patch_name, patch_level, build_id, release, arch, model)
) STRICT, WITHOUT ROWID;

-- How a host differs from what is expected of it.
ALTER TABLE hosts ADD COLUMN drift TEXT NOT NULL DEFAULT '';      -- JSON

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
