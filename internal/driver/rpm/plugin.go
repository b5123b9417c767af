package rpm

import "io/fs"

// Plugin is one of dnf that installs a vendor's live patches by itself while it is automatic.
type Plugin struct {
	// Command is how it is called, such as dnf kpatch, and Packages what it installs.
	Command, Packages string
	// Files are where its setting may be; the first that is there counts.
	Files []string
}

// Auto tells whether the plugin is automatic, and which file says so; without a file
// nothing is.
func (p Plugin) Auto(fsys fs.FS) (auto bool, file string, err error) {
	for _, name := range p.Files {
		if config, ok := Read(fsys, name); ok {
			auto, err = Switch(config, "main", "autoupdate")
			return auto, name, err
		}
	}
	return false, "", nil
}

// Held tells whether nothing installs the packages by itself: the plugin is not automatic,
// and no timer installs whatever there is.
func (p Plugin) Held(fsys fs.FS) (held bool, detail string, err error) {
	auto, file, err := p.Auto(fsys)
	if err != nil {
		return false, "", err
	}
	if auto {
		return false, p.Command + " is automatic: autoupdate in /" + file, nil
	}
	if by := Automatic(fsys, p.Packages); by != "" {
		return false, by, nil
	}
	return true, "", nil
}
