package rebootstep

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/reboot"
)

// manager is one package manager: how it tells what somebody wants to stay as it is, what
// is installed, and how it installs one version of a package and removes none.
type manager struct {
	held []string
	// holds says which line of what that prints keeps a package from being installed in
	// its version; empty if none does.
	holds func(out string, p hotstick.Package) string
	// unheld are words by which it says that it cannot hold anything back.
	unheld []string
	// installed asks for one package and is the answer if it is there in that version.
	installed func(p hotstick.Package) (argv []string, is func(driver.Ran) bool)
	install   []string
	spec      func(p hotstick.Package) string
	// done are exit codes other than 0 after which the packages may be there; whether they
	// are is asked in any case.
	done []int
	// busy are words by which it says that another one is at work, and forbids those by
	// which it says that somebody wants the packages to stay as they are.
	busy, forbids []string
}

// Exit codes of zypper that tell of a success: a reboot or a restart of itself is needed, or
// a repository was left out.
const (
	zypperReboot  = 102
	zypperRestart = 103
	zypperSkipped = 106
)

// managers are those that are known, by the program that [reboot.PackageManager] finds.
var managers = map[string]manager{
	"apt-get": {
		held: []string{"apt-mark", "showhold"}, holds: heldByAPT,
		installed: func(p hotstick.Package) ([]string, func(driver.Ran) bool) {
			return []string{"dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", p.Name},
				func(r driver.Ran) bool { return r.Code == 0 && strings.TrimSpace(r.Stdout) == "installed "+p.Version }
		},
		install: []string{"apt-get", "-y", "-q", "--no-remove", "-o", "DPkg::Lock::Timeout=60",
			"-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "install"},
		spec:    hotstick.Package.String,
		busy:    []string{"Could not get lock", "Unable to acquire the dpkg frontend lock", "is another process using it"},
		forbids: []string{"Held packages were changed"},
	},
	"dnf": {
		held: []string{"dnf", "-q", "versionlock", "list"}, holds: lockedByDNF,
		unheld:    []string{"No such command", "Unknown argument \"versionlock\""}, // dnf 4 and 5 without the plugin
		installed: askRPM,
		// Whatever the limit, no kernel is removed for the new one.
		install: []string{"dnf", "-y", "--setopt=installonly_limit=0", "install"},
		spec:    func(p hotstick.Package) string { return p.Name + "-" + p.Version },
		busy:    []string{"Waiting for process", "Failed to obtain the transaction lock", "already running"},
		forbids: []string{"filtered out by exclude filtering"},
	},
	"zypper": {
		held: []string{"zypper", "--non-interactive", "locks"}, holds: lockedByZypper,
		installed: askRPM,
		install:   []string{"zypper", "--non-interactive", "install"},
		spec:      hotstick.Package.String,
		done:      []int{zypperReboot, zypperRestart, zypperSkipped},
		busy:      []string{"System management is locked"},
		forbids:   []string{"is locked and cannot be installed"},
	},
}

func askRPM(p hotstick.Package) ([]string, func(driver.Ran) bool) {
	return []string{"rpm", "-q", p.Name + "-" + p.Version}, func(r driver.Ran) bool { return r.Code == 0 }
}

// heldByAPT reads one name a line. Whoever holds the package that stands for the newest
// kernel (linux-image-amd64) wants no newer one, whatever its package is called; whoever
// holds one kernel (linux-image-6.1.0-47-amd64) wants that to stay, beside others.
func heldByAPT(out string, p hotstick.Package) string {
	const images = "linux-image-"
	for _, held := range strings.Fields(out) {
		name, _, _ := strings.Cut(held, ":") // of another architecture
		rest, image := strings.CutPrefix(name, images)
		newest := image && rest != "" && (rest[0] < '0' || rest[0] > '9')
		if name == p.Name || newest && strings.HasPrefix(p.Name, images) {
			return held
		}
	}
	return ""
}

// lockedByDNF reads lines such as kernel-core-0:5.14.0-427.el9.*: of a package that is named
// so only these versions may be installed, and with a ! before it just not this one. dnf 5
// writes a paragraph for each, with what it asks of versions in lines of their own.
func lockedByDNF(out string, p hotstick.Package) string {
	locked := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if name, is := strings.CutPrefix(line, "Package name:"); is && matches(strings.TrimSpace(name), p.Name) {
			return line // which versions it lets in is not read, so none is
		}
		lock, excluded := strings.CutPrefix(line, "!")
		name, ok := lockedName(lock)
		if !ok || !matches(name, p.Name) {
			continue
		}
		switch this := matches(lock, nevra(p)); {
		case excluded && this:
			return line
		case !excluded && this:
			return ""
		case !excluded && locked == "":
			locked = line
		}
	}
	return locked
}

