package csaf

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/integrate/advisories/kernels"
)

type productTree struct {
	Branches      []branch       `json:"branches"`
	FullNames     []fullName     `json:"full_product_names"`
	Groups        []group        `json:"product_groups"`
	Relationships []relationship `json:"relationships"`
}

type branch struct {
	Category string   `json:"category"`
	Name     string   `json:"name"`
	Product  *product `json:"product"`
	Branches []branch `json:"branches"`
}

// product is one of a branch, whose own name says more than the product's.
type product struct {
	ID     string `json:"product_id"`
	Helper helper `json:"product_identification_helper"`
}

type helper struct {
	CPE  string `json:"cpe"`
	PURL string `json:"purl"`
}

type fullName struct {
	Name   string `json:"name"`
	ID     string `json:"product_id"`
	Helper helper `json:"product_identification_helper"`
}

type group struct {
	ID       string   `json:"group_id"`
	Products []string `json:"product_ids"`
}

type relationship struct {
	Product struct {
		ID string `json:"product_id"`
	} `json:"full_product_name"`
	Part     string `json:"product_reference"`
	Platform string `json:"relates_to_product_reference"`
}

const (
	// maxProducts is three times what the longest real document defines.
	maxProducts = 300_000
	// maxChain is how many relationships one may stand on: a package on a module on a system.
	maxChain = 4
)

// node is what a product ID stands for. One that has neither a distribution nor a part is
// not about kernels.
type node struct {
	distribution string
	part         string // a package that is a kernel somewhere
	versions     versions
}

// versions are those that a product names: none, one, or a range.
type versions struct {
	one   string
	span  *hotstick.VersionRange
	wrong string // why they cannot be used
}

// products is the tree by product ID.
type products struct {
	nodes map[string]node
	tied  map[string]*relationship
	count int
}

