package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memory is what one process holds, in KiB (source: /proc/PID/smaps_rollup).
type memory struct {
	RSS          int `json:"rss_kib"`
	PSS          int `json:"pss_kib"`
	PrivateDirty int `json:"private_dirty_kib"`
	Anonymous    int `json:"anonymous_kib"`
}

func memoryOf(pid int) (memory, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return memory{}, err
	}
	return memory{RSS: field(data, "Rss:"), PSS: field(data, "Pss:"), PrivateDirty: field(data, "Private_Dirty:"), Anonymous: field(data, "Anonymous:")}, nil
}

// field is the number on the line that begins with a name; 0 if there is none.
func field(data []byte, name string) int {
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == name {
			n, err := strconv.Atoi(words[1])
			if err == nil {
				return n
			}
		}
	}
	return 0
}

// threadTime is the CPU time of all threads of a process, to the nanosecond (source:
// /proc/PID/task/*/schedstat); 0 if it has ended.
func threadTime(pid int) time.Duration {
	var sum time.Duration
	for _, path := range threads(pid, "schedstat") {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		if ns, err := strconv.ParseInt(strings.Fields(string(data))[0], 10, 64); err == nil {
			sum += time.Duration(ns)
		}
	}
	return sum
}

// switches are the times that threads of a process went to sleep by themselves.
func switches(pid int) int {
	sum := 0
	for _, path := range threads(pid, "status") {
		data, err := os.ReadFile(path)
		if err == nil {
			sum += field(data, "voluntary_ctxt_switches:")
		}
	}
	return sum
}

func threads(pid int, file string) []string {
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/%s", pid, file))
	if err != nil {
		panic(err) // the pattern is ours
	}
	return paths
}

// Wake-ups: a process is looked at every look, and one that has used the CPU after
// quiet looks without was woken.
const (
	look  = 50 * time.Millisecond
	quiet = 5
)

// wakeUps counts how often a process is woken until the context ends.
func wakeUps(ctx context.Context, pid int, counted chan<- int) {
	woken, still, last := 0, 0, threadTime(pid)
	for ctx.Err() == nil {
		pause(ctx, look)
		switch now := threadTime(pid); {
		case now == last:
			still++
		default:
			if still >= quiet {
				woken++
			}
			still, last = 0, now
		}
	}
	counted <- woken
}
