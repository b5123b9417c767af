package canonical_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/canonical"
)

func status(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/status/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestWhatTheClientSays also holds that nothing of the JSON has to be there.
func TestWhatTheClientSays(t *testing.T) {
	for _, c := range []struct {
		name, kernel, version string
		usable, failed        hotstick.ReasonCode
		retry                 bool
	}{
		{name: "applied", kernel: "6.8.0-1047.50-aws", version: "121.4"},
		{name: "old", kernel: "4.15.0-108.109-generic", version: "69.1"},
		{name: "nothing", kernel: "5.4.0-216.236-generic"},
		{name: "empty"},
		{name: "minimal"},
		{name: "end-of-life", kernel: "5.4.0-42.46-generic", version: "80.1", usable: hotstick.ReasonCoverEnded, failed: hotstick.ReasonCoverEnded},
		{name: "upgrade-state", kernel: "5.4.0-42.46-generic", usable: hotstick.ReasonCoverEnded, failed: hotstick.ReasonCoverEnded},
		{name: "upgrade", kernel: "5.4.0-42.46-generic", usable: hotstick.ReasonCoverEnded, failed: hotstick.ReasonCoverEnded},
		{name: "unsupported", kernel: "6.5.0-1-foo", usable: hotstick.ReasonUnsupported, failed: hotstick.ReasonUnsupported},
		{name: "check-failed", kernel: "6.8.0-1047.50-aws", version: "121.4", failed: hotstick.ReasonToolFailed, retry: true},
		{name: "apply-failed", kernel: "6.8.0-1047.50-aws", version: "121.4", failed: hotstick.ReasonKernelRefused},
		{name: "with-bug", kernel: "6.8.0-1047.50-aws", version: "121.4", failed: hotstick.ReasonKernelLog},
	} {
		s, err := canonical.ParseStatus(status(t, c.name))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if k := s.Running(); k.Kernel != c.kernel || k.Livepatch.Version != c.version {
			t.Errorf("%s: the running kernel is %+v", c.name, k)
		}
		if have, _ := code(t, s.Usable()); have != c.usable {
			t.Errorf("%s: usable: %q, want %q", c.name, have, c.usable)
		}
		if have, retry := code(t, s.Failed()); have != c.failed || retry != c.retry {
			t.Errorf("%s: failed: %q (retry: %t), want %q", c.name, have, retry, c.failed)
		}
	}
}

func code(t testing.TB, err error) (hotstick.ReasonCode, bool) {
	t.Helper()
	if err == nil {
		return "", false
	}
	var r *driver.Refusal
	if !errors.As(err, &r) {
		t.Fatal(err)
	}
	return r.Reason.Code, r.Retry
}

func TestOfSeveralKernelsNoneIsTakenThatDoesNotRun(t *testing.T) {
	s, err := canonical.ParseStatus([]byte(`{"Status":[{"Kernel":"a","Livepatch":{"Version":"1.1"}},{"Kernel":"b"}]}`))
	if err != nil || s.Running() != (canonical.Kernel{}) {
		t.Errorf("%+v, %v", s.Running(), err)
	}
}

const printed = `http-proxy: ""
https-proxy: http://proxy.example.com:3128
remote-server: https://livepatch.canonical.com
ca-certs: |
  -----BEGIN CERTIFICATE-----
check-interval: 60
cutoff-date: "2024-02-01T00:00:00Z"
`

func TestTheConfigurationIsReadLineByLine(t *testing.T) {
	c := canonical.ParseConfig(printed)
	for key, want := range map[string]string{"http-proxy": "", "https-proxy": "http://proxy.example.com:3128", canonical.CheckInterval: "60", canonical.CutOffDate: "2024-02-01T00:00:00Z"} {
		if have, there := c[key]; have != want || !there {
			t.Errorf("%s is %q", key, have)
		}
	}
	if !c.Pinnable() || canonical.ParseConfig("remote-server: https://livepatch.example.com\n").Pinnable() || !canonical.ParseConfig("remote-server: \"\"\n").Pinnable() {
		t.Error("a cut-off date is a matter of Canonical's own server")
	}
}

func TestAHoldIsBothTheIntervalAndTheMode(t *testing.T) {
	for _, c := range []struct {
		interval, file, boot string
		want                 bool
	}{
		{"60", "", "", false},
		{"0", "", "", false},
		{"0", "normal", "", false},
		{"60", "no-apply", "", false},
		{"0", "no-apply", "", true},
		{"0", "no-apply\n", "", true},
		{"0", "no-refresh", "", true},
		{"0", "stop", "", true},
		{"0", "", "no-apply", true},
		{"0", "sleep", "", false},
		{"", "no-apply", "", false},
	} {
		held, detail := canonical.Held(canonical.Config{canonical.CheckInterval: c.interval}, canonical.Mode{File: c.file, There: c.file != "", Boot: c.boot})
		if held != c.want || held != (detail == "") {
			t.Errorf("%+v: held %t (%s)", c, held, detail)
		}
	}
}

func TestWhyTheClientFails(t *testing.T) {
	for _, c := range []struct {
		said  string
		want  hotstick.ReasonCode
		retry bool
	}{
		{"Machine is not enabled. Please run 'sudo canonical-livepatch enable' with the\ntoken obtained from https://ubuntu.com/livepatch.", hotstick.ReasonNotEntitled, false},
		{`livepatch check failed: error response with status 503 (Service Unavailable): "<html>"`, hotstick.ReasonToolFailed, true},
		{`livepatch check failed: Post "https://livepatch.canonical.com": dial tcp: lookup livepatch.canonical.com: no such host`, hotstick.ReasonToolFailed, true},
		{`Could not retrieve client information.: error response with status 401 (Unauthorized): ""`, hotstick.ReasonNotEntitled, false},
		{"failed to verify the signature of the Livepatch kernel module", hotstick.ReasonSignature, false},
		{"something new", hotstick.ReasonToolFailed, false},
		{"", hotstick.ReasonToolFailed, false},
	} {
		r := canonical.Judge("refresh", driver.Ran{Stderr: c.said, Code: 1})
		if r.Reason.Code != c.want || r.Retry != c.retry || r.Reason.Detail == "" {
			t.Errorf("%q: %+v", c.said, r)
		}
	}
}

// client answers with what a test gives it.
type client struct {
	status driver.Ran
	config string
	gone   bool
	hangs  bool
}

func (c client) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	switch {
	case c.gone:
		return driver.Ran{}, fmt.Errorf("%w: %s", driver.ErrNoProgram, argv[0])
	case c.hangs:
		return driver.Ran{}, errors.New("cannot wait for canonical-livepatch any longer: context deadline exceeded")
	case argv[0] != canonical.Program:
		return driver.Ran{}, fmt.Errorf("cannot run %s", argv[0])
	case argv[1] == "config":
		return driver.Ran{Stdout: c.config}, nil
	}
	return c.status, nil
}

