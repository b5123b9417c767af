package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// saveLabels keeps the labels that the join line gave the host.
func (h *Home) saveLabels(labels map[string]string) error {
	data, err := json.Marshal(labels)
	if err != nil {
		return fmt.Errorf("cannot encode the labels: %w", err)
	}
	return h.write("labels.json", durable.Seal(data), 0o644)
}

// Labels are the labels of the host: those of its join line and those of its
// configuration file, which may not say something else.
func (h *Home) Labels(configured map[string]string) (map[string]string, error) {
	data, err := os.ReadFile(h.path("labels.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return configured, nil
	}
	if err == nil {
		data, err = durable.Unseal(data)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the labels of the join line: %w", err)
	}
	var joined map[string]string
	if err := strictjson.Unmarshal(data, &joined); err != nil {
		return nil, fmt.Errorf("cannot read the labels of the join line in %s: %w", h.path("labels.json"), err)
	}
	return merged(joined, configured)
}

func merged(joined, configured map[string]string) (map[string]string, error) {
	all := maps.Clone(configured)
	for _, label := range slices.Sorted(maps.Keys(joined)) {
		if value, has := configured[label]; has && value != joined[label] {
			return nil, fmt.Errorf("cannot use the label %s: the join line says %q and the configuration file %q", label, joined[label], value)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[label] = joined[label]
	}
	return all, nil
}
