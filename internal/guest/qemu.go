package guest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

const qemuProgram = "qemu-system-x86_64"

// commandLine returns the arguments of QEMU for a guest.
func commandLine(c Config, socket string) []string {
	args := []string{
		"-name", c.Name,
		"-no-user-config", "-nodefaults", "-display", "none",
		"-m", strconv.Itoa(c.MemoryMB), "-smp", strconv.Itoa(max(1, c.CPUs)),
	}
	args = append(args, board(c)...)
	switch c.Accel {
	case AccelKVM:
		args = append(args, "-accel", "kvm", "-cpu", "host")
	case AccelParallel:
		args = append(args, "-accel", "tcg,thread=multi", "-cpu", "Nehalem,-cx16")
	default:
		args = append(args, "-accel", "tcg,thread=single", "-cpu", "Nehalem,-cx16")
	}
	if c.SkipIdle {
		args = append(args, "-icount", "shift=3,sleep=off")
	}
	args = append(args,
		"-kernel", c.Kernel.Image,
		"-initrd", filepath.Join(c.Dir, InitramfsName),
		"-append", strings.Join(kernelParameters(c), " "),
		"-chardev", "file,id=console,append=on,path="+comma(filepath.Join(c.Dir, consoleName)),
		"-serial", "chardev:console",
		"-chardev", "socket,id=commands,server=off,path="+comma(socket),
		"-serial", "chardev:commands",
		"-device", "virtio-rng-pci",
	)
	if c.Disk != "" {
		// Every write goes to the host's page cache at once: it survives the guest,
		// and nothing here has to survive the host.
		args = append(args, "-drive", "if=virtio,format=raw,cache=unsafe,file="+comma(c.Disk))
	}
	if c.Debian != "" {
		// What the guest writes goes to a file of its own that ends with QEMU, so all
		// guests share the image, and a reboot finds what the boot before wrote.
		if c.Disk == "" {
			args = append(args, "-drive", "if=virtio,format=raw,snapshot=on,cache=unsafe,file="+comma(c.Debian))
		}
		args = append(args, "-drive", "if=virtio,format=raw,readonly=on,file="+comma(filepath.Join(c.Dir, filesName)))
	}
	for _, d := range c.Drives {
		args = append(args, "-drive", "if=virtio,format=raw,cache=unsafe,file="+comma(d))
	}
	if c.Network {
		net := "user,id=net"
		for _, port := range c.Ports {
			net += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", port, port)
		}
		args = append(args, "-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile=")
	}
	return args
}

// varsName is the firmware's variables of one guest, in its directory.
const varsName = "firmware-variables"

// board returns the arguments for machine and firmware. Secure Boot needs a processor
// mode in which only the firmware can write to its variables.
func board(c Config) []string {
	if c.Firmware == nil {
		return []string{"-M", "pc"}
	}
	return []string{
		"-M", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on",
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + comma(c.Firmware.Code),
		"-drive", "if=pflash,format=raw,unit=1,file=" + comma(filepath.Join(c.Dir, varsName)),
	}
}

// comma doubles the commas of a value inside an option of QEMU.
func comma(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// kernelParameters returns the kernel's command line, word by word.
func kernelParameters(c Config) []string {
	words := c.Cmdline
	if c.Debian != "" {
		// Nobody sits at a terminal, and no udev tells systemd of one.
		words = append([]string{"systemd.getty_auto=no", "systemd.mask=getty.target", "systemd.show_status=no"}, words...)
	}
	return append([]string{
		"console=ttyS0",
		"panic=1",
		// Under emulation on a busy host the timer check fails and panics.
		"no_timer_check",
		// Separate page tables make every system call flush the emulated TLB: with
		// them, commands take twice as long. Live patching does not care.
		"pti=off",
		fmt.Sprintf("memmap=%#x$%#x", crashSize, crashAddress),
	}, words...)
}

// process is a running QEMU.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	err    error         // how, valid after exited
}

// startQEMU starts QEMU so that it dies with this process. The kernel sends the
// death signal when the thread that started a child ends, so that thread is kept
// until the child has ended.
func startQEMU(c Config, args []string) (*process, error) {
	program, err := exec.LookPath(qemuProgram)
	if err != nil {
		return nil, &kernelpkg.Problem{
			Text:  "cannot start guest " + c.Name + ": " + qemuProgram + " is not installed",
			Fix:   "apt-get install qemu-system-x86",
			Cause: err,
		}
	}
	log, err := os.OpenFile(filepath.Join(c.Dir, qemuLogName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot start guest %s: %w", c.Name, err)
	}
	p := &process{cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start guest %s: %w", c.Name, err)
	}
	return p, nil
}

// kill ends QEMU and waits until it is gone.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot kill QEMU: %w", err)
	}
	<-p.exited
	return nil
}