func ubuntu(mode string) fstest.MapFS {
	fsys := fstest.MapFS{
		"sys/kernel/livepatch": {Mode: fs.ModeDir | 0o755},
		"proc/modules":         {Data: []byte("ext4 811008 1 - Live 0x0\n")},
		"proc/cmdline":         {Data: []byte("BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro\n")},
	}
	if mode != "" {
		fsys[canonical.ModeFile] = &fstest.MapFile{Data: []byte(mode)}
	}
	return fsys
}

func TestWhereTheSystemCanBeUsed(t *testing.T) {
	applied := driver.Ran{Stdout: string(status(t, "applied"))}
	for _, c := range []struct {
		what                      string
		client                    client
		mode                      string
		want                      hotstick.ReasonCode
		available, held, pinnable bool
	}{
		{"enabled", client{status: applied, config: printed}, "", "", true, false, true},
		{"on hold", client{status: applied, config: "check-interval: 0\n"}, "no-apply", "", true, true, true},
		{"a server of one's own", client{status: applied, config: "check-interval: 60\nremote-server: https://l.example.com\n"}, "", "", true, false, false},
		{"not enabled", client{status: driver.Ran{Stderr: "Machine is not enabled. Please …", Code: 1}}, "", hotstick.ReasonNotEntitled, false, false, false},
		{"no client", client{gone: true}, "", hotstick.ReasonUnsupported, false, false, false},
		{"end of life", client{status: driver.Ran{Stdout: string(status(t, "end-of-life"))}}, "", hotstick.ReasonCoverEnded, false, false, false},
		{"a client that hangs", client{hangs: true}, "", hotstick.ReasonToolFailed, false, false, false},
		{"a daemon that does not answer", client{status: driver.Ran{Stderr: "dial unix /var/snap/canonical-livepatch/livepatchd.sock: connect: connection refused", Code: 1}}, "", hotstick.ReasonToolFailed, false, false, false},
		{"a client that says nothing", client{}, "", hotstick.ReasonToolFailed, false, false, false},
	} {
		can := canonical.NewObserver(ubuntu(c.mode), c.client).Capabilities(t.Context())
		var have hotstick.ReasonCode
		if can.Reason != nil {
			have = can.Reason.Code
		}
		if have != c.want || can.Available != c.available || can.Held != c.held || can.Pinnable != c.pinnable {
			t.Errorf("%s: %+v, reason %q", c.what, can, have)
		}
		if can.Undo != hotstick.UndoReboot || !can.Schedules || can.TrustClass != hotstick.TrustPin {
			t.Errorf("%s: %+v", c.what, can)
		}
	}
	can := canonical.NewObserver(ubuntu(""), client{status: applied, config: printed}).Capabilities(t.Context())
	if want := "canonical-livepatch v11.0.2, tier stable"; can.Tool != want {
		t.Errorf("the tool is %q", can.Tool)
	}
	if until := can.CoverUntil.Format(time.DateOnly); until != "2027-03-19" {
		t.Errorf("covered until %s", until)
	}
}

