package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Patches is the catalog.
func Patches(c api.Catalog, st Style) Table {
	t := Table{
		Header: []string{"PATCH", "STATE", "DRIVER", "BUILDS", "HOSTS", "CVES", "SUMMARY"},
		Empty:  "The catalog is empty: hotstick patch publish FOLDER --artifact FILE",
	}
	if st.Wide {
		t.Header = []string{"PATCH", "STATE", "DRIVER", "REVERSIBLE", "REPLACE", "BUILDS", "HOSTS", "CVES", "SIGNED BY", "SUMMARY"}
	}
	for _, p := range c.Patches {
		row := []Cell{text(p.Ref.String()), patchState(p), text(p.Driver)}
		if st.Wide {
			row = append(row, text(string(p.Reversibility)), Cell{Text: fmt.Sprint(p.Replace)})
		}
		hosts := fmt.Sprintf("%d of %d", p.InEffectHosts, p.FittingHosts)
		row = append(row, number(len(p.Artifacts)), Cell{Text: hosts}, text(strings.Join(p.CVEs, ",")))
		if st.Wide {
			row = append(row, text(strings.Join(p.SignedBy, ",")))
		}
		t.Rows = append(t.Rows, append(row, text(p.Summary)))
	}
	return t
}

func patchState(p api.Patch) Cell {
	switch {
	case p.Ban != nil:
		return Cell{Text: "banned", State: "banned"}
	case p.Recall != nil:
		return Cell{Text: "recalled", State: "banned"}
	}
	return Cell{Text: "allowed", State: "confirmed"}
}

// PatchNames are the arguments by which other commands find the patches again.
func PatchNames(patches []api.Patch) []string {
	var names []string
	for _, p := range patches {
		names = append(names, p.Ref.String())
	}
	return names
}

// Patch is one level of a patch, with its fit and its ban.
func Patch(d api.Patch, st Style) string {
	var p page
	p.line("%s", st.Bold(Clean(d.Ref.String())))
	p.field("Summary", "%s", Escape(d.Summary))
	p.field("State", "%s", patchState(d).shaped(st))
	if d.Ban != nil {
		p.field("Banned", "by %s at %s: %s", Clean(d.Ban.By), d.Ban.At.UTC().Format(time.RFC3339), Escape(banReason(*d.Ban)))
	}
	if d.Recall != nil {
		p.field("Recalled", "by its publishers at %s, %s: %s", d.Recall.Issued.UTC().Format(time.RFC3339), Clean(string(d.Recall.Action)), Escape(d.Recall.Reason))
	}
	p.field("CVEs", "%s", Escape(orNone(strings.Join(d.CVEs, ", "))))
	p.field("Driver", "%s, reversible %s, replaces older levels: %t", Clean(d.Driver), Clean(string(d.Reversibility)), d.Replace)
	p.field("Functions", "%s", Escape(orNone(strings.Join(d.Functions, ", "))))
	p.field("Hosts", "in effect on %d of %d whose kernel build fits", d.InEffectHosts, d.FittingHosts)
	p.field("Signed by", "%s", Escape(orNone(strings.Join(d.SignedBy, ", "))))
	t := Table{Header: []string{"KERNEL", "ARCH", "BUILD ID", "MODULE", "BYTES", "DIGEST"}}
	for _, a := range d.Artifacts {
		t.Rows = append(t.Rows, []Cell{text(a.Build.Release), text(a.Build.Arch), text(a.Build.BuildID),
			text(a.Module), {Text: fmt.Sprint(a.SizeBytes)}, text(string(a.Digest))})
	}
	p.table(st, "Artifacts", t)
	recipes(&p, st, d.Recipes)
	touches(&p, st, d.Patch)
	vendorSigned(&p, st, d.Patch)
	evidence(&p, st, d.Evidence)
	return p.String()
}

// recipes shows what a vendor's system is told to bring into effect, kernel build by build.
func recipes(p *page, st Style, list []hotstick.Recipe) {
	t := Table{Header: []string{"KERNEL", "LISTED AS", "BROUGHT BY"}}
	for _, r := range list {
		t.Rows = append(t.Rows, []Cell{text(r.Build.Release), text(r.Module), text(recipeText(r))})
	}
	if len(t.Rows) > 0 {
		p.table(st, "Recipes", t)
	}
}

// recipeText says what a recipe asks of a host, in one line.
func recipeText(r hotstick.Recipe) string {
	var parts []string
	say := func(what, value string) {
		if value != "" {
			parts = append(parts, what+" "+value)
		}
	}
	for _, pack := range r.Packages {
		say("package", pack.String())
	}
	say("file", string(r.File))
	say("version", r.Version)
	say("patch set", r.PatchSet)
	if !r.CutOff.IsZero() {
		say("nothing published after", r.CutOff.UTC().Format(time.RFC3339))
	}
	say("updates", strings.Join(r.Updates, ", "))
	if r.Target != (hotstick.KernelBuild{}) {
		say("then boots", r.Target.String())
	}
	return strings.Join(parts, "; ")
}

// evidence shows what laboratories and builders said.
func evidence(p *page, st Style, list []api.Evidence) {
	t := Table{Header: []string{"KERNEL", "KIND", "RESULT", "BY", "AT"}}
	for _, e := range list {
		result := "passed"
		if !e.Passed {
			result = "failed"
		}
		t.Rows = append(t.Rows, []Cell{text(e.Build.Release), text(e.Kind), text(result), text(strings.Join(e.By, ", ")), {Text: e.At.UTC().Format(time.RFC3339)}})
	}
	if len(t.Rows) > 0 {
		p.table(st, "Evidence", t)
	}
}

// vendorSigned shows what the vendor signed the artifacts with, beside our signatures.
func vendorSigned(p *page, st Style, d hotstick.Patch) {
	t := Table{Header: []string{"KERNEL", "SIGNED BY VENDOR", "KIND", "HASH", "DIGEST"}}
	for _, a := range d.Artifacts {
		if a.SignedBy != (hotstick.KernelKey{}) {
			t.Rows = append(t.Rows, []Cell{text(a.Build.Release), text(a.SignedBy.String()), text("in the module"), text(orNone(a.SignedHash)), text("")})
		}
		if s := a.VendorSignature; s != (hotstick.VendorSignature{}) {
			t.Rows = append(t.Rows, []Cell{text(a.Build.Release), text(orNone(s.Signer)), text(string(s.Kind)), text(""), text(string(s.Digest))})
		}
	}
	if len(t.Rows) == 0 {
		return
	}
	p.table(st, "The vendor's own signatures", t)
	p.line("They are kept to be checked with the vendor's tools. Hotstick's trust does not rest on them.")
}

// vendorSigners names those who signed a patch's artifacts for its vendor, each once.
func vendorSigners(p hotstick.Patch) string {
	var names []string
	for _, a := range p.Artifacts {
		for _, name := range []string{a.SignedBy.String(), a.VendorSignature.Signer} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return orNone(strings.Join(names, ", "))
}

// banReason is what the person wrote, who knows better than the code.
func banReason(b api.Ban) string {
	if b.Reason.Detail != "" && !strings.Contains(b.Reason.Text, b.Reason.Detail) {
		return reasonText(b.Reason) + " " + b.Reason.Detail
	}
	return reasonText(b.Reason)
}
