// Package rpmrun runs dnf, yum, rpm and the kpatch tool, and says in reasons what they say
// in words. What is in effect, none of them is asked: that the kernel says.
package rpmrun

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// Manager is a host's package manager.
type Manager struct {
	Commands driver.Commands
	// Program is dnf or yum.
	Program string
}

// Run runs a program and explains it if it fails. What it says on success is returned.
func Run(ctx context.Context, commands driver.Commands, argv ...string) (driver.Ran, error) {
	if err := ctx.Err(); err != nil {
		return driver.Ran{}, err
	}
	ran, err := commands.Run(ctx, argv...)
	switch {
	case errors.Is(err, driver.ErrNoProgram):
		return ran, driver.Refuse(hotstick.ReasonUnsupported, "there is no %s on this host", argv[0])
	case err != nil:
		return ran, err
	case ran.Code != 0:
		return ran, Explain(argv[0], ran)
	}
	return ran, nil
}

// quiet makes dnf and yum say no when another process has their lock; else they wait for
// it without end.
const quiet = "--setopt=exit_on_lock=1"

// Install installs exactly these packages, for the architecture of a kernel build.
func (m Manager) Install(ctx context.Context, packages []hotstick.Package, arch string) (driver.Ran, error) {
	argv := []string{m.Program, "-y", quiet, "install"}
	for _, p := range packages {
		argv = append(argv, p.Name+"-"+p.Version+"."+arch)
	}
	return Run(ctx, m.Commands, argv...)
}

// Verb runs a command of a plugin.
func (m Manager) Verb(ctx context.Context, argv ...string) (driver.Ran, error) {
	return Run(ctx, m.Commands, append([]string{m.Program, "-y", quiet}, argv...)...)
}

// Announce runs a command of a plugin whose packages are not to be installed: the plugin
// keeps its setting before the question whether to install is asked, and the question is
// answered with no. So it fails, and what came of it must be read.
func (m Manager) Announce(ctx context.Context, argv ...string) error {
	ran, err := m.Commands.Run(ctx, append([]string{m.Program, "--assumeno", quiet}, argv...)...)
	switch {
	case errors.Is(err, driver.ErrNoProgram):
		return driver.Refuse(hotstick.ReasonUnsupported, "there is no %s on this host", m.Program)
	case err != nil:
		return err
	case ran.Code != 0 && !strings.Contains(ran.Stdout+ran.Stderr, "Operation aborted"):
		return Explain(m.Program, ran)
	}
	return nil
}

// Installed returns the version and release of an installed package; empty if it is not.
func (m Manager) Installed(ctx context.Context, name string) (string, error) {
	ran, err := m.Commands.Run(ctx, "rpm", "-q", "--qf", `%{VERSION}-%{RELEASE}\n`, name)
	switch {
	case errors.Is(err, driver.ErrNoProgram):
		return "", driver.Refuse(hotstick.ReasonUnsupported, "there is no rpm on this host")
	case err != nil:
		return "", err
	case ran.Code != 0 && strings.Contains(ran.Stdout+ran.Stderr, "is not installed"):
		return "", nil
	case ran.Code != 0:
		return "", Explain("rpm", ran)
	}
	return InstalledVersion(ran.Stdout)
}

// InstalledVersion reads what rpm says of one package.
func InstalledVersion(text string) (string, error) {
	lines := strings.Fields(text)
	if len(lines) == 0 {
		return "", driver.Refuse(hotstick.ReasonToolFailed, "rpm ended well and said nothing")
	}
	if v, r, ok := strings.Cut(lines[len(lines)-1], "-"); !ok || v == "" || r == "" || len(lines) > 16 {
		return "", driver.Refuse(hotstick.ReasonToolFailed, "rpm said %.200q, which is no version", text)
	}
	return lines[len(lines)-1], nil // of several the last is the newest
}

