package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/hotstick/hotstick/internal/guest"
)

// Devices in the guest, in the order in which it is given them, and the file that says
// that the disk is mounted.
const (
	dataDevice  = "/dev/vdb"
	logDevice   = "/dev/vdc"
	checkDevice = "/dev/vdd"
	readyFile   = "/run/powercut"
)

// insideArg is the first argument of the part of this program that runs in the guest.
const insideArg = "inside"

// look is how often the kernel's live patches are looked at.
const look = 10 * time.Millisecond

// inside mounts the logged disk, then marks its log for whoever asks, and by itself as
// soon as the kernel has a live patch that it had not, or has one no more. So the log
// itself says what was known when, whatever becomes of the machine.
func inside(address string) error {
	disk, err := newLoggedDisk(dataDevice, logDevice)
	if err != nil {
		return err
	}
	if err := disk.mount(guest.StateDir); err != nil {
		return err
	}
	if err := os.MkdirAll(guest.LogDir, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(readyFile, nil, 0o644); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(context.Background())
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, maxMark+1))
		if err == nil {
			err = disk.mark(string(text))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	go func() { stop(server.ListenAndServe()) }()
	go func() { stop(watch(ctx, disk)) }()
	<-ctx.Done()
	return errors.Join(context.Cause(ctx), server.Close())
}

// watch marks what comes into the kernel and what leaves it.
func watch(ctx context.Context, disk *loggedDisk) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	var had []string
	for {
		has, err := loaded()
		if err != nil {
			return err
		}
		for _, module := range has {
			if !slices.Contains(had, module) {
				err = errors.Join(err, disk.mark(fact{Kind: factLoaded, Module: module}.text()))
			}
		}
		for _, module := range had {
			if !slices.Contains(has, module) {
				err = errors.Join(err, disk.mark(fact{Kind: factGone, Module: module}.text()))
			}
		}
		if had = has; err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// loaded are the live patches in the kernel, by the names of their modules.
func loaded() ([]string, error) {
	entries, err := os.ReadDir("/sys/kernel/livepatch")
	if err != nil {
		return nil, fmt.Errorf("cannot see the kernel's live patches: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}
