package windowsstep

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows/registry"

	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// LivePolicy is the policy of this machine.
type LivePolicy struct{}

var _ Policy = LivePolicy{}

// Set implements [Policy].
func (LivePolicy) Set(name string, value uint32) error {
	key, _, err := registry.CreateKey(registry.LOCAL_MACHINE, nt.KeyAutoUpdate, registry.SET_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return fmt.Errorf("cannot set the policy %s: %w", name, err)
	}
	defer key.Close()
	if err := key.SetDWordValue(name, value); err != nil {
		return fmt.Errorf("cannot set the policy %s: %w", name, err)
	}
	return nil
}

// Delete implements [Policy].
func (LivePolicy) Delete(name string) error {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, nt.KeyAutoUpdate, registry.SET_VALUE|registry.WOW64_64KEY)
	if errors.Is(err, registry.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot take the policy %s back: %w", name, err)
	}
	defer key.Close()
	if err := key.DeleteValue(name); err != nil && !errors.Is(err, registry.ErrNotExist) {
		return fmt.Errorf("cannot take the policy %s back: %w", name, err)
	}
	return nil
}
