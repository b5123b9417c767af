package hotstick

import "fmt"

// CrashPrint names a kind of crash by what it needs to happen again: the level, the
// kernel build and the hardware. A server that has seen one arms that level nowhere on
// that build and hardware until somebody signs a clear.
type CrashPrint struct {
	Patch PatchRef    `json:"patch"`
	Build KernelBuild `json:"build"`
	// Model is the machine's maker and product (source: /sys/class/dmi/id); empty where
	// the machine does not say, which matches only others that do not say.
	Model string `json:"model,omitempty"`
}

// maxModel bounds the name of a machine's model, in bytes.
const maxModel = 256

// Validate reports the first thing that is malformed.
func (c *CrashPrint) Validate() error {
	if c == nil {
		return nil
	}
	if err := c.Patch.Validate(); err != nil {
		return err
	}
	if len(c.Model) > maxModel {
		return fmt.Errorf("cannot use a model's name of %d bytes: the limit is %d", len(c.Model), maxModel)
	}
	return c.Build.Validate()
}
