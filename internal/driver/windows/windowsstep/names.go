package windowsstep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/kernel/nt"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// maxNames bounds the levels whose names are kept, and maxNamesBytes their file.
const (
	maxNames      = 64
	maxNamesBytes = 16 << 10
)

// noted is the name of one level.
type noted struct {
	Level  string `json:"level"`
	Module string `json:"module"`
}

// Names remembers, in a file, under which name a level is listed. It is safe for
// concurrent use.
type Names struct {
	dir string

	mu   sync.Mutex
	list []noted // the newest last
}

const namesFile = "levels.json"

// OpenNames reads what was noted in a directory. A file that cannot be read names nothing:
// then what is in effect counts as somebody else's, and nothing starts on it.
func OpenNames(dir string) (*Names, error) {
	n := &Names{dir: dir}
	data, err := durable.ReadUntrusted(filepath.Join(dir, namesFile), maxNamesBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = strictjson.Unmarshal(data, &n.list)
	}
	if err != nil {
		return n, fmt.Errorf("cannot read the names of levels: %w", err)
	}
	return n, nil
}

// Named returns the name of a level, and whether one was noted.
func (n *Names) Named(level nt.Level) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.list {
		if k.Level == level.String() {
			return k.Module, true
		}
	}
	return "", false
}

// Note keeps the name of a level. It is on the disk when it returns.
func (n *Names) Note(level nt.Level, module string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []noted
	for _, k := range n.list {
		if k.Level == level.String() && k.Module == module {
			return nil
		}
		if k.Level != level.String() {
			list = append(list, k)
		}
	}
	list = append(list, noted{level.String(), module})
	list = list[max(0, len(list)-maxNames):]
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := durable.Replace(n.dir, namesFile, 0o600, data); err != nil {
		return err
	}
	n.list = list
	return nil
}
