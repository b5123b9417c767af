package wine

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed shim/wua.c
var updateAgent []byte

// classes maps the ProgIDs of the Windows Update Agent to the rig's.
const classes = `[HKEY_LOCAL_MACHINE\SOFTWARE\Classes\Microsoft.Update.%[1]s\CLSID]
@="{6f0c9a52-5d3f-4f5e-9f65-68746b7374%02[2]d}"

[HKEY_LOCAL_MACHINE\SOFTWARE\Classes\CLSID\{6f0c9a52-5d3f-4f5e-9f65-68746b7374%02[2]d}\InprocServer32]
@="C:\\windows\\system32\\rig-wua.dll"
"ThreadingModel"="Both"

`

// Update is one that the machine's Windows Update Agent offers.
type Update struct {
	// ID is a UUID, Article without KB.
	ID, Title, Article string
	// Revision is what the machine's build comes to have by it.
	Revision int
	// Fixed: it cannot be uninstalled. Reboots: it says that it restarts the machine.
	Fixed, Reboots bool
}

// May2025 is the hotpatch of May 2025, KB5058497, which leads to 26100.3981.
var May2025 = Update{ID: "1f0a9b5e-2d0c-4a53-9a57-7d0f4e0a5b11", Article: "5058497", Revision: 3981,
	Title: "2025-05 Hotpatch Update for Windows Server 2025 for x64-based Systems (KB5058497)"}

// AddUpdateAgent gives the machine a Windows Update Agent, which Wine has not: a rig of
// it, written from Microsoft's documentation, that offers updates. To install one raises
// the revision in the registry; there is nothing to download and no kernel to patch.
func (m *Machine) AddUpdateAgent(ctx context.Context, updates ...Update) error {
	source := filepath.Join(m.o.Dir, "wua.c")
	if err := os.WriteFile(source, updateAgent, 0o600); err != nil {
		return fmt.Errorf("cannot write the source of the update agent: %w", err)
	}
	if err := m.compile(ctx, source, "rig-wua.dll", "-lole32", "-loleaut32", "-luuid", "-ladvapi32"); err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("Windows Registry Editor Version 5.00\n\n")
	for i, class := range []string{"Session", "SystemInfo", "UpdateColl"} {
		fmt.Fprintf(&text, classes, class, i+1)
	}
	text.WriteString("[HKEY_LOCAL_MACHINE\\SOFTWARE\\HotstickRig]\n\n")
	for i, u := range updates {
		fmt.Fprintf(&text, "[HKEY_LOCAL_MACHINE\\SOFTWARE\\HotstickRig\\Updates\\%d]\n\"ID\"=%q\n\"Title\"=%q\n\"Article\"=%q\n", i+1, u.ID, u.Title, u.Article)
		fmt.Fprintf(&text, "\"Uninstallable\"=dword:%08x\n\"Reboots\"=dword:%08x\n\"To\"=dword:%08x\n\n", truth(!u.Fixed), truth(u.Reboots), u.Revision)
	}
	return m.Merge(ctx, text.String())
}

func truth(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Misbehave sets how the update agent behaves from now on; shim/wua.c says which names
// there are, such as InstallHResult. 0 is sound.
func (m *Machine) Misbehave(ctx context.Context, name string, value uint32) error {
	_, err := m.Run(ctx, "reg", "add", `HKLM\SOFTWARE\HotstickRig`, "/v", name, "/t", "REG_DWORD", "/d", strconv.FormatUint(uint64(value), 10), "/f")
	return err
}

// Asked is what the update agent was asked to do so far, such as "search download".
func (m *Machine) Asked(ctx context.Context) (string, error) {
	said, err := m.Run(ctx, "reg", "query", `HKLM\SOFTWARE\HotstickRig`, "/v", "Calls")
	_, calls, found := strings.Cut(said, "REG_SZ")
	if err == nil && !found {
		err = fmt.Errorf("cannot read what the update agent was asked: %.200q", said)
	}
	return strings.TrimSpace(calls), err
}
