package wine

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Service is the name of the agent's service.
const Service = "hotstick-agent"

// Install makes the service, as the install script does.
func (m *Machine) Install(ctx context.Context) error {
	_, err := m.Agent(ctx, "install")
	return err
}

// Start starts the service and waits until it runs. It may run already: a machine that is
// booted starts it by itself.
func (m *Machine) Start(ctx context.Context) error {
	var failed error
	for range 3 { // Wine gives a service up that is slow to start, and then knows nothing of it
		if state := m.State(ctx); state == "STOPPED" || state == "" {
			if _, failed = m.Run(ctx, "sc", "start", Service); failed != nil && ctx.Err() == nil {
				m.say("cannot start the service yet: %v", failed)
				continue
			}
		}
		return m.await(ctx, "RUNNING")
	}
	return fmt.Errorf("%w\nthe service's log:\n%s", failed, m.Log())
}

// Runs waits until the service runs, which it has to do by itself.
func (m *Machine) Runs(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return m.await(ctx, "RUNNING")
}

// Stop stops the service and waits until it has ended.
func (m *Machine) Stop(ctx context.Context) error {
	if _, err := m.Run(ctx, "sc", "stop", Service); err != nil {
		return err
	}
	return m.await(ctx, "STOPPED")
}

// Uninstall stops the service and takes it away.
func (m *Machine) Uninstall(ctx context.Context) error {
	_, err := m.Agent(ctx, "uninstall")
	return err
}

// Hold puts Windows Update on hold, without which nothing is planned for the machine.
func (m *Machine) Hold(ctx context.Context) error {
	_, err := m.Agent(ctx, "hold-updates")
	return err
}

// State is what the service manager says of the service, such as RUNNING; empty if there is
// no such service.
func (m *Machine) State(ctx context.Context) string {
	said, _ := m.Run(ctx, "sc", "query", Service) // it fails where there is none
	for _, state := range []string{"RUNNING", "STOPPED", "START_PENDING", "STOP_PENDING"} {
		if strings.Contains(said, state) {
			return state
		}
	}
	return ""
}

// await waits until the service is in a state.
func (m *Machine) await(ctx context.Context, want string) error {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		state := m.State(ctx)
		if state == want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for the service: it is %q, not %s\nits log:\n%s", state, want, m.Log())
		case <-tick.C:
		}
	}
}
