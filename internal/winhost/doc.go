// Package winhost is the program hotstick-agent.exe: agent and loader of a machine with
// Windows, in one service.
//
// On Linux they are two processes, of which the one with rights has no network. On Windows
// they are one, which runs as LocalSystem: installing an update needs those rights, and
// whoever has them may do everything else as well. The loader's core is the same, with its
// own ledger, its own verified copy of the catalog and its own judgement of each grant; so
// a stolen server can start nothing that nobody signed. But whoever takes over the agent's
// process has taken over the machine. See docs/adr/0016-one-service-on-windows.md.
package winhost
