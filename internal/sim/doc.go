// Package sim makes simulated hosts and what they need around them: kernel
// builds, names, labels and live patches that only simulated kernels load.
//
// A simulated host is the real agent and the real loader, in one process, over
// the fake driver's kernel ([fake.Kernel]). It enrols with a join token, speaks
// mutual TLS with a real server and keeps a real ledger; only the machine under
// it is made up. What a patch does to a host is a [fake.Behaviour], so good, bad
// and killing levels can be tried on as many hosts as the machine can hold.
//
// Everything that is made up is made from a seed: the same seed gives the same
// names, builds, racks and roles.
package sim
