package server

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies says which proxies stand before the server, and how they name whom they
// speak for. Nothing else that a request says of its address is believed.
//
// What a proxy says is used for limits and in the audit log only. It never decides
// who somebody is: hosts show their certificate on the very connection that the
// server ends, so they must reach it without a proxy that ends TLS.
type Proxies struct {
	// Trusted are the addresses of the proxies; none means that there is no proxy.
	Trusted []netip.Prefix
	// Header is the one header that the proxies write: X-Forwarded-For if it is empty,
	// or Forwarded (RFC 7239). The other one is ignored, since a proxy that does not
	// know it passes on what a stranger wrote.
	Header string
}

// The headers that a proxy may write.
const (
	ForwardedFor = "X-Forwarded-For"
	Forwarded    = "Forwarded"
)

func (p Proxies) validate() error {
	if p.Header != "" && p.Header != ForwardedFor && p.Header != Forwarded {
		return fmt.Errorf("cannot use %q as the header of proxies: want %s or %s", p.Header, ForwardedFor, Forwarded)
	}
	for _, prefix := range p.Trusted {
		if !prefix.IsValid() || prefix.Bits() == 0 {
			return fmt.Errorf("cannot trust %s as a proxy: everybody is there", prefix)
		}
	}
	return nil
}

// maxHops bounds how many addresses of a header are looked at.
const maxHops = 32

// client is the address that a request comes from: the connection's, or, where that
// is a trusted proxy's, the nearest one in the header that is not. The zero address
// means that nobody knows.
func (p Proxies) client(remote string, header http.Header) netip.Addr {
	at := parseAddress(remote)
	if !p.trusts(at) {
		return at
	}
	hops := p.hops(header)
	for i := len(hops) - 1; i >= 0 && i >= len(hops)-maxHops; i-- {
		next := parseAddress(hops[i])
		if !next.IsValid() {
			break // the last proxy is all that is known
		}
		at = next
		if !p.trusts(at) {
			break
		}
	}
	return at
}

func (p Proxies) trusts(a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(p.Trusted, func(prefix netip.Prefix) bool { return prefix.Contains(a) })
}

// hops lists what the proxies wrote, the nearest one last.
func (p Proxies) hops(header http.Header) []string {
	if p.Header != Forwarded {
		return splitList(header.Values(ForwardedFor))
	}
	var out []string
	for _, element := range splitList(header.Values(Forwarded)) {
		who := ""
		for pair := range strings.SplitSeq(element, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "for") {
				who = strings.Trim(value, `"`)
			}
		}
		out = append(out, who)
	}
	return out
}

func splitList(lines []string) []string {
	var out []string
	for _, line := range lines {
		out = append(out, strings.Split(line, ",")...)
	}
	return out
}

// parseAddress reads an address, with or without a port or brackets, IPv4 in IPv6 as
// IPv4.
func parseAddress(text string) netip.Addr {
	text = strings.TrimSpace(text)
	if full, err := netip.ParseAddrPort(text); err == nil {
		return full.Addr().Unmap().WithZone("")
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

type addressKey struct{}

// addressed notes the client's address, once, where a request comes in.
func (s *Server) addressed(r *http.Request) *http.Request {
	a := s.options.Proxies.client(r.RemoteAddr, r.Header)
	return r.WithContext(context.WithValue(r.Context(), addressKey{}, a))
}

// addressOf is the client's address as text, for rates and the audit log. Of IPv6
// it is the network: whoever has one address there has all of them.
func addressOf(ctx context.Context) string { return networkOf(ctx, 64) }

// siteOf is the client's address as text, for what is counted against guessing: of
// IPv6 it is the network of a site, since whoever asks for one is given it.
func siteOf(ctx context.Context) string { return networkOf(ctx, 48) }

func networkOf(ctx context.Context, bits int) string {
	a, _ := ctx.Value(addressKey{}).(netip.Addr)
	if a.Is6() {
		network, err := a.Prefix(bits)
		if err == nil {
			return network.String()
		}
	}
	return a.String()
}
