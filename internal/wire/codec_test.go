package wire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictjson"
	"github.com/hotstick/hotstick/internal/wire"
)

func goodSync() *wire.SyncRequest {
	return &wire.SyncRequest{
		Protocol: wire.Protocol, Host: "h-abcdefghijklmnop", Boot: "b", Seq: 1,
		FactsDigest: hotstick.NewDigest(nil),
		Reports: []hotstick.Report{{Seq: 1, Patch: hotstick.PatchRef{Name: "fix", Level: 1}, State: hotstick.Armed},
			{Seq: 2, Patch: hotstick.PatchRef{Name: "fix", Level: 1}, State: hotstick.Applying}},
	}
}

func TestACheckInSurvivesTheWire(t *testing.T) {
	data, err := wire.Encode(goodSync(), wire.MaxRequestBytes)
	if err != nil {
		t.Fatal(err)
	}
	var back wire.SyncRequest
	if err := wire.Decode(bytes.NewReader(data), wire.MaxRequestBytes, &back); err != nil {
		t.Fatal(err)
	}
	again, err := wire.Encode(&back, wire.MaxRequestBytes)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("came back as %s, %v; want %s", again, err, data)
	}
}

func TestMalformedMessagesAreRefused(t *testing.T) {
	good, err := wire.Encode(goodSync(), wire.MaxRequestBytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, from, to, want string }{
		{"unknown field", `{"protocol"`, `{"extra":1,"protocol"`, "extra"},
		{"doubled field", `{"protocol"`, `{"seq":9,"protocol"`, "seq"},
		{"field in capitals", `"boot"`, `"Boot"`, "Boot"},
		{"newer protocol", `"protocol":2`, `"protocol":3`, "protocol 3"},
		{"no protocol", `"protocol":2,`, ``, "protocol 0"},
		{"host with markup", `h-abcdefghijklmnop`, `<script>`, "host ID"},
		{"unknown state", `"armed"`, `"blessed"`, "blessed"},
		{"falling sequence numbers", `"seq":2,"boot"`, `"seq":1,"boot"`, "sequence"},
		{"two messages", `{"protocol"`, `{}{"protocol"`, ""},
		{"null for an object", `"loader":{`, `"loader":null,"x":{`, ""},
		{"not UTF-8", `"boot":"b"`, "\"boot\":\"\xff\"", ""},
	} {
		text := strings.Replace(string(good), c.from, c.to, 1)
		if text == string(good) {
			t.Fatalf("%s: %q is not in %s", c.what, c.from, good)
		}
		err := wire.Decode(strings.NewReader(text), wire.MaxRequestBytes, &wire.SyncRequest{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: error is %v, want it to say %q", c.what, err, c.want)
		}
	}
}

func TestFiftyMegabytesOfFactsAreNotRead(t *testing.T) {
	endless := &counting{}
	err := wire.Decode(endless, wire.MaxRequestBytes, &wire.SyncRequest{})
	if !errors.Is(err, strictjson.ErrTooLarge) {
		t.Errorf("error is %v, want ErrTooLarge", err)
	}
	if endless.n > wire.MaxRequestBytes+1<<20 {
		t.Errorf("%d bytes were read", endless.n)
	}
}

// counting is a peer that never stops sending.
type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	c.n += len(p)
	return len(p), nil
}

func TestWhatTheOtherSideWouldRefuseIsNotSent(t *testing.T) {
	text := strings.Repeat("x", hotstick.MaxEvidenceBytes+1)
	for _, c := range []struct {
		what string
		edit func(*wire.SyncRequest)
	}{
		{"too long a hold", func(r *wire.SyncRequest) { r.HoldSeconds = wire.MaxHoldSeconds + 1 }},
		{"evidence that is too long", func(r *wire.SyncRequest) {
			r.Reports[0].Evidence = []hotstick.Evidence{{Kind: "kernel_log", Text: text}}
		}},
		{"too many reports", func(r *wire.SyncRequest) { r.Reports = make([]hotstick.Report, hotstick.MaxReports+1) }},
		{"no boot", func(r *wire.SyncRequest) { r.Boot = "" }},
		{"no facts digest", func(r *wire.SyncRequest) { r.FactsDigest = "" }},
		{"an unknown reason", func(r *wire.SyncRequest) { r.Reports[0].Reason = &hotstick.Reason{Code: "whim"} }},
	} {
		req := goodSync()
		c.edit(req)
		if _, err := wire.Encode(req, wire.MaxRequestBytes); err == nil {
			t.Errorf("%s was encoded", c.what)
		}
	}
	if _, err := wire.Encode(goodSync(), 10); err == nil {
		t.Error("a message above its limit was encoded")
	}
}

func FuzzDecode(f *testing.F) {
	good, err := wire.Encode(goodSync(), wire.MaxRequestBytes)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"protocol":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m wire.SyncRequest
		if wire.Decode(bytes.NewReader(data), wire.MaxRequestBytes, &m) != nil {
			return
		}
		if _, err := wire.Encode(&m, 2*wire.MaxRequestBytes); err != nil {
			t.Errorf("what was decoded cannot be encoded: %v", err)
		}
	})
}
