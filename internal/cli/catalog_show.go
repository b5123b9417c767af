package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/cli/folder"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
)

// offlineCatalog is an exported catalog for programs.
type offlineCatalog struct {
	Anchor      hotstick.Digest      `json:"anchor"`
	Trust       hotstick.Trust       `json:"trust"`
	Roles       []offlineRole        `json:"roles"`
	Patches     []hotstick.Patch     `json:"patches"`
	Recalls     []hotstick.Recall    `json:"recalls"`
	Delegations []catalog.Delegation `json:"delegations"`
	Pending     []pendingRole        `json:"pending"`
	Warnings    []string             `json:"warnings"`
}

// offlineRole is one file that people sign.
type offlineRole struct {
	Role      string    `json:"role"`
	Version   int64     `json:"version"`
	Expires   time.Time `json:"expires"`
	Threshold int       `json:"threshold"`
	Keys      []string  `json:"keys"`
	SignedBy  []string  `json:"signed_by"`
	keys      []hotstick.TrustedKey
}

// pendingRole is metadata that waits for signatures or to be pushed.
type pendingRole struct {
	Role      string        `json:"role"`
	Version   int64         `json:"version"`
	Expires   time.Time     `json:"expires"`
	Complete  bool          `json:"complete"`
	Overtaken bool          `json:"overtaken,omitempty"`
	Changes   []string      `json:"changes"`
	Needs     []pendingNeed `json:"needs"`
	standing  folder.Standing
}

type pendingNeed struct {
	Who       string   `json:"who"`
	Threshold int      `json:"threshold"`
	SignedBy  []string `json:"signed_by"`
	Missing   int      `json:"missing"`
	Of        []string `json:"of"`
}

func ids(keys []hotstick.TrustedKey) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = statement.KeyID(k)
	}
	return out
}

func (a *app) catalogShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show DIR",
		Short: "Show an exported catalog: who signs what, what ends when, and what is pending",
		Args:  exactly("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := a.openFolder(args[0])
			if err != nil {
				return err
			}
			out, err := a.offlineCatalog(f, args[0])
			if err != nil {
				return err
			}
			return a.print(view{value: out, names: f.Roles(true), text: func(st show.Style) string { return offlineText(out, st) }})
		},
	}
}

func (a *app) offlineCatalog(f *folder.Folder, dir string) (offlineCatalog, error) {
	anchor, err := f.Anchor()
	if err != nil {
		return offlineCatalog{}, err
	}
	out := offlineCatalog{Anchor: hotstick.NewDigest(anchor), Trust: f.View.Trust, Patches: f.View.Patches, Recalls: f.View.Recalls,
		Delegations: f.View.Delegations, Warnings: []string{}}
	for _, role := range f.Roles(false) {
		p, _ := f.Current(role)
		r := offlineRole{Role: role, Version: p.Version, Expires: p.Expires}
		r.keys, r.Threshold = f.Signers(role)
		r.Keys, r.SignedBy = ids(r.keys), []string{}
		for _, k := range r.keys {
			if p.SignedBy(k) {
				r.SignedBy = append(r.SignedBy, statement.KeyID(k))
			}
		}
		out.Roles = append(out.Roles, r)
		if left := p.Expires.Sub(a.env.Now()); left <= catalog.ExpiryWarning {
			out.Warnings = append(out.Warnings, expiryWarning(dir, role, p.Expires, left))
		}
	}
	out.Pending, err = pendingRoles(f, f.Roles(true)...)
	return out, err
}

func expiryWarning(dir, role string, at time.Time, left time.Duration) string {
	when := "ends in " + show.Age(left)
	if left <= 0 {
		when = "has ended"
	}
	return fmt.Sprintf("%s %s, at %s: hotstick catalog renew %s %s --key FILE", role, when, at.UTC().Format(time.RFC3339), dir, role)
}

func pendingRoles(f *folder.Folder, roles ...string) ([]pendingRole, error) {
	list := []pendingRole{}
	for _, role := range roles {
		s, err := f.Standing(role)
		if err != nil {
			return nil, explainFolder(err)
		}
		p := pendingRole{Role: role, Version: s.Version, Expires: s.Says().Expires, Complete: s.Complete() && !s.Overtaken, Overtaken: s.Overtaken,
			Changes: append([]string{}, changes(f, s)...), standing: s}
		for _, n := range s.Needs {
			p.Needs = append(p.Needs, pendingNeed{Who: n.Who, Threshold: n.Threshold, SignedBy: ids(n.Signed), Missing: n.Missing(), Of: ids(n.Open())})
		}
		list = append(list, p)
	}
	return list, nil
}

// printPending shows what became of pending metadata, and what comes next.
func (a *app) printPending(f *folder.Folder, roles ...string) error {
	list, err := pendingRoles(f, roles...)
	if err != nil {
		return err
	}
	complete := true
	for _, p := range list {
		complete = complete && p.Complete
	}
	if complete {
		a.note("Hand it in: hotstick catalog push DIR")
	} else {
		a.note("The next signer: hotstick catalog sign DIR --key FILE")
	}
	return a.print(view{value: list, names: roles, text: func(show.Style) string {
		text := ""
		for _, p := range list {
			text += pendingText(p, f.View.Trust)
		}
		return text
	}})
}

func pendingText(p pendingRole, trust hotstick.Trust) string {
	text := fmt.Sprintf("%s %d\n", show.Clean(p.Role), p.Version)
	for _, line := range signaturesText(p.standing, trust) {
		text += "  " + line + "\n"
	}
	return text
}

func offlineText(c offlineCatalog, st show.Style) string {
	text := show.OfflineHead(c.Trust, c.Anchor, st)
	roles := show.Table{Header: []string{"ROLE", "VERSION", "ENDS", "SIGNS", "KEYS"}}
	for _, r := range c.Roles {
		roles.Rows = append(roles.Rows, []show.Cell{{Text: show.Clean(r.Role)}, {Text: fmt.Sprint(r.Version)}, {Text: r.Expires.UTC().Format(time.RFC3339)},
			{Text: fmt.Sprintf("%d of %d", r.Threshold, len(r.Keys))}, {Text: show.Keys(r.keys, c.Trust)}})
	}
	text += show.Section("Signed by people (the server renews snapshot and timestamp)", roles, st)
	text += show.Section("Patches", show.OfflinePatches(c.Patches, c.Recalls), st)
	text += show.Section("Recalls", show.Recalls(c.Recalls), st)
	text += show.Section("Delegations", show.Delegations(c.Delegations), st)
	text += "\n" + st.Bold("Pending") + "\n"
	if len(c.Pending) == 0 {
		text += "  nothing\n"
	}
	for _, p := range c.Pending {
		text += "  " + pendingText(p, c.Trust)
		for _, line := range p.Changes {
			text += "    " + line + "\n"
		}
	}
	for _, w := range c.Warnings {
		text += "warning: " + show.Escape(w) + "\n"
	}
	return text
}