// words are what the programs say, in the order in which they are looked for and in small
// or capital letters, and what it means. Where each text is from, says testdata/README.md.
var words = []struct {
	text  string
	code  hotstick.ReasonCode
	retry bool
	means string
}{
	// the kernel, by insmod and the kpatch tool, also within a package's script
	{"transition stalled", hotstick.ReasonTransitionStalled, true, "the transition stalled, and the tool took the patch out again"},
	{"Stalled processes", hotstick.ReasonTransitionStalled, true, "the transition stalled, and the tool took the patch out again"},
	{"Key was rejected by service", hotstick.ReasonSignature, false, "the kernel does not trust the module's key"},
	{"Required key not available", hotstick.ReasonSignature, false, "the kernel does not trust the module's key"},
	{"Operation not permitted", hotstick.ReasonSignature, false, "the kernel is locked down, or loads no modules"},
	{"Device or resource busy", hotstick.ReasonTransitionBusy, true, "another transition runs, or something else has a patched function"},
	{"invalid module version", hotstick.ReasonWrongBuild, false, "the module is for another kernel"},
	{"invalid module format", hotstick.ReasonWrongBuild, false, "the module is for another kernel"},
	{"Exec format error", hotstick.ReasonWrongBuild, false, "the module is for another kernel"},
	{"File exists", hotstick.ReasonKernelRefused, false, "a module of that name is in memory already"},
	{"failed to load module", hotstick.ReasonKernelRefused, false, "the kernel refused the module"},
	{"failed to load patch", hotstick.ReasonKernelRefused, false, "the kernel refused the module"},
	// the package managers
	{"already locked by", hotstick.ReasonToolFailed, true, "another process has the package manager's lock"},
	{"Waiting for process with pid", hotstick.ReasonToolFailed, true, "another process has the package manager's lock"},
	{"another copy is running", hotstick.ReasonToolFailed, true, "another process has the package manager's lock"},
	{"holding the yum lock", hotstick.ReasonToolFailed, true, "another process has the package manager's lock"},
	{"Can't create transaction lock", hotstick.ReasonToolFailed, true, "another process has the lock of rpm"},
	{"GPG check FAILED", hotstick.ReasonSignature, false, "the package's signature is wrong, or its key is not known"},
	{"Public key for", hotstick.ReasonSignature, false, "the package's signature is wrong, or its key is not known"},
	{"is not signed", hotstick.ReasonSignature, false, "the package is not signed"},
	{"No space left on device", hotstick.ReasonToolFailed, false, "the disk is full"},
	{"more space needed on", hotstick.ReasonToolFailed, false, "the disk is full"},
	{"space on the", hotstick.ReasonToolFailed, false, "the disk is full"},
	{"system is not registered", hotstick.ReasonNotEntitled, false, "the host is not registered with its vendor"},
	{"Unable to read consumer identity", hotstick.ReasonNotEntitled, false, "the host is not registered with its vendor"},
	{"subscriptions have expired", hotstick.ReasonNotEntitled, false, "the host's subscription has ended"},
	{"Failed to download metadata", hotstick.ReasonToolFailed, true, "the package repository cannot be reached"},
	{"Cannot download repomd.xml", hotstick.ReasonToolFailed, true, "the package repository cannot be reached"},
	{"Cannot find a valid baseurl", hotstick.ReasonToolFailed, true, "the package repository cannot be reached"},
	{"Could not resolve host", hotstick.ReasonToolFailed, true, "the package repository cannot be reached"},
	{"Couldn't resolve host", hotstick.ReasonToolFailed, true, "the package repository cannot be reached"},
	{"All mirrors were tried", hotstick.ReasonToolFailed, true, "the package repository cannot be reached"},
	{"No more mirrors to try", hotstick.ReasonToolFailed, true, "the package repository cannot be reached"},
	{"Curl error", hotstick.ReasonToolFailed, true, "the package repository cannot be reached"},
	{NoPackage, hotstick.ReasonToolFailed, false, "no repository of the host has the package"},
	{"No match for argument", hotstick.ReasonToolFailed, false, "no repository of the host has the package"},
	{"Error: Nothing to do", hotstick.ReasonToolFailed, false, "no repository of the host has the package"},
}

// NoPackage is what dnf says where no repository has a package.
const NoPackage = "Unable to find a match"

// lockCode is the exit code of dnf and yum where another process has their lock.
const lockCode = 200

// Explain says what a program that failed has said.
func Explain(program string, ran driver.Ran) *driver.Refusal {
	if r := Known(program, ran); r != nil {
		return r
	}
	if ran.Code == lockCode && (program == "dnf" || program == "yum") {
		r := driver.Refuse(hotstick.ReasonToolFailed, "another process has the package manager's lock; %s said: %s", program, Last(ran))
		r.Retry = true
		return r
	}
	return driver.Refuse(hotstick.ReasonToolFailed, "%s ended with %d: %s", program, ran.Code, Last(ran))
}

// Known says what a program said if these are known words, whether it failed or not: a
// package whose script fails is installed, and the package manager is content.
func Known(program string, ran driver.Ran) *driver.Refusal {
	text := strings.ToLower(ran.Stderr + "\n" + ran.Stdout)
	for _, w := range words {
		if strings.Contains(text, strings.ToLower(w.text)) {
			r := driver.Refuse(w.code, "%s; %s said: %s", w.means, program, Last(ran))
			r.Retry = w.retry
			return r
		}
	}
	return nil
}

// Bounds of what is quoted of a program.
const (
	maxLines = 4
	maxQuote = 400
)

// Last returns the last lines that a program said, of its errors if it has any.
func Last(ran driver.Ran) string {
	text := ran.Stderr
	if strings.TrimSpace(text) == "" {
		text = ran.Stdout
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return "nothing"
	}
	quote := strings.ToValidUTF8(strings.Join(lines[max(0, len(lines)-maxLines):], " | "), "?")
	if len(quote) > maxQuote {
		quote = strings.ToValidUTF8(quote[len(quote)-maxQuote:], "")
	}
	return fmt.Sprintf("%q", quote)
}
