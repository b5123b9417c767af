// Package mixed closes one CVE on a fleet in which every host is patched by another
// system, by one plan, and checks every claim it makes.
//
// Server, agents and loaders are the shipped programs. Kernels are real, in guests, and so
// are the live patches. The vendors' systems are not: rigs stand in for them (see package
// rig), and everything that is printed of one says so. The Windows host is the agent's
// Windows program under Wine, which is no Windows either.
//
// What the demo claims of a kernel it reads over the guest's serial line, past the agent:
// from sysfs, and by trying the hole.
package mixed
