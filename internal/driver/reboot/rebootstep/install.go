package rebootstep

import (
	"context"
	"errors"
	"path"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/reboot"
)

// manager is one package manager: how it tells what somebody wants to stay as it is, what
// is installed, and how it installs one version of a package and removes none.
type manager struct {
	held      []string
	heldNames func(out string) []string
	// installed asks for one package and is the answer if it is there in that version.
	installed func(p hotstick.Package) (argv []string, is func(driver.Ran) bool)
	install   []string
	spec      func(p hotstick.Package) string
	// busy are words by which it says that another one is at work.
	busy []string
}

// managers are those that are known, by the program that [reboot.PackageManager] finds.
var managers = map[string]manager{
	"apt-get": {
		held: []string{"apt-mark", "showhold"}, heldNames: strings.Fields,
		installed: func(p hotstick.Package) ([]string, func(driver.Ran) bool) {
			return []string{"dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", p.Name},
				func(r driver.Ran) bool { return r.Code == 0 && strings.TrimSpace(r.Stdout) == "installed "+p.Version }
		},
		install: []string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q", "--no-remove", "-o", "DPkg::Lock::Timeout=60",
			"-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "install"},
		spec: hotstick.Package.String,
		busy: []string{"Could not get lock", "Unable to acquire the dpkg frontend lock", "is another process using it"},
	},
	"dnf": {
		held: []string{"dnf", "-q", "versionlock", "list"}, heldNames: lockedByDNF,
		installed: askRPM,
		// Whatever the limit, no kernel is removed for the new one.
		install: []string{"dnf", "-y", "--setopt=installonly_limit=0", "install"},
		spec:    func(p hotstick.Package) string { return p.Name + "-" + p.Version },
		busy:    []string{"Waiting for process", "Failed to obtain the transaction lock", "already running"},
	},
	"zypper": {
		held: []string{"zypper", "--non-interactive", "locks"}, heldNames: lockedByZypper,
		installed: askRPM,
		install:   []string{"zypper", "--non-interactive", "install"},
		spec:      hotstick.Package.String,
		busy:      []string{"System management is locked"},
	},
}

func askRPM(p hotstick.Package) ([]string, func(driver.Ran) bool) {
	return []string{"rpm", "-q", p.Name + "-" + p.Version}, func(r driver.Ran) bool { return r.Code == 0 }
}

// lockedByDNF reads lines such as kernel-core-0:5.14.0-427.el9.* into patterns; those with
// a ! exclude a package altogether.
func lockedByDNF(out string) []string {
	var names []string
	for line := range strings.Lines(out) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "!")
		for range 2 { // the release, then epoch and version
			if i := strings.LastIndex(line, "-"); i > 0 {
				line = line[:i]
			}
		}
		if line != "" && !strings.Contains(line, " ") {
			names = append(names, line)
		}
	}
	return names
}

// lockedByZypper reads a table whose second column are names or patterns.
func lockedByZypper(out string) []string {
	var names []string
	for line := range strings.Lines(out) {
		if f := strings.Split(line, "|"); len(f) >= 3 && strings.TrimSpace(f[1]) != "Name" {
			names = append(names, strings.TrimSpace(f[1]))
		}
	}
	return names
}

// install brings exactly the recipe's packages onto the host. The running kernel stays.
func (s *Step) install(ctx context.Context, recipe hotstick.Recipe) error {
	name := reboot.PackageManager(s.fsys)
	m, known := managers[name]
	if !known {
		return driver.Refuse(hotstick.ReasonUnsupported, "there is neither apt-get nor dnf nor zypper")
	}
	var missing []hotstick.Package
	for _, p := range recipe.Packages {
		argv, is := m.installed(p)
		ran, err := s.commands.Run(ctx, argv...)
		if err != nil {
			return ended(err)
		}
		if !is(ran) {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := s.heldBack(ctx, m, missing); err != nil {
		return err
	}
	argv := append([]string(nil), m.install...)
	for _, p := range missing {
		argv = append(argv, m.spec(p))
	}
	ran, err := s.commands.Run(ctx, argv...)
	if err != nil {
		return ended(err)
	}
	if ran.Code != 0 {
		for _, words := range m.busy {
			if strings.Contains(ran.Stderr+ran.Stdout, words) {
				return later(hotstick.ReasonToolFailed, "%s is at work already: %s", name, last(ran))
			}
		}
		return driver.Refuse(hotstick.ReasonToolFailed, "%s: %s", name, last(ran))
	}
	for _, p := range missing {
		argv, is := m.installed(p)
		if ran, err := s.commands.Run(ctx, argv...); err != nil || !is(ran) {
			return driver.Refuse(hotstick.ReasonToolFailed, "%s says that it is done, and %s is not installed", name, p)
		}
	}
	return nil
}

// heldBack refuses packages that somebody on the host wants to stay as they are.
func (s *Step) heldBack(ctx context.Context, m manager, packages []hotstick.Package) error {
	ran, err := s.commands.Run(ctx, m.held...)
	if errors.Is(err, driver.ErrNoProgram) || err == nil && ran.Code != 0 {
		return nil // dnf without its plugin holds nothing back
	}
	if err != nil {
		return ended(err)
	}
	for _, held := range m.heldNames(ran.Stdout) {
		for _, p := range packages {
			if match, err := path.Match(held, p.Name); held == p.Name || err == nil && match {
				return driver.Refuse(hotstick.ReasonInhibited, "%s is held back on the host (%s)", p.Name, strings.Join(m.held, " "))
			}
		}
	}
	return nil
}

// ended is the refusal of what could not be run to its end.
func ended(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
}
