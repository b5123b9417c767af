package winhost

import (
	"errors"
	"fmt"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// closed is who owns the directory and may use what is made in it: the administrators and
// the system, and nobody by inheritance. What is below ProgramData can otherwise be read by
// every user.
const closed = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// openHome makes the directory of the service, for the system and administrators only. One
// that is there already is used if nobody else could have changed anything in it.
func openHome(dir string) error {
	descriptor, err := windows.SecurityDescriptorFromString(closed)
	if err != nil {
		return fmt.Errorf("cannot close %s to others: %w", dir, err)
	}
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return fmt.Errorf("cannot use the directory %q: %w", dir, err)
	}
	attributes := windows.SecurityAttributes{SecurityDescriptor: descriptor}
	attributes.Length = uint32(unsafe.Sizeof(attributes))
	err = windows.CreateDirectory(path, &attributes)
	if err == nil {
		return nil
	}
	if !errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		return fmt.Errorf("cannot make the directory %s for the system and administrators (run this as an administrator): %w", dir, err)
	}
	found, err := readAccess(path)
	if err != nil {
		return fmt.Errorf("cannot read who may change %s (run this as an administrator): %w", dir, err)
	}
	self, err := account()
	if err != nil {
		return err
	}
	if err := found.judge(self); err != nil {
		return fmt.Errorf("cannot use %s: %w. Somebody may have left files there to be believed: look who made it, remove it with all that is in it, and begin again", dir, err)
	}
	return closeAgain(dir, descriptor)
}

// closeAgain takes away what others may read.
func closeAgain(dir string, descriptor *windows.SECURITY_DESCRIPTOR) error {
	list, _, err := descriptor.DACL()
	if err == nil {
		err = windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	}
	if err != nil {
		return fmt.Errorf("cannot close %s to others: %w", dir, err)
	}
	return nil
}

// account is the SID of the account that this process runs as.
func account() (string, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", fmt.Errorf("cannot read which account this process runs as: %w", err)
	}
	return user.User.Sid.String(), nil
}

// readAccess reads who may do what, from the directory itself even where it leads
// elsewhere.
func readAccess(path *uint16) (access, error) {
	const everybody = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	handle, err := windows.CreateFile(path, windows.READ_CONTROL|windows.FILE_READ_ATTRIBUTES, everybody, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return access{}, err
	}
	defer windows.CloseHandle(handle)
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(handle, &info); err != nil {
		return access{}, err
	}
	a := access{link: info.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0, directory: info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0}
	descriptor, err := windows.GetSecurityInfo(handle, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return a, err
	}
	owner, _, err := descriptor.Owner()
	if err != nil {
		return a, err
	}
	a.owner = owner.String()
	list, _, err := descriptor.DACL()
	if errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND) || err == nil && list == nil {
		a.open = true
		return a, nil
	}
	if err != nil {
		return a, err
	}
	a.list, err = entries(list)
	return a, err
}

// entries reads a list of rights. Those that allow or deny are alike; of other kinds only
// that they are there is known.
func entries(list *windows.ACL) ([]entry, error) {
	var all []entry
	for i := range uint32(list.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &ace); err != nil {
			return nil, err
		}
		e := entry{allows: ace.Header.AceType == windows.ACCESS_ALLOWED_ACE_TYPE, denies: ace.Header.AceType == windows.ACCESS_DENIED_ACE_TYPE}
		if e.allows || e.denies {
			e.sid, e.rights = (*windows.SID)(unsafe.Pointer(&ace.SidStart)).String(), uint32(ace.Mask)
		}
		all = append(all, e)
	}
	return all, nil
}

// inProgramFiles reports whether a file lies where only administrators can replace it.
func inProgramFiles(file string) bool {
	programs, err := windows.KnownFolderPath(windows.FOLDERID_ProgramFiles, 0)
	if err != nil {
		return false
	}
	below, err := filepath.Rel(programs, file)
	return err == nil && filepath.IsLocal(below)
}
