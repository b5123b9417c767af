package nt

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// Live is the registry of this machine.
type Live struct{}

func open(key string, access uint32) (registry.Key, bool) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, access|registry.WOW64_64KEY)
	return k, err == nil
}

// Text implements [Registry].
func (Live) Text(key, name string) (string, bool) {
	k, ok := open(key, registry.QUERY_VALUE)
	if !ok {
		return "", false
	}
	defer k.Close()
	text, _, err := k.GetStringValue(name)
	return text, err == nil
}

// Number implements [Registry].
func (Live) Number(key, name string) (uint64, bool) {
	k, ok := open(key, registry.QUERY_VALUE)
	if !ok {
		return 0, false
	}
	defer k.Close()
	number, _, err := k.GetIntegerValue(name)
	return number, err == nil
}

// Values implements [Registry].
func (Live) Values(key string) ([]string, bool) {
	k, ok := open(key, registry.QUERY_VALUE)
	if !ok {
		return nil, false
	}
	defer k.Close()
	names, err := k.ReadValueNames(0)
	return names, err == nil
}

const (
	keyOwn  = `SOFTWARE\Hotstick`
	keyBoot = "Boot"
	// volatile is REG_OPTION_VOLATILE: the key is in memory only.
	volatile = 1
)

// ThisBoot reads which boot this machine is in, and makes its ID the first time. It needs
// the right to write below HKEY_LOCAL_MACHINE\SOFTWARE.
func ThisBoot() (Boot, error) {
	b, err := readBoot()
	if !errors.Is(err, registry.ErrNotExist) {
		return b, err
	}
	if b.Booted, err = Now(Live{}); err != nil {
		return Boot{}, err
	}
	if b.ID, err = newUUID(); err != nil {
		return Boot{}, err
	}
	b.BootedAt = time.Now().Add(-Uptime()).UTC().Truncate(time.Second)
	return b, writeBoot(b)
}

func readBoot() (Boot, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, keyOwn+`\`+keyBoot, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return Boot{}, err
	}
	defer k.Close()
	id, _, err := k.GetStringValue("ID")
	if errors.Is(err, registry.ErrNotExist) {
		return Boot{}, err // it is written last: whoever wrote the rest did not come to its end
	}
	revision, _, err2 := k.GetStringValue("Revision")
	at, _, err3 := k.GetStringValue("BootedAt")
	if err := errors.Join(err, err2, err3); err != nil {
		return Boot{}, fmt.Errorf("cannot read which boot this is: %v", err)
	}
	booted, err := ParseLevel(revision)
	since, err2 := time.Parse(time.RFC3339, at)
	if err := errors.Join(err, err2); err != nil {
		return Boot{}, fmt.Errorf("cannot read which boot this is: %v", err)
	}
	return Boot{ID: id, Booted: booted, BootedAt: since}, nil
}

// writeBoot makes the volatile key, the ID as the last value.
func writeBoot(b Boot) error {
	own, _, err := registry.CreateKey(registry.LOCAL_MACHINE, keyOwn, registry.CREATE_SUB_KEY|registry.WOW64_64KEY)
	if err != nil {
		return fmt.Errorf("cannot keep which boot this is: %w", err)
	}
	defer own.Close()
	name, err := windows.UTF16PtrFromString(keyBoot)
	if err != nil {
		return err
	}
	var key windows.Handle
	var there uint32
	if err := regCreateKeyEx(windows.Handle(own), name, volatile, windows.KEY_WRITE|windows.KEY_WOW64_64KEY, &key, &there); err != nil {
		return fmt.Errorf("cannot keep which boot this is: %w", err)
	}
	k := registry.Key(key)
	defer k.Close()
	for _, v := range [][2]string{{"Revision", b.Booted.String()}, {"BootedAt", b.BootedAt.Format(time.RFC3339)}, {"ID", b.ID}} {
		if err := k.SetStringValue(v[0], v[1]); err != nil {
			return fmt.Errorf("cannot keep which boot this is: %w", err)
		}
	}
	return nil
}

var (
	advapi          = windows.NewLazySystemDLL("advapi32.dll")
	procCreateKey   = advapi.NewProc("RegCreateKeyExW")
	kernel32        = windows.NewLazySystemDLL("kernel32.dll")
	procMemory      = kernel32.NewProc("GlobalMemoryStatusEx")
	ntdll           = windows.NewLazySystemDLL("ntdll.dll")
	procInformation = ntdll.NewProc("NtQuerySystemInformation")
)

// regCreateKeyEx is the call that makes a volatile key; package registry has none.
func regCreateKeyEx(parent windows.Handle, name *uint16, options, access uint32, key *windows.Handle, there *uint32) error {
	code, _, _ := procCreateKey.Call(uintptr(parent), uintptr(unsafe.Pointer(name)), 0, 0, uintptr(options), uintptr(access), 0,
		uintptr(unsafe.Pointer(key)), uintptr(unsafe.Pointer(there)))
	if code != 0 {
		return windows.Errno(code)
	}
	return nil
}

func newUUID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("cannot make a boot ID: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], nil
}

// Uptime is the age of the boot, sleep included.
func Uptime() time.Duration { return windows.DurationSinceBoot() }

// ThisMachine reads what is asked of a machine besides its registry.
func ThisMachine() (Machine, error) {
	boot, err := ThisBoot()
	if err != nil {
		return Machine{}, err
	}
	m := Machine{Boot: boot, CPUs: runtime.NumCPU(), MemoryBytes: memory(), VBSRunning: secureKernel()}
	if m.Hostname, err = os.Hostname(); err != nil {
		return Machine{}, fmt.Errorf("cannot read the host's name: %w", err)
	}
	cards, err := net.Interfaces()
	if err != nil {
		return m, nil // a machine that does not show its cards is told by its ID
	}
	const most = 8
	for _, c := range cards {
		if len(c.HardwareAddr) == 6 && c.Flags&net.FlagLoopback == 0 && len(m.Cards) < most {
			m.Cards = append(m.Cards, c.HardwareAddr.String())
		}
	}
	return m, nil
}

// memory is the machine's memory in bytes, 0 if it does not say.
func memory() int64 {
	var status struct {
		length, load uint32
		total        uint64
		_            [6]uint64
	}
	status.length = uint32(unsafe.Sizeof(status))
	if ok, _, _ := procMemory.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return 0
	}
	return int64(status.total)
}

// secureKernel asks the kernel whether the secure kernel of virtualisation-based security
// runs (SystemIsolatedUserModeInformation, its first bit); nil if it does not say.
func secureKernel() *bool {
	const isolatedUserMode = 165
	var info [16]byte
	if status, _, _ := procInformation.Call(isolatedUserMode, uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info), 0); status != 0 {
		return nil
	}
	return new(info[0]&1 == 1)
}
