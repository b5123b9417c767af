package winhost

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// closed is who may use the directory and what is made in it: the system and
// administrators, and nobody by inheritance. What is below ProgramData can otherwise be
// read by every user.
const closed = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// closeToOthers makes the directory of the service, for the system and administrators only.
func closeToOthers(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of the service: %w", err)
	}
	descriptor, err := windows.SecurityDescriptorFromString(closed)
	if err != nil {
		return fmt.Errorf("cannot close %s to others: %w", dir, err)
	}
	list, _, err := descriptor.DACL()
	if err != nil {
		return fmt.Errorf("cannot close %s to others: %w", dir, err)
	}
	err = windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	if err != nil {
		return fmt.Errorf("cannot close %s to others: %w", dir, err)
	}
	return nil
}
