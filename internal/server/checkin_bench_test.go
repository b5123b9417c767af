package server

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/wire"
)

// crowdFile names, for a process that plays the hosts, the file that says which.
const crowdFile = "HOTSTICK_BENCH_CROWD"

// benchCrowd is what a process needs to play hosts: their keys and certificates.
type benchCrowd struct {
	URL       string
	Authority []byte
	Trust     hotstick.Trust
	// Durable: each check-in brings a report.
	Durable bool
	Hosts   []benchHost
}

type benchHost struct {
	ID               hotstick.HostID
	Key, Certificate []byte
	Facts            hotstick.Facts
	FactsDigest      hotstick.Digest
}

// benchHosts is how many hosts check in, each over a connection of its own.
const benchHosts = 256

// BenchmarkCheckIn measures whole check-ins over mutual TLS, with everything that the
// server does for one: the certificate, whether the host still lives, strict decoding,
// who speaks, the store, the audit log's checkpoint, and the documents for the loader,
// of which there are none. An "unchanged" one brings a sign of life and the
// probes' readings; a "durable" one a report, which is one leaf of the audit log, on
// the disk before the answer. The hosts are another process, so their work is not
// counted; what is, is all time that the server's process gets from any core.
func BenchmarkCheckIn(b *testing.B) {
	for _, kind := range []string{"unchanged", "durable"} {
		for _, kept := range []string{"sqlite", "memory"} {
			b.Run(kind+"/"+kept, func(b *testing.B) {
				w := benchWorld(b, kept)
				p := w.play(kind == "durable")
				p.checkIn(4 * benchHosts) // everybody is known, and told of what there is
				b.ResetTimer()
				before := processTime()
				p.checkIn(b.N)
				spent := processTime() - before
				b.StopTimer()
				b.ReportMetric(float64(b.N)/spent.Seconds(), "check-ins/core-s")
				b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-µs/check-in")
			})
		}
	}
}

func benchWorld(b *testing.B, kept string) *world {
	w := newWorld(b, nil)
	if kept == "memory" { // without the watcher that newWorld puts around one
		w.stop()
		w.options.Store = memory.Open(time.Now)
		w.start()
		w.makeTokens()
	}
	return w
}

// processTime is the time that all cores gave this process.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// player is the process that plays the hosts.
type player struct {
	w   *world
	in  io.Writer
	out *bufio.Reader
}

// play enrols the hosts and starts their process.
func (w *world) play(durable bool) *player {
	w.Helper()
	c := benchCrowd{URL: w.server.URL(), Authority: w.server.Authority(), Trust: w.server.catalog.View().Trust, Durable: durable}
	for i := range benchHosts {
		h := w.enrol(fmt.Sprintf("host-%04d", i), buildA)
		key, err := x509.MarshalPKCS8PrivateKey(h.tls)
		w.must(err)
		facts := h.facts()
		for m := range 150 {
			facts.Modules = append(facts.Modules, hotstick.ModuleFacts{Name: fmt.Sprint("some_module_", m), SizeBytes: int64(m) << 12, SrcVersion: "533BB7E5866E52F63B9ACCB"})
		}
		encoded, err := json.Marshal(facts)
		w.must(err)
		c.Hosts = append(c.Hosts, benchHost{ID: h.id, Key: key, Certificate: h.cert, Facts: facts, FactsDigest: hotstick.NewDigest(encoded)})
		h.http.CloseIdleConnections()
	}
	w.publish(1)
	data, err := json.Marshal(c)
	w.must(err)
	path := filepath.Join(w.TempDir(), "crowd.json")
	w.must(os.WriteFile(path, data, 0o600))
	cmd := exec.Command(os.Args[0], "-test.run=^TestPlayACrowd$", "-test.v")
	cmd.Env = append(os.Environ(), crowdFile+"="+path, "GOMAXPROCS=2")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	w.must(err)
	out, err := cmd.StdoutPipe()
	w.must(err)
	w.must(cmd.Start())
	w.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			w.Errorf("the hosts' process ended with: %v", err)
		}
	})
	return &player{w: w, in: in, out: bufio.NewReader(out)}
}

