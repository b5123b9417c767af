package winhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// install makes the service, or leaves it as it is. It does not start it.
func install(stdout io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program's own file: %w", err)
	}
	if !inProgramFiles(program) {
		return fmt.Errorf("cannot make a service of %s: others may replace it there; copy it below %%ProgramFiles%% first", program)
	}
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("cannot reach the service manager (run this as an administrator): %w", err)
	}
	defer m.Disconnect()
	s, err := m.CreateService(ServiceName, program, mgr.Config{
		StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal, DisplayName: "Hotstick agent",
		Description: "Installs hotpatches of Windows as signed plans of a Hotstick server say.",
	}, "service")
	if errors.Is(err, windows.ERROR_SERVICE_EXISTS) {
		fmt.Fprintln(stdout, "the service is there already")
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make the service: %w", err)
	}
	defer s.Close()
	again := []mgr.RecoveryAction{{Type: mgr.ServiceRestart, Delay: 5 * time.Second}, {Type: mgr.ServiceRestart, Delay: 30 * time.Second}, {Type: mgr.ServiceRestart, Delay: time.Minute}}
	const forgetAfter = 24 * 60 * 60 // seconds
	if err := errors.Join(s.SetRecoveryActions(again, forgetAfter), s.SetRecoveryActionsOnNonCrashFailures(true)); err != nil {
		fmt.Fprintln(stdout, "note: the service is not started again after a failure:", err)
	}
	fmt.Fprintln(stdout, "the service is installed; start it with: sc.exe start", ServiceName)
	return nil
}

// uninstall stops the service and takes it away. Its files stay.
func uninstall(ctx context.Context, stdout io.Writer) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("cannot reach the service manager (run this as an administrator): %w", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(ServiceName)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		fmt.Fprintln(stdout, "there is no such service")
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot open the service: %w", err)
	}
	defer s.Close()
	if err := halt(ctx, s); err != nil {
		return err
	}
	if err := s.Delete(); err != nil {
		return fmt.Errorf("cannot take the service away: %w", err)
	}
	fmt.Fprintln(stdout, "the service is gone; its files are in %ProgramData%\\Hotstick")
	return nil
}

// haltTime is how long a service may take to stop.
const haltTime = 2 * stopTime

// halt stops a service and waits for its end.
func halt(ctx context.Context, s *mgr.Service) error {
	ctx, cancel := context.WithTimeout(ctx, haltTime)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for asked := false; ; {
		now, err := s.Query()
		if err != nil {
			return fmt.Errorf("cannot ask how the service is: %w", err)
		}
		switch {
		case now.State == svc.Stopped:
			return nil
		case now.State == svc.Running && !asked:
			if _, err := s.Control(svc.Stop); err != nil {
				return fmt.Errorf("cannot stop the service: %w", err)
			}
			asked = true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("cannot stop the service: it does not end")
		}
	}
}
