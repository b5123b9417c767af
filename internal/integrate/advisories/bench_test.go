package advisories_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/hotstick/hotstick/internal/integrate/advisories"
	"github.com/hotstick/hotstick/internal/integrate/advisories/csaf"
	"github.com/hotstick/hotstick/internal/integrate/advisories/feedgen"
)

// count is a sink that keeps numbers only, and looks at the heap now and then.
type count struct {
	advisories, documents, refused int
	heap                           uint64
}

func (c *count) Document(d advisories.Document) error {
	c.advisories += len(d.Advisories)
	for range d.Vulnerabilities {
	}
	if c.documents++; c.documents%50 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.heap = max(c.heap, m.HeapInuse)
	}
	return nil
}

func (c *count) Refused(advisories.Refusal) error { c.refused++; return nil }

// BenchmarkImportCSAF imports 10,000 made documents of Red Hat's shape from a tar.zst.
func BenchmarkImportCSAF(b *testing.B) {
	const documents = 10_000
	path := filepath.Join(b.TempDir(), "feed")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		b.Fatal(err)
	}
	if err := feedgen.TarCSAF(z, 1, documents); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	f.Close()
	runtime.GC()
	b.SetBytes(documents * int64(len(feedgen.CSAF(1, 1))))
	var heap uint64
	for b.Loop() {
		c := &count{}
		r, err := importer().Import(context.Background(), advisories.Feed{Name: "made", Location: path}, c)
		if err != nil || r.Documents != documents || c.refused != 0 || c.advisories != 5*documents {
			b.Fatalf("%+v, %v, %+v", r, err, c)
		}
		heap = max(heap, c.heap)
	}
	b.ReportMetric(float64(documents*b.N)/b.Elapsed().Seconds(), "documents/s")
	b.ReportMetric(float64(heap)/(1<<20), "MiB-peak-heap")
}

// Ten times as many documents take no more memory, and the same seed is the same feed.
func TestALongFeedTakesNoMoreMemoryThanAShortOne(t *testing.T) {
	heapOf := func(documents int) uint64 {
		path := filepath.Join(t.TempDir(), "feed")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := feedgen.TarCSAF(f, 1, documents); err != nil {
			t.Fatal(err)
		}
		f.Close()
		runtime.GC()
		c := &count{}
		r, err := importer().Import(context.Background(), advisories.Feed{Name: "made", Location: path}, c)
		if err != nil || r.Documents != documents || r.Advisories != 5*documents || r.Unread != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		return c.heap
	}
	short := heapOf(50)
	if long := heapOf(500); long > 2*short+16<<20 {
		t.Errorf("500 documents took %d MiB, 50 took %d MiB", long>>20, short>>20)
	}
	if !bytes.Equal(feedgen.CSAF(7, 3), feedgen.CSAF(7, 3)) || bytes.Equal(feedgen.CSAF(7, 3), feedgen.CSAF(8, 3)) {
		t.Error("the seed does not decide the feed")
	}
}

// BenchmarkReadCSAF reads one such document from memory.
func BenchmarkReadCSAF(b *testing.B) {
	data := feedgen.CSAF(1, 1)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if d, err := csaf.Read(data, nil); err != nil || len(d.Advisories) != 5 {
			b.Fatalf("%+v, %v", d, err)
		}
	}
}
