package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
)

func TestWhichAddressARequestComesFrom(t *testing.T) {
	nets := func(list ...string) (out []netip.Prefix) {
		for _, text := range list {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	proxies := nets("10.0.0.0/8", "fd00::/8")
	for _, tt := range []struct {
		name    string
		trusted []netip.Prefix
		style   string
		remote  string
		header  []string // name, value, ...
		want    string
	}{
		{"no proxy at all", nil, "", "192.0.2.1:4000", nil, "192.0.2.1"},
		{"a stranger who says to be somebody else", proxies, "", "192.0.2.1:4000", []string{ForwardedFor, "198.51.100.1"}, "192.0.2.1"},
		{"nobody is trusted, and a header", nil, "", "10.0.0.1:4000", []string{ForwardedFor, "198.51.100.1"}, "10.0.0.1"},
		{"a proxy that says who", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, "198.51.100.1"}, "198.51.100.1"},
		{"a proxy that says nothing", proxies, "", "10.0.0.1:4000", nil, "10.0.0.1"},
		{"a client that spoofs to a proxy that appends", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, "127.0.0.1, 198.51.100.1"}, "198.51.100.1"},
		{"a client that spoofs in a line of its own", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, "127.0.0.1", ForwardedFor, "198.51.100.1"}, "198.51.100.1"},
		{"a client that names a proxy", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, "10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, "203.0.113.5, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"proxies only", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, "10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"rubbish next to the proxy", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, "198.51.100.1, <script>"}, "10.0.0.1"},
		{"an empty header", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, ""}, "10.0.0.1"},
		{"an address with a port", proxies, "", "10.0.0.1:4000", []string{ForwardedFor, "198.51.100.1:1234"}, "198.51.100.1"},
		{"the header that this proxy does not write", proxies, "", "10.0.0.1:4000", []string{Forwarded, "for=198.51.100.1"}, "10.0.0.1"},
		{"that header beside the right one", proxies, "", "10.0.0.1:4000", []string{Forwarded, "for=127.0.0.1", ForwardedFor, "198.51.100.1"}, "198.51.100.1"},
		{"X-Real-IP", proxies, "", "10.0.0.1:4000", []string{"X-Real-Ip", "198.51.100.1"}, "10.0.0.1"},
		{"a proxy that writes Forwarded", proxies, Forwarded, "10.0.0.1:4000", []string{Forwarded, `for=127.0.0.1, FOR="[2001:db8::7]:4711";proto=https`}, "2001:db8::7"},
		{"Forwarded with an obfuscated name", proxies, Forwarded, "10.0.0.1:4000", []string{Forwarded, "for=198.51.100.1, for=_hidden"}, "10.0.0.1"},
		{"X-Forwarded-For where Forwarded is written", proxies, Forwarded, "10.0.0.1:4000", []string{ForwardedFor, "198.51.100.1"}, "10.0.0.1"},
		{"a proxy over IPv6", proxies, "", "[fd00::1]:4000", []string{ForwardedFor, "2001:db8::7"}, "2001:db8::7"},
		{"a proxy whose IPv4 is written as IPv6", proxies, "", "[::ffff:10.0.0.1]:4000", []string{ForwardedFor, "::ffff:198.51.100.1"}, "198.51.100.1"},
		{"a connection without an address", proxies, "", "pipe", []string{ForwardedFor, "198.51.100.1"}, "invalid IP"},
	} {
		header := http.Header{}
		for pair := range slices.Chunk(tt.header, 2) {
			header.Add(pair[0], pair[1])
		}
		if got := (Proxies{tt.trusted, tt.style}).client(tt.remote, header); got.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestProxiesThatCannotBeTrusted(t *testing.T) {
	for _, p := range []Proxies{
		{Trusted: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		{Trusted: []netip.Prefix{netip.MustParsePrefix("::/0")}},
		{Trusted: []netip.Prefix{{}}},
		{Header: "X-Real-IP"},
	} {
		if p.validate() == nil {
			t.Errorf("%+v was taken", p)
		}
	}
}

// FuzzForwarded: whatever a header says, a connection that is no trusted proxy's is
// its own address, and a trusted one never becomes something that is no address.
func FuzzForwarded(f *testing.F) {
	f.Add("198.51.100.1, 10.0.0.2", "for=198.51.100.1")
	f.Add(strings.Repeat("10.0.0.2,", 100), `for="[::1]:1";by=x,for=`)
	f.Fuzz(func(t *testing.T, first, second string) {
		header := http.Header{ForwardedFor: {first}, Forwarded: {second}}
		for _, style := range []string{ForwardedFor, Forwarded} {
			p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Header: style}
			if got := p.client("192.0.2.1:1", header).String(); got != "192.0.2.1" {
				t.Errorf("a stranger became %s", got)
			}
			if got := p.client("10.0.0.1:1", header); !got.IsValid() || got.Zone() != "" || got.Is4In6() {
				t.Errorf("behind a proxy somebody became %s", got)
			}
		}
	})
}

func TestLimitsAndTheLogNameTheAddressThatATrustedProxyNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	// evidence is the address of the newest sign-in.
	signedInFrom := func() string {
		list, err := w.admin.Events(w.Context(), eventsOf(""))
		w.must(err)
		i := slices.IndexFunc(list.Events, func(e api.Event) bool { return e.Kind == "session.opened" })
		return list.Events[i].Evidence[0].Text
	}
	signIn := func(client string) reply {
		return w.ask("POST", "/api/v1/session", `{"token":"`+w.tokens[identity.Viewer]+`"}`, ForwardedFor, client)
	}
	w.succeeds(signIn("198.51.100.1"))
	if got := signedInFrom(); got != "127.0.0.1" {
		t.Errorf("without proxies the address is %s", got)
	}
	w.options.Proxies = Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	w.options.Limits.Rates.Address = Rate{PerSecond: 0.001, Burst: 5}
	w.restart()
	w.succeeds(signIn("198.51.100.1"))
	if got := signedInFrom(); got != "198.51.100.1" {
		t.Errorf("behind a proxy the address is %s", got)
	}
	for range 10 {
		signIn("203.0.113.1")
	}
	if a := signIn("203.0.113.1"); a.status != http.StatusTooManyRequests {
		t.Errorf("the busy one behind the proxy: %d", a.status)
	}
	w.succeeds(signIn("203.0.113.2"))
}