// lockedName is the name in NAME-EPOCH:VERSION-RELEASE.ARCH.
func lockedName(lock string) (string, bool) {
	for range 2 {
		i := strings.LastIndex(lock, "-")
		if i <= 0 {
			return "", false
		}
		lock = lock[:i]
	}
	return lock, !strings.ContainsAny(lock, " \t")
}

// nevra is a package as a lock names it.
func nevra(p hotstick.Package) string {
	version := p.Version
	if !strings.Contains(version, ":") {
		version = "0:" + version
	}
	return p.Name + "-" + version + ".any"
}

// lockedByZypper reads a table whose second column are names or patterns, and the third
// what they are of.
func lockedByZypper(out string, p hotstick.Package) string {
	for line := range strings.Lines(out) {
		f := strings.Split(line, "|")
		if len(f) < 3 {
			continue
		}
		name, kind := strings.TrimSpace(f[1]), strings.TrimSpace(f[2])
		if strings.Contains(kind, "package") && matches(strings.ToLower(name), strings.ToLower(p.Name)) {
			return name
		}
	}
	return ""
}

// matches reports whether a name, or a pattern, is that of a package.
func matches(pattern, name string) bool {
	match, err := path.Match(pattern, name)
	return pattern == name || err == nil && match
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
	if ran.Code != 0 && !slices.Contains(m.done, ran.Code) {
		return m.refused(name, ran)
	}
	for _, p := range missing {
		argv, is := m.installed(p)
		if ran, err := s.commands.Run(ctx, argv...); err != nil || !is(ran) {
			return driver.Refuse(hotstick.ReasonToolFailed, "%s says that it is done, and %s is not installed", name, p)
		}
	}
	return nil
}

// refused is what an installation that failed means.
func (m manager) refused(name string, ran driver.Ran) error {
	said := func(words []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(ran.Stderr+ran.Stdout, w) })
	}
	switch {
	case said(m.busy):
		return later(hotstick.ReasonToolFailed, "%s is at work already: %s", name, last(ran))
	case said(m.forbids):
		return driver.Refuse(hotstick.ReasonInhibited, "the packages are held back on the host: %s", last(ran))
	}
	return driver.Refuse(hotstick.ReasonToolFailed, "%s: %s", name, last(ran))
}

// heldBack refuses packages that somebody on the host wants to stay as they are. Where that
// cannot be told nothing is installed.
func (s *Step) heldBack(ctx context.Context, m manager, packages []hotstick.Package) error {
	ran, err := s.commands.Run(ctx, m.held...)
	if err != nil {
		return ended(err)
	}
	if ran.Code != 0 {
		if slices.ContainsFunc(m.unheld, func(w string) bool { return strings.Contains(ran.Stderr+ran.Stdout, w) }) {
			return nil
		}
		return driver.Refuse(hotstick.ReasonToolFailed, "%s: %s", strings.Join(m.held, " "), last(ran))
	}
	for _, p := range packages {
		if lock := m.holds(ran.Stdout, p); lock != "" {
			return driver.Refuse(hotstick.ReasonInhibited, "%s is held back on the host by %.120s (%s)", p.Name, lock, strings.Join(m.held, " "))
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
