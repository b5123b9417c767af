package agentcmd

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// calm is after how many rests, a minute apart, the start counts as over.
const calm = 2

// resting returns what an agent does when it has nothing to do: it gives memory back. Of
// its own program the start has used much that no check-in uses; that is let go once.
// What is needed comes back from the page cache.
func resting() func() {
	rests := 0
	return func() {
		if rests++; rests == calm {
			letGo()
		}
		debug.FreeOSMemory()
	}
}

// letGo unmaps the pages of the program's own code and constants, which the kernel maps
// again when they are used. Nothing rests on it: what cannot be done is not.
func letGo() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil || !loadedAsItIs(program) {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		if from, length, ok := constant(lines.Text(), program); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, length, unix.MADV_DONTNEED)
		}
	}
}

// loadedAsItIs tells whether nothing in the program's file was changed when it was loaded.
// Where the program may lie anywhere in memory, its constants hold addresses, which the
// file does not have.
func loadedAsItIs(program string) bool {
	f, err := os.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	var header [18]byte
	_, err = io.ReadFull(f, header[:])
	return err == nil && header[16]+header[17] == 2 // ET_EXEC, whatever the order of bytes
}

// constant reads a line of /proc/PID/maps. It reports a part of the program's file that
// is mapped and cannot be written, so that the file has all that is in it.
func constant(line, program string) (from, length uintptr, ok bool) {
	words := strings.Fields(line)
	if len(words) != 6 || words[5] != program || len(words[1]) != 4 || words[1][0] != 'r' || words[1][1] != '-' {
		return 0, 0, false
	}
	begin, end, _ := strings.Cut(words[0], "-")
	a, err := strconv.ParseUint(begin, 16, 64)
	b, err2 := strconv.ParseUint(end, 16, 64)
	return uintptr(a), uintptr(b - a), err == nil && err2 == nil && a < b
}
