package exposure

import (
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/series"
)

// Kernel is a booted kernel as the sources of advisories speak of it. What the facts do not
// tell is empty.
type Kernel struct {
	Product hotstick.KernelProduct
	Version string
}

// Booted says which product a host's booted kernel is of, and in which version.
func Booted(f hotstick.Facts) Kernel {
	if f.Windows != nil {
		k := Kernel{Product: hotstick.KernelProduct{Package: windows, Scheme: hotstick.WindowsVersions}, Version: f.Windows.Booted}
		if f.Host.DistributionID == windows && f.Host.DistributionVersion != "" {
			k.Product.Distribution = windows + ":" + f.Host.DistributionVersion
		}
		return k
	}
	p := f.Kernel.Package
	k := Kernel{Product: hotstick.KernelProduct{Package: p.Source, Scheme: p.Scheme}, Version: p.Version}
	switch {
	case p.Scheme == hotstick.UpstreamVersions:
		k.Product.Distribution = upstream
	case f.Host.DistributionID != "":
		// The release is the kernel's own: the host's may be another since an upgrade.
		if release := series.Release(f.Host.DistributionID, f.Host.DistributionVersion, p); release != "" {
			k.Product.Distribution = f.Host.DistributionID + ":" + release
		}
	}
	return k
}

const (
	windows  = "windows"
	upstream = "upstream"
)

// known reports whether sources can be asked for the product at all.
func known(p hotstick.KernelProduct) bool {
	return p.Distribution != "" && p.Package != "" && p.Scheme != ""
}

// family tells two systems apart whose kernels have nothing in common.
type family uint8

const (
	linuxFamily family = 1 << iota
	windowsFamily
)

func familyOf(p hotstick.KernelProduct) family {
	if p.Scheme == hotstick.WindowsVersions {
		return windowsFamily
	}
	return linuxFamily
}

// spoken lists the products that sources may call this one, the closest first: Red Hat and
// those that rebuild it speak of 9.4 and of 9.
func spoken(p hotstick.KernelProduct) []hotstick.KernelProduct {
	products := []hotstick.KernelProduct{p}
	id, release, _ := strings.Cut(p.Distribution, ":")
	if major, _, minor := strings.Cut(release, "."); minor && p.Scheme == hotstick.RPMVersions && !series.IsSUSE(id) {
		p.Distribution = id + ":" + major
		products = append(products, p)
	}
	return products
}

// inMemory writes a version of a package as a kernel that was booted from it tells it.
// SUSE's leave out the last number of the release, which counts rebuilds: of
// 6.4.0-150600.23.7.3 they tell 6.4.0-150600.23.7. Comparing the whole would call every host
// with the fix exposed.
func inMemory(p hotstick.KernelProduct, version string) string {
	id, _, _ := strings.Cut(p.Distribution, ":")
	if p.Scheme != hotstick.RPMVersions || !series.IsSUSE(id) {
		return version
	}
	dash, dot := strings.LastIndexByte(version, '-'), strings.LastIndexByte(version, '.')
	if dash < 0 || dot < dash {
		return version
	}
	return version[:dot]
}
