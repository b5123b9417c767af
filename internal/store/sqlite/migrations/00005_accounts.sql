-- +goose Up

-- Several roles for a token, what it is limited to, and the token that a session
-- was opened with.
ALTER TABLE tokens ADD COLUMN roles TEXT NOT NULL DEFAULT '';       -- JSON
ALTER TABLE tokens ADD COLUMN only TEXT NOT NULL DEFAULT '';        -- JSON
ALTER TABLE tokens ADD COLUMN parent TEXT NOT NULL DEFAULT '';
UPDATE tokens SET roles = '["' || role || '"]' WHERE role <> '';
ALTER TABLE tokens DROP COLUMN role;

-- Persons who sign in with a password.
CREATE TABLE accounts (
    person   TEXT    PRIMARY KEY,
    roles    TEXT    NOT NULL,      -- JSON
    password TEXT    NOT NULL,      -- a hash, see package identity
    disabled INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    since    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
