package catalog

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Trust returns what the newest root says that this client has verified, also where
// the rest of that catalog has not come yet, and however old it is.
func (c *Client) Trust() (hotstick.Trust, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, _, err := c.roots(time.Time{})
	if err != nil {
		return hotstick.Trust{}, err
	}
	spec, err := t.root.spec()
	return spec.Trust, err
}
