package sqlite

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/storetest"
)

func lineages() []store.Lineage {
	odd := store.Life{Boot: "1:2\n3\x00", Key: ":", Machine: "", Hardware: "0:", Seq: 1<<64 - 1, Seen: time.UnixMicro(-1).UTC()}
	return []store.Lineage{{}, storetest.Full[store.Lineage]().Clone(), {Now: odd}, {Past: []store.Life{odd, {}, odd}}, {Returns: 3}}
}

func TestALineageComesBackAsItWas(t *testing.T) {
	for _, l := range lineages() {
		packed, err := packLineage(l)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpackLineage(packed)
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("%q gives %+v, %v; want %+v", packed, got, err, l)
		}
	}
}

func TestADamagedLineageIsAnErrorNotAPanic(t *testing.T) {
	packed, err := packLineage(storetest.Full[store.Lineage]())
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(packed); i++ {
		if l, err := unpackLineage(packed[:i]); err == nil && len(l.Past) == 2 {
			t.Errorf("cut off at %d it is read whole", i)
		}
	}
	for _, text := range []string{":", "x:", "-1:", "99999999999999999999:", "1:", strings.Repeat("0:", 5), "1:x" + packed} {
		if _, err := unpackLineage(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func BenchmarkLineage(b *testing.B) {
	life := store.Life{Boot: "0b5b4dd6-93e9-4b0a-8d9a-2a6a5d6f7e8f", Key: hotstick.NewDigest(nil), Machine: strings.Repeat("0", 32),
		Hardware: "mac:52:54:00:12:34:56 mac:52:54:00:12:34:57", Seq: 86_400_000}
	l := store.Lineage{Now: life, Past: []store.Life{life, life, life, life}}
	for b.Loop() {
		packed, err := packLineage(l)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := unpackLineage(packed); err != nil {
			b.Fatal(err)
		}
	}
}
