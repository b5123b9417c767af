package identity

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// Limits of a join token's group.
const (
	maxGroup = 8
	// MaxHosts is how many hosts one join token may be for.
	MaxHosts = 10_000
)

// The values stand in a line for a shell, so they hold nothing that a shell reads.
var (
	groupLabel = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,62}$`)
	groupValue = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,127}$`)
)

// ErrGroup: a host is not one of those that its join token was made for.
var ErrGroup = errors.New("cannot take this host: it is not of its join token's group")

// CheckGroup reports what is malformed in the group of a join token that is to be
// made. No labels at all are no group: any host may use the token.
func CheckGroup(group map[string]string, hosts int) error {
	if len(group) > maxGroup {
		return fmt.Errorf("cannot use a group of %d labels: the limit is %d", len(group), maxGroup)
	}
	for _, label := range slices.Sorted(maps.Keys(group)) {
		if !groupLabel.MatchString(label) || !groupValue.MatchString(group[label]) {
			return fmt.Errorf("cannot use the label %q with the value %q in a group: want a lower-case name and letters, digits and _ . : / @ + - in its value", label, group[label])
		}
	}
	if hosts < 0 || hosts > MaxHosts {
		return fmt.Errorf("cannot make a token for %d hosts: want 1 to %d", hosts, MaxHosts)
	}
	return nil
}

// InGroup reports whether a host's own labels are those of a group. The error wraps
// [ErrGroup] and names the first label that is not; no labels at all are no group.
func InGroup(group, labels map[string]string) error {
	for _, label := range slices.Sorted(maps.Keys(group)) {
		switch value, has := labels[label]; {
		case !has:
			return fmt.Errorf("%w: the token is for %s=%s, and the host has no label %s", ErrGroup, label, group[label], label)
		case value != group[label]:
			return fmt.Errorf("%w: the token is for %s=%s, and the host says %s=%.100q", ErrGroup, label, group[label], label, value)
		}
	}
	return nil
}

// groupEvidence tells the audit log of a group, label by label.
func groupEvidence(group map[string]string) []hotstick.Evidence {
	var out []hotstick.Evidence
	for _, label := range slices.Sorted(maps.Keys(group)) {
		out = append(out, hotstick.Evidence{Kind: "group", Text: strings.Join([]string{label, group[label]}, "=")})
	}
	return out
}
