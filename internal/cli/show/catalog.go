package show

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
)

// Key is the short form of a key's ID, with its person where it is somebody's.
func Key(key hotstick.TrustedKey, trust hotstick.Trust) string {
	id := statement.KeyID(key)[:12]
	if person, ok := statement.PersonOf(trust, key); ok {
		return id + " (" + Clean(string(person)) + ")"
	}
	return id
}

// Keys lists keys in their short form.
func Keys(keys []hotstick.TrustedKey, trust hotstick.Trust) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = Key(k, trust)
	}
	return orNone(strings.Join(names, ", "))
}

// RootDifference lists what a root says otherwise than the last one, one line each.
func RootDifference(last, next catalog.RootSpec) []string {
	var d difference
	d.keys("owner", last.RootKeys, next.RootKeys)
	d.change("owners who must sign", last.RootThreshold, next.RootThreshold)
	d.keys("publisher", last.PublisherKeys, next.PublisherKeys)
	d.change("publishers who must sign", last.PublisherThreshold, next.PublisherThreshold)
	d.keys("online key of the server", last.OnlineKeys, next.OnlineKeys)
	d.keys("statement key of the server", last.Trust.ServerKeys, next.Trust.ServerKeys)
	for _, p := range next.Trust.Persons {
		was, known := personOf(last.Trust, p.Person)
		if !known {
			d.add("person %s: new, key %s", Clean(string(p.Person)), keyIDs(p.Keys))
			continue
		}
		d.keys("key of "+Clean(string(p.Person)), was.Keys, p.Keys)
	}
	for _, p := range last.Trust.Persons {
		if _, stays := personOf(next.Trust, p.Person); !stays {
			d.add("person %s: removed, with key %s", Clean(string(p.Person)), keyIDs(p.Keys))
		}
	}
	d.evidence(last.Trust.EvidenceKeys, next.Trust.EvidenceKeys)
	d.change("approvals of a plan besides its author's", last.Trust.Approvals, next.Trust.Approvals)
	d.change("single control (the author may approve)", last.Trust.AuthorMayApprove, next.Trust.AuthorMayApprove)
	d.change("epoch", last.Trust.Epoch, next.Trust.Epoch)
	d.change("ends", day(last.Expires), day(next.Expires))
	return d.lines
}

// evidence compares who may sign evidence.
func (d *difference) evidence(last, next []hotstick.EvidenceSigner) {
	keysOf := func(list []hotstick.EvidenceSigner, name string) []hotstick.TrustedKey {
		for _, s := range list {
			if s.Name == name {
				return s.Keys
			}
		}
		return nil
	}
	for _, s := range next {
		d.keys("key for the evidence of "+Clean(s.Name), keysOf(last, s.Name), s.Keys)
	}
	for _, s := range last {
		if keysOf(next, s.Name) == nil {
			d.keys("key for the evidence of "+Clean(s.Name), s.Keys, nil)
		}
	}
}

// TargetsDifference lists what targets metadata says otherwise than the last, one
// line each. A zero last is none.
func TargetsDifference(last, next catalog.Paper) []string {
	var d difference
	for _, p := range next.Patches {
		was := slices.IndexFunc(last.Patches, func(old hotstick.Patch) bool { return old.Ref == p.Ref })
		if was < 0 {
			d.add("patch %s: new, driver %s; %s", Clean(p.Ref.String()), Clean(p.Driver), Escape(p.Summary))
			d.artifacts(hotstick.Patch{}, p)
			d.touches(p)
			continue
		}
		d.artifacts(last.Patches[was], p)
		if !reflect.DeepEqual(described(last.Patches[was]), described(p)) {
			d.add("patch %s: its description is another one; driver %s, functions %s; %s", Clean(p.Ref.String()), Clean(p.Driver),
				Escape(strings.Join(p.Functions, ", ")), Escape(p.Summary))
			d.touches(p)
		}
	}
	for _, p := range last.Patches {
		if !slices.ContainsFunc(next.Patches, func(new hotstick.Patch) bool { return new.Ref == p.Ref }) {
			d.add("patch %s: removed", Clean(p.Ref.String()))
		}
	}
	for _, r := range next.Recalls {
		if !slices.Contains(last.Recalls, r) {
			d.add("recall of %s on every kernel build: %s; %s", Clean(r.Patch.String()), RecallAction(r.Action), Escape(r.Reason))
		}
	}
	for _, r := range last.Recalls {
		if !slices.Contains(next.Recalls, r) {
			d.add("recall of %s: taken out", Clean(r.Patch.String()))
		}
	}
	d.delegations(last.Delegations, next.Delegations)
	d.change("ends", day(last.Expires), day(next.Expires))
	return d.lines
}

// described is a patch without its artifacts.
func described(p hotstick.Patch) hotstick.Patch {
	p.Artifacts = nil
	return p
}

// artifacts tells of every file that a level gains, loses or has otherwise.
func (d *difference) artifacts(last, next hotstick.Patch) {
	for _, a := range next.Artifacts {
		was := "none"
		if old, had := last.Artifact(a.Build); had {
			was = artifact(old)
		}
		d.change(Clean(next.Ref.String())+" on "+Clean(a.Build.String()), was, artifact(a))
	}
	for _, a := range last.Artifacts {
		if _, stays := next.Artifact(a.Build); !stays {
			d.add("%s on %s: %s → none", Clean(next.Ref.String()), Clean(a.Build.String()), artifact(a))
		}
	}
}

