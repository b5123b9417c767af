package kernelpkg

import (
	"bufio"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// offer is one kernel build that the archive has an image and headers for.
type offer struct {
	Release string // as `uname -r` will print it
	Version string // Debian version, the same for image and headers
}

// listing is the output of `apt-cache madison`: the versions offered per package.
type listing map[string][]string

// parseMadison reads lines of the form "name | version | source". Lines of any
// other form are refused, because a silently dropped one would change which
// build is the oldest.
func parseMadison(out string) (listing, error) {
	l := listing{}
	sc := bufio.NewScanner(strings.NewReader(out))
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if line == "" {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 3 {
			return nil, fmt.Errorf("cannot read archive listing: unexpected line %q", line)
		}
		name, version := strings.TrimSpace(f[0]), strings.TrimSpace(f[1])
		if strings.HasSuffix(strings.TrimSpace(f[2]), " Sources") {
			continue
		}
		if !slices.Contains(l[name], version) {
			l[name] = append(l[name], version)
		}
	}
	return l, sc.Err()
}

// imageName matches the signed image packages of one line and flavour, and not
// their -dbg and -unsigned companions.
func imageName(line, flavour string) *regexp.Regexp {
	return regexp.MustCompile(`^linux-image-(` + regexp.QuoteMeta(line) + `\.[0-9][A-Za-z0-9.+~-]*-` + regexp.QuoteMeta(flavour) + `)$`)
}

// offers lists the builds of one line and flavour that have an image and headers
// of the same version, the oldest first.
func (l listing) offers(line, flavour string) []offer {
	var all []offer
	re := imageName(line, flavour)
	for name, versions := range l {
		m := re.FindStringSubmatch(name)
		// A flavour that is the end of another ("amd64" of "cloud-amd64") matches
		// the longer name too; the release must not carry a further word.
		if m == nil || hasOtherFlavour(m[1], flavour) {
			continue
		}
		for _, v := range versions {
			if slices.Contains(l["linux-headers-"+m[1]], v) {
				all = append(all, offer{Release: m[1], Version: v})
			}
		}
	}
	slices.SortFunc(all, func(a, b offer) int {
		if c := compareVersions(a.Version, b.Version); c != 0 {
			return c
		}
		return strings.Compare(a.Release, b.Release)
	})
	return all
}

func hasOtherFlavour(release, flavour string) bool {
	rest := strings.TrimSuffix(release, "-"+flavour)
	return strings.HasSuffix(rest, "-cloud") || strings.HasSuffix(rest, "-rt")
}

// dependency returns the first name in a Depends field that starts with prefix
// and ends with suffix, and the exact version it asks for ("" if it asks for none).
func dependency(depends, prefix, suffix string) (name, version string, ok bool) {
	for _, clause := range strings.Split(depends, ",") {
		first, _, _ := strings.Cut(clause, "|")
		first = strings.TrimSpace(first)
		name, constraint, _ := strings.Cut(first, " ")
		if !strings.HasPrefix(name, prefix) || !strings.HasSuffix(name, suffix) {
			continue
		}
		constraint = strings.Trim(constraint, "() ")
		if v, exact := strings.CutPrefix(constraint, "= "); exact {
			version = v
		}
		return name, version, true
	}
	return "", "", false
}

// field returns the value of a one-line field in the output of `apt-cache show`.
func field(control, name string) string {
	for line := range strings.Lines(control) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// lookUp asks apt's lists for the builds of a line. An empty answer is no error:
// the caller may bring the lists up to date and ask again.
func lookUp(ctx context.Context, run runner, line, flavour string) ([]offer, error) {
	var names []string
	for _, prefix := range []string{"linux-image-" + line + ".", "linux-headers-" + line + "."} {
		out, err := run(ctx, "", "apt-cache", "pkgnames", prefix)
		if err != nil {
			return nil, err
		}
		for _, n := range strings.Fields(out) {
			if strings.HasSuffix(n, "-"+flavour) {
				names = append(names, n)
			}
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	out, err := run(ctx, "", "apt-cache", append([]string{"madison"}, names...)...)
	if err != nil {
		return nil, err
	}
	l, err := parseMadison(out)
	if err != nil {
		return nil, err
	}
	return l.offers(line, flavour), nil
}

// packages names what has to be downloaded for an offer: image, headers, the
// headers common to all flavours, and the build tools the headers ask for.
func packages(ctx context.Context, run runner, o offer) ([]string, error) {
	headers := "linux-headers-" + o.Release + "=" + o.Version
	control, err := run(ctx, "", "apt-cache", "show", headers)
	if err != nil {
		return nil, err
	}
	depends := field(control, "Depends")
	common, version, ok := dependency(depends, "linux-headers-", "-common")
	if !ok {
		return nil, fmt.Errorf("cannot build for %s: its headers name no common headers (Depends: %s)", o.Release, depends)
	}
	if version != "" {
		common += "=" + version
	}
	kbuild, version, ok := dependency(depends, "linux-kbuild-", "")
	if !ok {
		return nil, fmt.Errorf("cannot build for %s: its headers name no linux-kbuild (Depends: %s)", o.Release, depends)
	}
	if version != "" {
		kbuild += "=" + version
	}
	return []string{"linux-image-" + o.Release + "=" + o.Version, headers, common, kbuild}, nil
}