// Nothing that a proxy says makes anybody a host, or a person.
func TestNoHeaderMakesAHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.enrol("host-1", buildA)
	w.options.Proxies = Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	w.restart()
	name := "spiffe://hotstick/host/" + string(h.id)
	for _, header := range [][]string{
		{"X-Forwarded-Client-Cert", "By=x;URI=" + name}, {"X-SSL-Client-S-DN", "CN=" + string(h.id)}, {"X-Client-Verify", "SUCCESS"},
		{"X-SSL-Client-Cert", string(h.cert)}, {"Client-Cert", ":" + string(h.id) + ":"}, {"X-Host", string(h.id)},
		{"X-Remote-User", "alice"}, {"X-Forwarded-User", "alice"}, {"Authorization", "Basic YWxpY2U6"},
	} {
		value := strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return 'x'
			}
			return r
		}, header[1])
		for _, route := range []struct{ method, path string }{
			{"POST", "/agent/v1/sync"}, {"POST", "/agent/v1/renew"}, {"GET", "/agent/v1/catalog/timestamp.json"}, {"GET", "/api/v1/session"},
		} {
			body := ""
			if route.method == "POST" {
				body = "{}"
			}
			if a := w.ask(route.method, route.path, body, header[0], value, ForwardedFor, "198.51.100.1"); a.status != http.StatusUnauthorized {
				t.Errorf("%s on %s: %d", header[0], route.path, a.status)
			}
		}
	}
}