func newProducts(t *productTree) (*products, error) {
	// Most products are a part on a platform, and the parts are about as many.
	ties := min(len(t.Relationships), maxProducts)
	p := &products{nodes: make(map[string]node, 2*ties), tied: make(map[string]*relationship, ties)}
	for i := range t.FullNames {
		f := &t.FullNames[i]
		n, done := helped(f.Helper)
		if !done && n.distribution == "" {
			n.distribution, _ = kernels.FromName(f.Name)
		}
		if err := p.define(f.ID, n); err != nil {
			return nil, err
		}
	}
	if err := p.branches(t.Branches, ""); err != nil {
		return nil, err
	}
	for i := range t.Relationships {
		r := &t.Relationships[i]
		if err := p.define(r.Product.ID, node{}); err != nil {
			return nil, err
		}
		if p.tied[r.Product.ID] != nil {
			return nil, fmt.Errorf("the product %.80q is defined twice", r.Product.ID)
		}
		p.tied[r.Product.ID] = r
	}
	for id := range p.tied {
		if _, err := p.resolve(id, 0); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// define remembers what an ID stands for. Some vendors define one product in several
// branches; that is harmless as long as it stays the same.
func (p *products) define(id string, n node) error {
	if id == "" {
		return errors.New("a product has no ID")
	}
	if p.count++; p.count > maxProducts {
		return fmt.Errorf("it defines more than %d products", maxProducts)
	}
	if old, twice := p.nodes[id]; twice && !old.same(n) {
		return fmt.Errorf("the product %.80q is defined twice", id)
	}
	p.nodes[id] = n
	return nil
}

func (n node) same(other node) bool {
	a, b := n.versions, other.versions
	return n.distribution == other.distribution && n.part == other.part && a.one == b.one && a.wrong == b.wrong &&
		(a.span == b.span || a.span != nil && b.span != nil && *a.span == *b.span)
}

// branches defines the products of branches; above is the distribution that the outermost
// branch over them names.
func (p *products) branches(list []branch, above string) error {
	for i := range list {
		b, under := &list[i], above
		if under == "" && b.Category == "product_name" {
			under, _ = kernels.FromName(b.Name)
		}
		if b.Product != nil {
			if err := p.define(b.Product.ID, nodeOf(b, under)); err != nil {
				return err
			}
		}
		if err := p.branches(b.Branches, under); err != nil {
			return err
		}
	}
	return nil
}

// helped says what a product is by its helpers, and whether that is all there is to know.
func helped(h helper) (n node, done bool) {
	if h.CPE != "" {
		n.distribution, _ = kernels.FromCPE(h.CPE)
	}
	if purl, is := kernels.ParsePURL(h.PURL); is && purl.Type == "rpm" {
		if kernels.AnyRPM(purl.Name) {
			n.part, n.versions = purl.Name, exactly(kernels.EVR(purl.Epoch, purl.Version))
		}
		return n, true
	}
	return n, false
}

// nodeOf says what the product of a branch is, from its helpers first and the names of the
// branches second.
func nodeOf(last *branch, above string) node {
	n, done := helped(last.Product.Helper)
	if done {
		return n
	}
	switch last.Category {
	case "product_version", "product_version_range":
		if strings.HasPrefix(above, "windows:") {
			n.distribution, n.part = above, kernels.Windows
			n.versions = versionsOf(last)
		} else if name, version := kernels.NEVRA(last.Name); kernels.AnyRPM(name) {
			n.part, n.versions = name, exactly(version)
		}
	case "product_name":
		if n.distribution == "" {
			n.distribution, _ = kernels.FromName(last.Name)
		}
		if strings.HasPrefix(n.distribution, "windows:") {
			n.part = kernels.Windows
		}
	}
	return n
}

func exactly(version string) versions {
	if version == "" {
		return versions{}
	}
	if err := kernels.CheckVersion(version); err != nil {
		return versions{wrong: err.Error()}
	}
	return versions{one: version}
}

func versionsOf(b *branch) versions {
	if b.Category == "product_version" {
		return exactly(b.Name)
	}
	span, err := spanOf(b.Name)
	if err != nil {
		return versions{wrong: err.Error()}
	}
	return versions{span: &span}
}

// spanOf reads a range as vendors write it, <10.0.26100.3775, or as a version range
// specifier of one interval, vers:rpm/>=5.14|<6.1.
func spanOf(text string) (hotstick.VersionRange, error) {
	var r hotstick.VersionRange
	wrong := fmt.Errorf("cannot use %.80q as a range of versions", text)
	if spec, is := strings.CutPrefix(text, "vers:"); is {
		if _, text, is = strings.Cut(spec, "/"); !is {
			return r, wrong
		}
	}
	if text == "*" {
		return r, nil
	}
	for _, bound := range strings.Split(text, "|") {
		bound = strings.TrimSpace(bound)
		var to *string
		switch {
		case strings.HasPrefix(bound, ">="):
			to, bound = &r.Introduced, bound[2:]
		case strings.HasPrefix(bound, "<="):
			to, bound = &r.LastAffected, bound[2:]
		case strings.HasPrefix(bound, "<"):
			to, bound = &r.Fixed, bound[1:]
		default:
			return r, wrong
		}
		if bound = strings.TrimSpace(bound); *to != "" || kernels.CheckVersion(bound) != nil {
			return r, wrong
		}
		*to = bound
	}
	if r.Fixed != "" && r.LastAffected != "" {
		return r, wrong
	}
	return r, nil
}

// resolve returns what an ID stands for: of a part on a platform, the part's package on the
// platform's distribution.
func (p *products) resolve(id string, depth int) (node, error) {
	r := p.tied[id]
	if r == nil {
		return p.nodes[id], nil
	}
	if depth == maxChain {
		return node{}, fmt.Errorf("the relationships of %.80q go round in a circle, or through more than %d products", id, maxChain)
	}
	part, err := p.resolve(r.Part, depth+1)
	if err != nil {
		return node{}, err
	}
	platform, err := p.resolve(r.Platform, depth+1)
	if err != nil {
		return node{}, err
	}
	part.distribution = cmp.Or(platform.distribution, part.distribution)
	return part, nil
}

// target is a kernel product with the versions that one product ID names.
type target struct {
	hotstick.KernelProduct
	versions
}

// kernel returns what an ID means here, and false where it is no kernel.
func (p *products) kernel(d *document.Document, cve, id string) (target, bool) {
	if _, defined := p.nodes[id]; !defined {
		d.LeaveOut(cve, id, "the product is not defined")
		return target{}, false
	}
	n, err := p.resolve(id, 0)
	if err != nil || n.distribution == "" || n.part == "" {
		return target{}, false
	}
	k, is := kernels.Product(n.distribution, n.part)
	return target{k, n.versions}, is
}
