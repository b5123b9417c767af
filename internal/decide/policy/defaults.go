package policy

import (
	"embed"
	"fmt"
)

//go:embed defaults/*.yaml
var defaults embed.FS

// Standard is the default policy that plans are shaped by where nobody names one.
const Standard = "standard"

// Defaults names the policies that come with Hotstick, the usual one first.
func Defaults() []string {
	return []string{Standard, "urgent", "emergency", "quorum-cluster", "storage-n3", "vendors"}
}

// DefaultText returns the text of a default policy; its only policy has that name.
func DefaultText(name string) ([]byte, error) {
	raw, err := defaults.ReadFile("defaults/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("cannot find the default policy %q", name)
	}
	return raw, nil
}

// Default reads a default policy.
func Default(name string) (*Set, error) {
	raw, err := DefaultText(name)
	if err != nil {
		return nil, err
	}
	return Parse(raw)
}
