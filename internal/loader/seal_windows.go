package loader

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// seal copies bytes into a file that no other process can open, and that is gone once it
// is closed. Windows has no file that this process itself could not change any more.
func seal(name string, data []byte) (*os.File, error) {
	path := filepath.Join(os.TempDir(), name+"-"+rand.Text())
	text, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("cannot name a sealed file: %w", err)
	}
	const alone = 0
	handle, err := windows.CreateFile(text, windows.GENERIC_READ|windows.GENERIC_WRITE, alone, nil, windows.CREATE_NEW,
		windows.FILE_ATTRIBUTE_TEMPORARY|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a sealed file: %w", err)
	}
	f := os.NewFile(uintptr(handle), path)
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot fill the sealed file: %w", err)
	}
	return f, nil
}