// checkIn has the hosts check in so often, all of them at once.
func (p *player) checkIn(n int) {
	p.w.Helper()
	_, err := fmt.Fprintln(p.in, n)
	p.w.must(err)
	for {
		line, err := p.out.ReadString('\n')
		p.w.must(err)
		switch line = strings.TrimSpace(line); {
		case line == "done":
			return
		case strings.HasPrefix(line, "failed"):
			p.w.Fatal(line)
		}
	}
}

// TestPlayACrowd is the process of BenchmarkCheckIn that plays the hosts.
func TestPlayACrowd(t *testing.T) {
	path := os.Getenv(crowdFile)
	if path == "" {
		t.Skip("BenchmarkCheckIn runs it, in a process of its own")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c benchCrowd
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	var hosts []*playedHost
	for _, h := range c.Hosts {
		p, err := newPlayedHost(&c, h)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, p)
	}
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		var n int64
		if _, err := fmt.Sscan(commands.Text(), &n); err != nil {
			t.Fatal(err)
		}
		if err := playAll(hosts, n); err != nil {
			fmt.Println("failed:", err)
			return
		}
		fmt.Println("done")
	}
}

func playAll(hosts []*playedHost, n int64) error {
	var begun atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, len(hosts))
	for _, h := range hosts {
		group.Go(func() {
			for begun.Add(1) <= n {
				if err := h.checkIn(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

// playedHost is one host that checks in. It believes nothing, and checks that what it
// reports is acknowledged.
type playedHost struct {
	crowd *benchCrowd
	host  benchHost
	http  *http.Client
	seq   uint64
	sent  bool
	seen  wire.AuditSeen
}

func newPlayedHost(c *benchCrowd, h benchHost) (*playedHost, error) {
	key, err := x509.ParsePKCS8PrivateKey(h.Key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.Authority)
	certificate := tls.Certificate{Certificate: [][]byte{h.Certificate}, PrivateKey: key.(*ecdsa.PrivateKey)}
	return &playedHost{crowd: c, host: h, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1,
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{certificate}}}}}, nil
}

func (p *playedHost) checkIn() error {
	p.seq++
	now := time.Now().UTC().Truncate(time.Second)
	req := wire.SyncRequest{Protocol: wire.Protocol, Host: p.host.ID, Boot: p.host.Facts.Host.BootID, Seq: p.seq, FactsDigest: p.host.FactsDigest,
		Patches:  []hotstick.LoadedPatch{{Module: "hotstick_unix_ioctl_1", Driver: "klp", State: hotstick.InEffect, Functions: []string{"vmlinux:unix_ioctl,1"}}},
		Loader:   wire.LoaderState{Nonce: "0123456789abcdef0123456789abcdef", InEffect: hotstick.PatchRef{Name: "fix", Level: 1}, CatalogVersion: 2},
		Readings: []hotstick.Reading{{Probe: "kernel-log", Healthy: true, At: now}, {Probe: "taint", Healthy: true, At: now}, {Probe: "web", Healthy: true, At: now}},
		Audit:    &p.seen}
	if !p.sent {
		req.Facts = &p.host.Facts
	} else if p.crowd.Durable {
		req.Reports = []hotstick.Report{{Seq: p.seq, Boot: req.Boot, Patch: req.Loader.InEffect, State: hotstick.Confirmed, InEffect: req.Loader.InEffect}}
	}
	body, err := wire.Encode(&req, wire.MaxRequestBytes)
	if err != nil {
		return err
	}
	answer, err := p.http.Post(p.crowd.URL+"/agent/v1/sync", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	var resp wire.SyncResponse
	if err := wire.Decode(answer.Body, wire.MaxResponseBytes, &resp); err != nil {
		return err
	}
	p.sent = !resp.WantFacts
	if len(req.Reports) > 0 && resp.Acknowledged != p.seq {
		return fmt.Errorf("report %d is answered with %d", p.seq, resp.Acknowledged)
	}
	if resp.Audit == nil {
		return nil
	}
	kept, err := audit.OpenCheckpoint(resp.Audit.Checkpoint, p.crowd.Trust)
	p.seen.Size, p.seen.Root = kept.Size, kept.Root[:]
	return err
}
