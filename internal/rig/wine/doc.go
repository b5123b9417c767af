// Package wine is a rig: it stands in for a machine with Windows Server 2025, as far as
// Debian 12's Wine 8.0 is a Windows. The agent that is shipped runs in it, cross-built and
// unchanged: as a service, with its files, its registry and its network.
//
// What makes it a Windows Server 2025 that takes hotpatches is its registry, which is
// written by hand (see Server2025). Wine 8.0 lacks one function that Go's runtime wants of
// every Windows; a small DLL, which is built for the machine and never shipped, has it.
// Wine has no Windows Update; [Machine.AddUpdateAgent] gives it one that is a rig as well.
// No kernel takes hotpatches here: what is installed shows in the registry only.
//
// What was shown on this rig was not shown on Windows.
package wine
