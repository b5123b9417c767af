package winhost

import "fmt"

// Whoever may write into the service's directory is the machine's owner: the service, which
// runs as LocalSystem, believes what is in there. Every user may make directories below
// %ProgramData%, so one that is there already may be a trap.

// The SIDs that may own the directory and write into it.
const (
	sidSystem         = "S-1-5-18"
	sidAdministrators = "S-1-5-32-544"
)

// sidCreator stands, in what is inherited, for whoever makes a file: nobody else can.
const sidCreator = "S-1-3-0"

// changes are the rights by which somebody can change a directory or what is in it:
// FILE_WRITE_DATA, FILE_APPEND_DATA, FILE_WRITE_EA, FILE_DELETE_CHILD,
// FILE_WRITE_ATTRIBUTES, DELETE, WRITE_DAC, WRITE_OWNER, GENERIC_ALL and GENERIC_WRITE.
const changes = 0x2 | 0x4 | 0x10 | 0x40 | 0x100 | 0x10000 | 0x40000 | 0x80000 | 0x10000000 | 0x40000000

// entry is one entry of a list of access rights.
type entry struct {
	// sid is whom it is for, and rights what it is about.
	sid    string
	rights uint32
	// allows and denies: neither of a kind that this program does not know.
	allows, denies bool
}

// access is who may do what with a directory.
type access struct {
	// link: it leads elsewhere. directory: it is one.
	link, directory bool
	owner           string
	// open: it has no list of rights, so everybody may do everything.
	open bool
	list []entry
}

// judge says why the service must not use a directory that it finds; nil if it may. self is
// the account that asks.
func (a access) judge(self string) error {
	trusted := func(sid string) bool { return sid == sidSystem || sid == sidAdministrators || sid == self }
	switch {
	case a.link:
		return fmt.Errorf("it leads to another place")
	case !a.directory:
		return fmt.Errorf("it is no directory")
	case !trusted(a.owner):
		return fmt.Errorf("it belongs to %s, not to the system or the administrators", a.owner)
	case a.open:
		return fmt.Errorf("everybody may change it")
	}
	for _, e := range a.list {
		switch {
		case e.denies, e.sid == sidCreator, trusted(e.sid):
		case !e.allows:
			return fmt.Errorf("its list of rights has an entry of an unknown kind")
		case e.rights&changes != 0:
			return fmt.Errorf("%s may change it (%#x)", e.sid, e.rights)
		}
	}
	return nil
}
