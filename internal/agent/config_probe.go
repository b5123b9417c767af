package agent

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/shape"
)

// ProbeFile configures one probe: a name and one of Command, HTTP, TCP and Unit.
type ProbeFile struct {
	Name string `yaml:"name"`
	// Command is a program, by its absolute path, and its arguments.
	Command []string  `yaml:"command,omitempty"`
	HTTP    *HTTPFile `yaml:"http,omitempty"`
	// TCP is an address, HOST:PORT.
	TCP string `yaml:"tcp,omitempty"`
	// Unit is a systemd unit, such as nginx.service.
	Unit string `yaml:"unit,omitempty"`
	// TimeoutSeconds is 5 if it is not given.
	TimeoutSeconds int `yaml:"timeout_seconds,omitempty"`
	// EverySeconds is how often the probe is asked, at rest and in an attempt. If it is not
	// given that is once a minute at rest and once a second in an attempt.
	EverySeconds int `yaml:"every_seconds,omitempty"`
}

// HTTPFile configures a probe of a page.
type HTTPFile struct {
	URL string `yaml:"url"`
	// Status is the one that is healthy; 0 takes 200 to 299.
	Status int `yaml:"status,omitempty"`
	// Contains is what the page must contain.
	Contains string `yaml:"contains,omitempty"`
	// Certificate is the digest of the page's own certificate, or of an authority's that
	// it shows with it. If it is empty, this host's usual authorities decide.
	Certificate hotstick.Digest `yaml:"certificate,omitempty"`
}

// HealthFile configures the built-in probes.
type HealthFile struct {
	// EverySeconds is how often they are asked at rest; 60 if it is not given. What is
	// usual is learnt from the last 30 of these.
	EverySeconds int `yaml:"every_seconds,omitempty"`
	// Off are the names of those that are not asked.
	Off []string `yaml:"off,omitempty"`
	// Limits replace what a probe takes for healthy: seconds, a ratio from 0 to 1, or bytes
	// per second, as the probe measures.
	Limits map[string]float64 `yaml:"limits,omitempty"`
}

const (
	maxContains = 1 << 10
	maxURL      = 2 << 10
)

// unitName is the name of a unit without its kind.
var unitName = shape.Of("A-Za-z0-9", `A-Za-z0-9:_.@\-`, 1, 200)

// isUnit reports whether a name is that of a unit that can be active.
func isUnit(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || !unitName.MatchString(name[:dot]) {
		return false
	}
	switch name[dot+1:] {
	case "service", "socket", "mount", "automount", "timer", "path", "target", "swap", "slice", "scope", "device":
		return true
	}
	return false
}

func validateProbes(list []ProbeFile) error {
	if len(list) > maxProbes {
		return fmt.Errorf("cannot use %d probes: the limit is %d", len(list), maxProbes)
	}
	_, builtin := probe.Names()
	seen := map[string]bool{}
	for _, p := range list {
		switch {
		case !labelPattern.MatchString(p.Name):
			return fmt.Errorf("cannot use %q as a probe's name: want lower-case letters, digits, dots and dashes", p.Name)
		case slices.Contains(builtin, p.Name):
			return fmt.Errorf("cannot use %q as a probe's name: it is that of a built-in one", p.Name)
		case seen[p.Name]:
			return fmt.Errorf("cannot use two probes named %q", p.Name)
		}
		if err := p.validate(); err != nil {
			return fmt.Errorf("cannot use probe %q: %w", p.Name, err)
		}
		seen[p.Name] = true
	}
	return nil
}

func (p ProbeFile) validate() error {
	kinds := 0
	for _, given := range []bool{len(p.Command) > 0, p.HTTP != nil, p.TCP != "", p.Unit != ""} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("want one of command, http, tcp and unit")
	case len(p.Command) > 0 && !filepath.IsAbs(p.Command[0]):
		return errors.New("its command must begin with an absolute path")
	case p.TimeoutSeconds < 0 || p.TimeoutSeconds > maxTimeout:
		return fmt.Errorf("its timeout is 1 to %d seconds", maxTimeout)
	case p.EverySeconds < 0 || p.EverySeconds > maxEvery:
		return fmt.Errorf("it is asked every 1 to %d seconds", maxEvery)
	case p.Unit != "" && !isUnit(p.Unit):
		return errors.New("its unit must be a full name, such as nginx.service")
	case p.TCP != "":
		return validateAddress(p.TCP)
	case p.HTTP != nil:
		return p.HTTP.validate()
	}
	return nil
}

func validateAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || host == "" || n < 1 || n > 65535 {
		return errors.New("its address must be HOST:PORT")
	}
	return nil
}

func (h HTTPFile) validate() error {
	u, err := url.Parse(h.URL)
	switch {
	case len(h.URL) > maxURL || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("its url must be http://HOST/PATH or https://HOST/PATH")
	case u.User != nil:
		return errors.New("its url must not hold a password: it is shown")
	case h.Status != 0 && (h.Status < 100 || h.Status > 599):
		return errors.New("its status is 100 to 599")
	case len(h.Contains) > maxContains:
		return fmt.Errorf("what it contains is at most %d bytes long", maxContains)
	case h.Certificate != "" && u.Scheme != "https":
		return errors.New("a certificate needs an https url")
	case h.Certificate != "" && h.Certificate.Validate() != nil:
		return errors.New("its certificate must be a digest, sha256:…")
	}
	return nil
}

func (h HealthFile) validate() error {
	measuring, all := probe.Names()
	if h.EverySeconds < 0 || h.EverySeconds > maxEvery {
		return fmt.Errorf("cannot ask the built-in probes so seldom: want every 1 to %d seconds", maxEvery)
	}
	for _, name := range h.Off {
		if !slices.Contains(all, name) {
			return fmt.Errorf("cannot switch off %q: the built-in probes are %s", name, strings.Join(all, ", "))
		}
	}
	names := make([]string, 0, len(h.Limits))
	for name := range h.Limits {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(measuring, name) {
			return fmt.Errorf("cannot limit %q: the built-in probes that measure are %s", name, strings.Join(measuring, ", "))
		}
		if limit := h.Limits[name]; !(limit > 0 && limit < 1e15) {
			return fmt.Errorf("cannot limit %q to %g: want a number above 0", name, limit)
		}
	}
	return nil
}

// Asked returns the configured probes, and the built-in ones that this machine can
// answer; lacking are the names of those that it cannot.
func (f File) Asked(m probe.Machine) (probes []probe.Probe, lacking []string) {
	for _, p := range f.Probes {
		every := time.Duration(p.EverySeconds) * time.Second
		probes = append(probes, probe.Probe{Name: p.Name, Asker: p.asker(m), Rest: every, Watch: every,
			Timeout: time.Duration(p.TimeoutSeconds) * time.Second})
	}
	builtin, lacking := probe.Health(m, probe.Settings{Rest: time.Duration(f.Health.EverySeconds) * time.Second,
		Off: f.Health.Off, Limits: f.Health.Limits})
	return append(probes, builtin...), lacking
}

func (p ProbeFile) asker(m probe.Machine) probe.Asker {
	switch {
	case p.HTTP != nil:
		return probe.HTTP{URL: p.HTTP.URL, Status: p.HTTP.Status, Contains: p.HTTP.Contains, Transport: p.HTTP.transport()}
	case p.TCP != "":
		return probe.TCP{Address: p.TCP}
	case p.Unit != "":
		return probe.Unit{Systemctl: probe.Systemctl, Root: m.Root, Unit: p.Unit}
	}
	return probe.Command{Argv: p.Command}
}

var errOtherPage = errors.New("cannot trust the page: the certificate in the configuration is not among those that it shows")

// transport opens a connection for each asking: that it can be opened is part of health.
// It takes no proxy from the environment.
func (h HTTPFile) transport() *http.Transport {
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
	if h.Certificate != "" {
		t = pinnedTransport(h.Certificate, errOtherPage)
		t.TLSClientConfig.MinVersion = tls.VersionTLS12
	}
	t.DisableKeepAlives, t.ReadBufferSize, t.WriteBufferSize, t.MaxResponseHeaderBytes, t.DisableCompression = true, 4<<10, 4<<10, 32<<10, true
	return t
}
