package inbox

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/durable"
)

// maxDropped bounds the files that are looked at.
const maxDropped = 64

// Drops is a directory into which somebody puts signed targets metadata by hand,
// when recalls must reach a host that no server tells. The files stay where they are.
type Drops struct {
	dir string
	own *Catalog
	log *slog.Logger
	// looked is when each file was changed last, of those that were taken or refused.
	looked map[string]time.Time
}

// NewDrops looks at a directory, for the catalog of the loader itself.
func NewDrops(dir string, own *Catalog, log *slog.Logger) *Drops {
	return &Drops{dir: dir, own: own, log: log, looked: map[string]time.Time{}}
}

// Take takes what is new and returns the catalog with it, and whether there was any.
func (d *Drops) Take() (catalog.View, bool) {
	entries, err := os.ReadDir(d.dir)
	if err != nil || len(entries) == 0 {
		return catalog.View{}, false // there is no such directory where nobody made one
	}
	client, err := d.own.open()
	if err != nil {
		return catalog.View{}, false
	}
	fresh := false
	for _, e := range entries[:min(len(entries), maxDropped)] {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasSuffix(e.Name(), ".json") || d.looked[e.Name()].Equal(info.ModTime()) {
			continue
		}
		d.looked[e.Name()] = info.ModTime()
		data, err := durable.ReadUntrusted(filepath.Join(d.dir, e.Name()), catalog.MaxTargetsBytes)
		if err != nil {
			d.log.Warn("cannot read a dropped file", "file", e.Name(), "error", err)
			continue
		}
		recalls, err := client.TakeRecalls(data)
		if err != nil {
			d.log.Warn("cannot take recalls from a dropped file", "file", e.Name(), "error", err)
			continue
		}
		fresh = fresh || len(recalls) > 0
	}
	if !fresh {
		return catalog.View{}, false
	}
	view, err := client.Load()
	if err != nil {
		d.log.Error("cannot read the catalog with the recalls that were dropped", "error", err)
	}
	return view, err == nil
}