func TestTheDaemonsOwnFileSaysWhetherItIsHeld(t *testing.T) {
	for _, c := range []struct {
		file string
		want bool
	}{
		{"check-interval: 0\n", true},
		{"check-interval: 60\n", false},
		{"log-level: debug\n", true}, // it does not say, so the client does
	} {
		fsys := ubuntu("no-apply")
		fsys[canonical.ConfigFile] = &fstest.MapFile{Data: []byte(c.file)}
		o := canonical.NewObserver(fsys, client{status: driver.Ran{Stdout: "{}"}, config: "check-interval: 0\n"})
		if can := o.Capabilities(t.Context()); can.Held != c.want {
			t.Errorf("%q: held %t", c.file, can.Held)
		}
	}
}

func TestAModuleStaysInEffectWithoutAClient(t *testing.T) {
	fsys := ubuntu("")
	for name, text := range map[string]string{
		"lkp_Ubuntu_6_8_0_1047_50_aws_121/enabled": "1\n", "lkp_Ubuntu_6_8_0_1047_50_aws_121/transition": "0\n",
		"kpatch_x/enabled": "1\n", "kpatch_x/transition": "0\n",
	} {
		fsys["sys/kernel/livepatch/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	patches, err := canonical.NewObserver(fsys, client{gone: true}).Observe(t.Context())
	if err != nil || len(patches) != 1 || patches[0].State != hotstick.InEffect || patches[0].Driver != "canonical" {
		t.Errorf("%+v, %v", patches, err)
	}
}

func FuzzStatus(f *testing.F) {
	entries, err := os.ReadDir("testdata/status")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		f.Add(status(f, strings.TrimSuffix(e.Name(), ".json")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := canonical.ParseStatus(data)
		if err != nil {
			return
		}
		_, _ = code(t, s.Usable())
		if _, failed := code(t, s.Failed()); failed && s.Running() == (canonical.Kernel{}) {
			t.Error("nothing is said, and it failed")
		}
		_ = s.Tool()
	})
}

func FuzzConfig(f *testing.F) {
	f.Add(printed)
	f.Fuzz(func(t *testing.T, text string) {
		for key, value := range canonical.ParseConfig(text) {
			if strings.ContainsAny(key, " \n\"") || strings.Contains(value, "\n") || !strings.Contains(text, key) {
				t.Errorf("%q is %q", key, value)
			}
		}
	})
}
