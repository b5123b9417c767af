package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/goccy/go-yaml"
)

// File is the agent's configuration file, in YAML:
//
//	server: https://hotstick.example:7443
//	labels:
//	  rack: a3
//	  role: db
//	probes:
//	  - name: web
//	    command: [/usr/bin/curl, -fsS, http://localhost/healthz]
//	    timeout_seconds: 5
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
	// Labels are reported with the facts; failure domains are read from them.
	Labels map[string]string `yaml:"labels"`
	Probes []ProbeFile       `yaml:"probes"`
}

// ProbeFile configures one command probe.
type ProbeFile struct {
	Name    string   `yaml:"name"`
	Command []string `yaml:"command"`
	// TimeoutSeconds is 5 if it is not given.
	TimeoutSeconds int `yaml:"timeout_seconds"`
}

// Limits of the configuration file.
const (
	MaxFile    = 1 << 20
	maxLabels  = 64
	maxProbes  = 16
	maxTimeout = 60
	maxLabel   = 128
)

var labelPattern = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,62}$`)

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
	if len(f.Probes) > maxProbes {
		return fmt.Errorf("cannot use %d probes: the limit is %d", len(f.Probes), maxProbes)
	}
	seen := map[string]bool{}
	for _, p := range f.Probes {
		switch {
		case !labelPattern.MatchString(p.Name):
			return fmt.Errorf("cannot use %q as a probe's name: want lower-case letters, digits, dots and dashes", p.Name)
		case seen[p.Name]:
			return fmt.Errorf("cannot use two probes named %q", p.Name)
		case len(p.Command) == 0 || p.Command[0] == "" || p.Command[0][0] != '/':
			return fmt.Errorf("cannot use probe %q: its command must begin with an absolute path", p.Name)
		case p.TimeoutSeconds < 0 || p.TimeoutSeconds > maxTimeout:
			return fmt.Errorf("cannot use probe %q: its timeout is 1 to %d seconds", p.Name, maxTimeout)
		}
		seen[p.Name] = true
	}
	return nil
}

// defaultTimeout is a command probe's if none is configured.
const defaultTimeout = 5 * time.Second

// Commands returns the configured probes.
func (f File) Commands() []Probe {
	var probes []Probe
	for _, p := range f.Probes {
		timeout := time.Duration(p.TimeoutSeconds) * time.Second
		if timeout == 0 {
			timeout = defaultTimeout
		}
		probes = append(probes, Command{Label: p.Name, Argv: p.Command, Timeout: timeout})
	}
	return probes
}
