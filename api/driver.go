package api

import "github.com/hotstick/hotstick"

// Driver is what the hosts of the fleet say of one driver, each by its newest facts.
type Driver struct {
	Driver string `json:"driver"`
	// Class is what can be promised of what it brings into effect, and Claim the same in
	// words. Reboots: its levels come into effect by a reboot of the host.
	Class   hotstick.TrustClass `json:"class,omitempty"`
	Claim   string              `json:"claim,omitempty"`
	Reboots bool                `json:"reboots,omitempty"`
	// Hosts say anything of it; Available counts those that can use it.
	Hosts     int `json:"hosts"`
	Available int `json:"available"`
	// Scheduling counts the hosts that can use it and whose system starts patches by
	// itself, and Held those of them on which that is on hold. Nothing is staged beside the
	// others, of which Unheld names some.
	Scheduling int       `json:"scheduling"`
	Held       int       `json:"held"`
	Unheld     []HostRef `json:"unheld,omitempty"`
	// Abilities are what it can do where it can be used, Tools the vendor's tools there and
	// Reasons why it cannot be used elsewhere; the most hosts first. The lists are bounded.
	Abilities []DriverAbility `json:"abilities,omitempty"`
	Tools     []DriverTool    `json:"tools,omitempty"`
	Reasons   []DriverReason  `json:"reasons,omitempty"`
	// Cover counts the hosts by the month, such as 2027-03, in which their vendor ceases to
	// make patches for their kernel; hosts that cannot tell are left out.
	Cover map[string]int `json:"cover,omitempty"`
}

// HostRef names a host.
type HostRef struct {
	Host hotstick.HostID `json:"host"`
	Name string          `json:"name"`
}

// DriverAbility is what a driver can do on some of its hosts.
type DriverAbility struct {
	Undo         hotstick.Undo            `json:"undo,omitempty"`
	Rollback     []hotstick.Reversibility `json:"rollback"`
	Pinnable     bool                     `json:"pinnable"`
	Asynchronous bool                     `json:"asynchronous"`
	Truth        string                   `json:"truth"`
	Hosts        int                      `json:"hosts"`
}

// DriverTool is a vendor's tool, with its version, on some hosts; opaque.
type DriverTool struct {
	Tool  string `json:"tool"`
	Hosts int    `json:"hosts"`
}

// DriverReason is why some hosts cannot use a driver.
type DriverReason struct {
	Reason Reason `json:"reason"`
	Hosts  int    `json:"hosts"`
}

// DriverList lists the drivers that any host tells of, by name.
type DriverList struct {
	Drivers []Driver `json:"drivers"`
}
