package agent

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/shape"
)

// File is the agent's configuration file, in YAML:
//
//	server: https://hotstick.example:7443
//	labels:
//	  rack: a3
//	  role: db
//	probes:
//	  - name: web
//	    http: {url: http://localhost/healthz, contains: ok}
//	  - name: database
//	    unit: postgresql.service
//	  - name: replica
//	    command: [/usr/local/bin/check-replica, --quick]
//	    timeout_seconds: 10
//	health:
//	  off: [pressure_cpu]
//	  limits: {fsync: 0.5}
//	facts:
//	  off: [services, sysctls]
//	mirrors:
//	  - url: https://mirror-a.example/hotstick
//	  - url: https://10.0.0.9/hotstick
//	    certificate: sha256:…
//
// Unknown keys are refused, with the line and a caret.
type File struct {
	// Server is the server's base address; the join line may give it too.
	Server string `yaml:"server"`
	// State is the agent's directory.
	State string `yaml:"state"`
	// Socket is the loader's.
	Socket string `yaml:"socket"`
	// Hostname replaces the kernel's in facts and enrolment.
	Hostname string `yaml:"hostname"`
	// Textfile is where metrics for node_exporter go; "off" for nowhere. It is
	// DefaultTextfile if that can be written.
	Textfile string `yaml:"textfile"`
	// Labels are reported with the facts; failure domains are read from them.
	Labels map[string]string `yaml:"labels"`
	Probes []ProbeFile       `yaml:"probes"`
	Health HealthFile        `yaml:"health"`
	Facts  FactsFile         `yaml:"facts"`
	// Mirrors are other places that have the catalog. Only who administers the host
	// can name them; the server cannot.
	Mirrors []MirrorFile `yaml:"mirrors"`
}

// MirrorFile names one mirror of the catalog.
type MirrorFile struct {
	// URL is the address of its directory, https://HOST/PATH.
	URL string `yaml:"url"`
	// Certificate is the digest of the mirror's own certificate, or of an authority's
	// that it shows with it. If it is empty, this host's usual authorities decide.
	Certificate hotstick.Digest `yaml:"certificate"`
}

// Limits of the configuration file.
const (
	MaxFile    = 1 << 20
	maxLabels  = 64
	maxProbes  = 32
	maxMirrors = 8
	maxTimeout = 60 // seconds
	maxEvery   = 3600
	maxLabel   = 128
)

var labelPattern = shape.Of("a-z", "a-z0-9_.-", 1, 63)

// ReadFile reads a configuration file strictly.
func ReadFile(data []byte) (file File, err error) {
	if len(data) > MaxFile {
		return File{}, fmt.Errorf("cannot read a configuration of more than %d bytes", MaxFile)
	}
	// The parser panics on some malformed tags; that is a malformed file like any
	// other.
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("cannot read a malformed YAML document")
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := dec.Decode(&file); errors.Is(err, io.EOF) {
		return File{}, nil // an empty file configures nothing
	} else if err != nil {
		return File{}, errors.New("cannot read the configuration: " + yaml.FormatError(err, false, true))
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return File{}, errors.New("cannot read a second YAML document in one file")
	}
	return file, file.Validate()
}

// Validate reports the first thing that is malformed.
func (f File) Validate() error {
	if len(f.Labels) > maxLabels {
		return fmt.Errorf("cannot use %d labels: the limit is %d", len(f.Labels), maxLabels)
	}
	for k, v := range f.Labels {
		if !labelPattern.MatchString(k) || v == "" || len(v) > maxLabel {
			return fmt.Errorf("cannot use the label %q with a value of %d bytes: want a lower-case name and 1 to %d bytes", k, len(v), maxLabel)
		}
	}
	if f.Textfile != "" && f.Textfile != TextfileOff && !filepath.IsAbs(f.Textfile) {
		return fmt.Errorf("cannot use the textfile %q: want an absolute path, or off", f.Textfile)
	}
	if err := validateProbes(f.Probes); err != nil {
		return err
	}
	if err := f.Health.validate(); err != nil {
		return err
	}
	if err := f.Facts.validate(); err != nil {
		return err
	}
	return validateMirrors(f.Mirrors)
}

func validateMirrors(list []MirrorFile) error {
	if len(list) > maxMirrors {
		return fmt.Errorf("cannot use %d mirrors: the limit is %d", len(list), maxMirrors)
	}
	seen := map[string]bool{}
	for _, m := range list {
		at := strings.TrimSuffix(m.URL, "/")
		if !strings.HasPrefix(at, "https://") {
			return fmt.Errorf("cannot use %.200q as a mirror: want https://HOST/PATH", m.URL)
		}
		if _, err := catalog.NewWeb(at, nil); err != nil {
			return fmt.Errorf("cannot use a mirror: %w", err)
		}
		if seen[at] {
			return fmt.Errorf("cannot use the mirror %s twice", at)
		}
		seen[at] = true
		if m.Certificate == "" {
			continue
		}
		if err := m.Certificate.Validate(); err != nil {
			return fmt.Errorf("cannot use the certificate of the mirror %s: %w", at, err)
		}
	}
	return nil
}

// Sources returns the configured mirrors.
func (f File) Sources() ([]catalog.Mirror, error) {
	var list []catalog.Mirror
	for _, m := range f.Mirrors {
		web, err := catalog.NewWeb(m.URL, m.transport())
		if err != nil {
			return nil, err
		}
		list = append(list, catalog.Mirror{Name: m.URL, Source: web})
	}
	return list, nil
}

// mirrorIdle is how long a connection to a mirror stays open when nothing is asked:
// long enough for the files of one look.
const mirrorIdle = 10 * time.Second

var errOther = errors.New("cannot trust the mirror: the certificate in the configuration is not among those that it shows")

func (m MirrorFile) transport() *http.Transport {
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
	if m.Certificate != "" {
		t = pinnedTransport(m.Certificate, errOther)
	}
	t.DisableKeepAlives, t.IdleConnTimeout, t.MaxIdleConnsPerHost = false, mirrorIdle, 1
	t.ReadBufferSize, t.WriteBufferSize, t.MaxResponseHeaderBytes, t.DisableCompression = 4<<10, 4<<10, 32<<10, true
	return t
}
