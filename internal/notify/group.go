package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// group is what is told in one message: notifications of one kind and patch.
type group struct {
	messages []store.Message
	about    inventory.Notification
}

// groups puts together what belongs together, in the order of the oldest message
// of each. Messages that were tried together stay together, and nothing is added
// to them: a receiver that ignores an ID it has seen must miss nothing.
func groups(due []store.Message) []group {
	type key struct {
		kind, patch string
		attempts    int
		due         time.Time
	}
	var order []key
	found := map[key]*group{}
	for _, m := range due {
		var about inventory.Notification
		// What cannot be read is told as it is, by itself.
		readable := json.Unmarshal(m.Body, &about) == nil
		k := key{kind: m.Kind, patch: about.Data.Patch.String(), attempts: m.Attempts}
		if m.Attempts > 0 {
			k.due = m.Due
		}
		if !readable {
			k.patch = messageID(m)
		}
		if found[k] == nil {
			found[k] = &group{about: about}
			order = append(order, k)
		}
		found[k].messages = append(found[k].messages, m)
	}
	out := make([]group, len(order))
	for i, k := range order {
		out[i] = *found[k]
	}
	return out
}

// first is the oldest message; its ID is the group's.
func (g group) first() store.Message { return g.messages[0] }

// maxNamed bounds how many hosts a group's message names.
const maxNamed = 50

// Digest is the body of a message that tells of several events of one kind and
// patch: the first one's notification, and how many hosts it is about.
type Digest struct {
	inventory.Notification
	// Count is how many events the message tells of.
	Count int `json:"count"`
	// Hosts names the hosts concerned, the first fifty.
	Hosts []string `json:"hosts,omitempty"`
}

// body is what is sent for the group.
func (g group) body() ([]byte, error) {
	if len(g.messages) == 1 {
		return g.first().Body, nil
	}
	d := Digest{Notification: g.about, Count: len(g.messages)}
	for _, m := range g.messages {
		var about inventory.Notification
		if err := json.Unmarshal(m.Body, &about); err != nil {
			return nil, fmt.Errorf("cannot read a notification: %v", err)
		}
		name := about.Data.HostName
		if name != "" && len(d.Hosts) < maxNamed && !slices.Contains(d.Hosts, name) {
			d.Hosts = append(d.Hosts, name)
		}
	}
	d.Text = d.sentence()
	body, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("cannot encode a notification: %v", err)
	}
	return body, nil
}

// maxSpoken bounds how many hosts the text names.
const maxSpoken = 5

func (d Digest) sentence() string {
	text := fmt.Sprintf("%s %s, %d times", d.Type, d.Data.Patch, d.Count)
	if len(d.Hosts) > 0 {
		spoken := d.Hosts[:min(len(d.Hosts), maxSpoken)]
		text += ", on " + strings.Join(spoken, ", ")
		if more := d.Count - len(spoken); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	return text + ". The first: " + d.Notification.Text
}
