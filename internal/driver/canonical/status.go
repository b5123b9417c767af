package canonical

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// Status is what the client says of itself, as far as it is used here. Each field may be
// missing: clients differ, and what is new to us is left alone.
type Status struct {
	Client    string   `json:"Client-Version"`
	LastCheck string   `json:"Last-Check"`
	Tier      string   `json:"tier"`
	Kernels   []Kernel `json:"Status"`
}

// Kernel is what the client says of one kernel of the host.
type Kernel struct {
	Kernel    string `json:"Kernel"`
	Running   bool   `json:"Running"`
	Supported string `json:"Supported"`
	// Upgrade is the day until which Canonical makes patches for the kernel.
	Upgrade   string    `json:"UpgradeRequiredDate"`
	Livepatch Livepatch `json:"Livepatch"`
}

// Livepatch is the state of a kernel's patch.
type Livepatch struct {
	CheckState string `json:"CheckState"`
	State      string `json:"State"`
	Version    string `json:"Version"`
}

// States of a patch, as clients write them.
const (
	StateUnapplied     = "unapplied"
	StateApplying      = "applying"
	StateApplied       = "applied"
	StateNothing       = "nothing-to-apply"
	StateWithBug       = "applied-with-bug"
	StateFailed        = "apply-failed"
	StateUpgrade       = "kernel-upgrade-required"
	checkFailed        = "check-failed"
	supportUpgrade     = "kernel-upgrade-required"
	supportEnded       = "kernel-end-of-life"
	supportUnsupported = "unsupported"
)

// maxStatus bounds what the client may say, in bytes.
const maxStatus = 256 << 10

// ParseStatus reads the JSON of `status --format json`.
func ParseStatus(data []byte) (Status, error) {
	var s Status
	if len(data) > maxStatus {
		return s, fmt.Errorf("cannot read a status of %d bytes", len(data))
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return Status{}, fmt.Errorf("cannot read the status of canonical-livepatch: %w", err)
	}
	return s, nil
}

// Running is what the client says of the running kernel: the entry that says so, or the
// only one of a client that does not. Empty if it says nothing.
func (s Status) Running() Kernel {
	if i := slices.IndexFunc(s.Kernels, func(k Kernel) bool { return k.Running }); i >= 0 {
		return s.Kernels[i]
	}
	if len(s.Kernels) == 1 {
		return s.Kernels[0]
	}
	return Kernel{}
}

// maxWord bounds a version and a tier, in bytes.
const maxWord = 64

// Tool names the client with its version and tier.
func (s Status) Tool() string {
	name := strings.TrimSpace("canonical-livepatch " + s.Client[:min(len(s.Client), maxWord)])
	if s.Tier != "" {
		name += ", tier " + s.Tier[:min(len(s.Tier), maxWord)]
	}
	return name
}

// CoverUntil is the day until which there are patches for the running kernel; zero if the
// client does not say it as a day.
func (s Status) CoverUntil() time.Time {
	day, err := time.Parse(time.DateOnly, s.Running().Upgrade)
	if err != nil {
		return time.Time{}
	}
	return day
}

// Usable returns why the client takes no patches for the running kernel; nil if it does.
func (s Status) Usable() error {
	k := s.Running()
	switch {
	case k.Supported == supportEnded:
		return driver.Refuse(hotstick.ReasonCoverEnded, "the client says that the kernel %s has reached the end of its life", k.Kernel)
	case k.Supported == supportUpgrade || k.Livepatch.State == StateUpgrade:
		return driver.Refuse(hotstick.ReasonCoverEnded, "the client says that the kernel %s has to be upgraded", k.Kernel)
	case k.Supported == supportUnsupported:
		return driver.Refuse(hotstick.ReasonUnsupported, "the client says that the kernel %s is not supported", k.Kernel)
	}
	return nil
}

// Failed returns what went wrong with the running kernel's patch; nil if nothing is said.
func (s Status) Failed() error {
	k := s.Running()
	switch {
	case k.Livepatch.State == StateFailed:
		return driver.Refuse(hotstick.ReasonKernelRefused, "the client says that the patch %s could not be applied", k.Livepatch.Version)
	case k.Livepatch.State == StateWithBug:
		return driver.Refuse(hotstick.ReasonKernelLog, "the client says that the patch %s is applied and that the kernel logged a bug", k.Livepatch.Version)
	case k.Livepatch.CheckState == checkFailed:
		return retry(driver.Refuse(hotstick.ReasonToolFailed, "the client could not ask its server for patches"))
	}
	return s.Usable()
}

func retry(r *driver.Refusal) *driver.Refusal {
	r.Retry = true
	return r
}

// Keys of the configuration.
const (
	CheckInterval = "check-interval"
	CutOffDate    = "cutoff-date"
	remoteServer  = "remote-server"
)

// Config is the client's configuration as it prints it.
type Config map[string]string

// ParseConfig reads what `config` prints: a line "key: value" each, where the value may
// have quotes. A value of several lines, such as ca-certs, is left out but for its first.
func ParseConfig(text string) Config {
	c := Config{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok || key == "" || strings.TrimLeft(key, "abcdefghijklmnopqrstuvwxyz-") != "" {
			continue
		}
		value = strings.TrimSpace(value)
		if len(value) >= 2 && value[0] == value[len(value)-1] && strings.ContainsAny(value[:1], `"'`) {
			value = value[1 : len(value)-1]
		}
		if _, twice := c[key]; !twice {
			c[key] = value
		}
	}
	return c
}

// Pinnable reports whether the client takes a cut-off date: Canonical's own server does,
// for subscribers who pay; one of the organisation's own does not.
func (c Config) Pinnable() bool {
	server := strings.TrimSuffix(c[remoteServer], "/")
	return server == "" || server == HostedServer
}

// Held reports whether the daemon starts nothing by itself, neither now nor from its next
// start on, and says what it would do if it is not.
func Held(c Config, m Mode) (held bool, detail string) {
	var not []string
	if interval := c[CheckInterval]; interval != "0" {
		not = append(not, fmt.Sprintf("it asks for patches every %s minutes", interval))
	}
	if m.Starts() {
		not = append(not, fmt.Sprintf("/%s does not say no-apply, so a daemon that starts loads what it has", ModeFile))
	}
	return len(not) == 0, strings.Join(not, "; ")
}
