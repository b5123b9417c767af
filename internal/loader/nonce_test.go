package loader

import (
	"crypto/rand"
	"testing"
	"time"
)

func TestWhatAQuotedNonceIsWorth(t *testing.T) {
	n := nonces{life: time.Minute}
	at := time.Hour
	mustMake := func() string {
		t.Helper()
		value, err := n.current(at, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	first := mustMake()
	at += 10 * time.Second
	if mustMake() != first {
		t.Error("a young nonce was replaced")
	}
	at += 15 * time.Second
	second := mustMake()
	if second == first {
		t.Error("a nonce was handed out for more than a third of its life")
	}
	for _, c := range []struct {
		what  string
		value string
		life  time.Duration
		at    time.Duration
		want  nonceState
	}{
		{"fresh", second, time.Minute, at, nonceGood},
		{"the one before, still young enough", first, time.Minute, at, nonceGood},
		{"older than the document says", first, 20 * time.Second, at, nonceStale},
		{"older than a minute, whatever the document says", first, time.Hour, time.Hour + 61*time.Second, nonceStale},
		{"invented", "x", time.Minute, at, nonceStale},
		{"empty", "", time.Minute, at, nonceStale},
	} {
		if got := n.judge(c.value, c.life, c.at); got != c.want {
			t.Errorf("%s: worth %d, want %d", c.what, got, c.want)
		}
	}
	n.use(second)
	if n.judge(second, time.Minute, at) != nonceUsed {
		t.Error("a used nonce is good again")
	}
	if mustMake() == second {
		t.Error("a used nonce was handed out again")
	}
	for range 100 {
		n.use(mustMake())
	}
	if len(n.made) > maxNonces {
		t.Errorf("%d nonces are remembered", len(n.made))
	}
}