func artifact(a hotstick.Artifact) string {
	text := fmt.Sprintf("%s %s", Clean(a.Module), a.Digest)
	if signer := a.SignedBy.String(); signer != "" {
		text += ", signed by " + Clean(signer)
	}
	if s := a.VendorSignature; s.Digest != "" {
		text += fmt.Sprintf(", with a vendor's %s signature %s", Clean(string(s.Kind)), s.Digest)
	}
	return text
}

// RecallAction says what a recall asks of the hosts.
func RecallAction(action hotstick.RecallAction) string {
	if action == hotstick.RecallRevert {
		return "nobody arms it, and hosts that have it go back to the level before"
	}
	return "nobody arms it any more; where it is in effect it stays"
}

// Delegation says what a delegate may publish, and with which keys.
func Delegation(d catalog.Delegation) string {
	builds := make([]string, len(d.Scope.Builds))
	for i, b := range d.Scope.Builds {
		builds[i] = strings.TrimSpace(b.Release + " " + b.Arch + " " + b.BuildID)
	}
	return Escape(fmt.Sprintf("patches %s of vendor %s for driver %s on %s; %d of keys %s", strings.Join(d.Scope.Patches, ", "),
		strings.Join(d.Scope.Vendors, ", "), strings.Join(d.Scope.Drivers, ", "), strings.Join(builds, ", "), d.Threshold, Keys(d.Keys, hotstick.Trust{})))
}

func (d *difference) delegations(last, next []catalog.Delegation) {
	before := map[string]string{}
	for _, old := range last {
		before[old.Name] = Delegation(old)
	}
	for _, n := range next {
		was, known := before[n.Name]
		if !known {
			was = "none"
		}
		d.change("delegation to "+Clean(n.Name), was, Delegation(n))
		delete(before, n.Name)
	}
	for _, old := range last {
		if _, gone := before[old.Name]; gone {
			d.add("delegation to %s: ended for good", Clean(old.Name))
		}
	}
}

// keys tells of keys that come and go.
func (d *difference) keys(what string, last, next []hotstick.TrustedKey) {
	has := func(keys []hotstick.TrustedKey, key hotstick.TrustedKey) bool {
		return slices.ContainsFunc(keys, key.Equal)
	}
	for _, k := range next {
		if !has(last, k) {
			d.add("%s: new, %s", what, Key(k, hotstick.Trust{}))
		}
	}
	for _, k := range last {
		if !has(next, k) {
			d.add("%s: removed, %s", what, Key(k, hotstick.Trust{}))
		}
	}
}

func keyIDs(keys []hotstick.TrustedKey) string { return Keys(keys, hotstick.Trust{}) }

func personOf(trust hotstick.Trust, person hotstick.Person) (hotstick.TrustedPerson, bool) {
	at := slices.IndexFunc(trust.Persons, func(p hotstick.TrustedPerson) bool { return p.Person == person })
	if at < 0 {
		return hotstick.TrustedPerson{}, false
	}
	return trust.Persons[at], true
}

// day writes a time; the zero time is none.
func day(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339)
}

// OfflineHead says whom an exported catalog trusts to sign plans.
func OfflineHead(trust hotstick.Trust, anchor hotstick.Digest, st Style) string {
	var p page
	p.line("%s", st.Bold("Catalog"))
	p.field("Root", "first %s, epoch %d", anchor, trust.Epoch)
	approvals := fmt.Sprintf("%d besides the author's", trust.Approvals)
	if trust.AuthorMayApprove {
		approvals = "single control: one person alone may author and approve"
	}
	p.field("Approvals", "%s", approvals)
	for _, person := range trust.Persons {
		p.field("Person", "%s, key %s", Clean(string(person.Person)), keyIDs(person.Keys))
	}
	for _, signer := range trust.EvidenceKeys {
		p.field("Evidence", "%s, key %s", Clean(signer.Name), keyIDs(signer.Keys))
	}
	p.field("Server", "key %s", keyIDs(trust.ServerKeys))
	return p.String()
}

// Section is a table under a title.
func Section(title string, t Table, st Style) string {
	var p page
	p.table(st, title, t)
	return p.String()
}

// OfflinePatches lists the patches of an exported catalog.
func OfflinePatches(patches []hotstick.Patch, recalls []hotstick.Recall) Table {
	t := Table{Header: []string{"PATCH", "STATE", "DRIVER", "BUILDS", "CVES", "SIGNED BY VENDOR", "SUMMARY"}, Empty: "  none"}
	for _, p := range patches {
		state := Cell{Text: "-"}
		if slices.ContainsFunc(recalls, func(r hotstick.Recall) bool { return r.Patch == p.Ref }) {
			state = Cell{Text: "recalled", State: "banned"}
		}
		t.Rows = append(t.Rows, []Cell{text(p.Ref.String()), state, text(p.Driver), number(len(p.Artifacts)), text(strings.Join(p.CVEs, ",")), text(vendorSigners(p)), text(p.Summary)})
	}
	return t
}

// Recalls lists recalls.
func Recalls(recalls []hotstick.Recall) Table {
	t := Table{Header: []string{"PATCH", "ACTION", "ISSUED", "REASON"}, Empty: "  none"}
	for _, r := range recalls {
		t.Rows = append(t.Rows, []Cell{text(r.Patch.String()), text(string(r.Action)), {Text: day(r.Issued)}, text(r.Reason)})
	}
	return t
}

// Delegations lists who else may publish what.
func Delegations(list []catalog.Delegation) Table {
	t := Table{Header: []string{"NAME", "MAY PUBLISH"}, Empty: "  none"}
	for _, d := range list {
		t.Rows = append(t.Rows, []Cell{text(d.Name), {Text: Delegation(d)}})
	}
	return t
}
