package kernel

import (
	"io/fs"
	"strings"

	"github.com/hotstick/hotstick"
)

// secureBootVariable is the EFI variable that tells whether the firmware checks
// signatures, under the vendor ID of the EFI specification.
const secureBootVariable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

// Security reads what would keep a module out; what is unknown is empty or nil.
func Security(fsys fs.FS) hotstick.SecurityFacts {
	facts := ModulePosture(fsys)
	facts.SecureBoot = secureBoot(fsys)
	return facts
}

// lockdown returns the word in brackets of "[none] integrity confidentiality".
func lockdown(s string) string {
	for _, word := range strings.Fields(s) {
		active, found := strings.CutPrefix(word, "[")
		if !found {
			continue
		}
		switch active = strings.TrimSuffix(active, "]"); active {
		case "none", "integrity", "confidentiality":
			return active
		}
	}
	return ""
}

// secureBoot reads the EFI variable: four bytes of attributes and one of value.
func secureBoot(fsys fs.FS) *bool {
	data, err := readFile(fsys, secureBootVariable, smallFile)
	if err != nil || len(data) != 5 || data[4] > 1 {
		return nil
	}
	on := data[4] == 1
	return &on
}
