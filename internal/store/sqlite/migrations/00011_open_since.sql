-- +goose Up

-- Since when a CVE is open anywhere.
CREATE INDEX exposures_open_since ON exposures (cve, began) WHERE ended IS NULL;

-- +goose Down
-- Hotstick never goes back to an older schema: restore a backup instead.
SELECT 1;
