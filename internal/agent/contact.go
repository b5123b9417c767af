package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/strictjson"
	"github.com/hotstick/hotstick/internal/wire"
)

// Contact is when and how the agent has last reached its server, for people on the host.
type Contact struct {
	Server string `json:"server"`
	// Tried is the newest check-in that has ended, Answered the newest that was
	// answered, by the host's wall clock; zero if none was.
	Tried    time.Time `json:"tried,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
	// SkewMillis is by how much the host's clock was ahead of the server's at the newest
	// answer.
	SkewMillis int64 `json:"skew_millis,omitempty"`
	// Failures counts check-ins that failed since, and Error is the newest one's; opaque.
	Failures int    `json:"failures,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Told is what an agent knows after a check-in, answered or not.
type Told struct {
	Contact Contact
	// Loader is the loader's newest answer, and Reached whether the newest call of it was
	// answered.
	Loader  link.Response
	Reached bool
}

const (
	contactFile = "contact.json"
	maxContact  = 8 << 10
	maxError    = 512
)

// ended notes the end of a check-in.
func (c *Contact) ended(now time.Time, resp *wire.SyncResponse, err error) {
	c.Tried = now.UTC().Truncate(time.Second)
	if err != nil {
		c.Failures++
		c.Error = err.Error()[:min(len(err.Error()), maxError)]
		return
	}
	c.Answered, c.Failures, c.Error = c.Tried, 0, ""
	c.SkewMillis = now.Sub(resp.ServerTime).Milliseconds()
}

// SaveContact keeps a contact for people who ask later. It is not synced: it is written
// at every check-in, and nothing rests on it.
func (h *Home) SaveContact(c Contact) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return replaceLoosely(h.path(contactFile), data)
}

// LoadContact reads the contact from an agent's directory; fs.ErrNotExist if there was
// none yet. Root reads it, and the agent may have put anything there.
func LoadContact(dir string) (Contact, error) {
	data, err := durable.ReadUntrusted(filepath.Join(dir, contactFile), maxContact)
	if err != nil {
		return Contact{}, err
	}
	var c Contact
	if err := strictjson.Unmarshal(data, &c); err != nil {
		return Contact{}, fmt.Errorf("cannot read the agent's last contact: %v", err)
	}
	return c, nil
}

// replaceLoosely replaces a file so that a reader sees the old one or the new one. A
// power cut may lose both, so it is for what will be written again.
func replaceLoosely(path string, data []byte) error {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	// The directory may be that of another program, which must not have a link followed.
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	_, err = f.Write(data)
	// The umask of a unit is stricter than what others need to read.
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return durable.Rename(temp, path)
}
