// Package loader is the only code that changes a kernel. It has no network, is
// told everything by an agent it does not trust, and verifies every statement
// itself.
//
// # An attempt
//
// One change of the kernel is an attempt. It begins with an intent in the ledger
// (see package ledger), written and synced before anything else happens, and it
// goes through a closed set of phases, drawn in docs/reference/loader-phases.md:
//
//	armed      the intent is durable; the load may follow
//	applying   the kernel is moving tasks to the new code
//	probation  in effect; anything wrong sends it back
//	reverting  the level before is being put back
//
// and ends confirmed, reverted, failed, interrupted or quarantined. Each step is
// decided by a pure function, next, from what was just observed; [Loader.Tick]
// observes, decides, acts and writes down, and starts over. Nothing else acts.
//
// # What starts an attempt
//
// A grant, or a permit. A grant is accepted if it and the plan it names verify
// under the loader's own copy of the catalog, it quotes a nonce that this process
// made less than a minute ago, it names this host's pinned identity with a valid
// proof for the earliest wave in which this host may start, that wave's delay has
// passed on the ledger's clock since the plan was announced, a window of the host's
// calendar is open by the host's own wall clock, the plan was not halted, the patch is neither banned, recalled nor struck, the
// catalog lists the very bytes for the running build, the level is not older than
// one that was confirmed before or is in effect, unless a signed downgrade that came
// with the grant allows it, and the plan's signatures name the level that is in
// effect now as one to go back to. See judgeGrant.
//
// A late host is not in the plan's list and brings no proof. Its loader compares
// the plan's rule for late hosts with the labels set on the host itself, and holds
// it to the delay of the plan's last wave.
//
// The delays of a plan that continues another one count from the first plan of that
// chain that this loader saw, unless the older plan was halted for any other cause
// than being superseded. The older plan stays halted.
//
// A permit is what a confirmed attempt leaves behind: after a reboot, when
// nothing is loaded, the same bytes may be applied again without anybody's word,
// and go through probation again. See reapply. The permit before it is kept: where
// the newest level is struck, banned, recalled or withdrawn, the level before it comes back
// instead of none.
//
// # One load
//
// Within one attempt the kernel is asked for the new level at most once, over
// all crashes of the loader. The process that wrote the intent may ask; a process
// that finds an intent it did not write looks at the kernel instead. If the level
// is there, the attempt goes on. If it is not, nobody can tell a load that never
// was from one that the kernel refused, so the attempt ends as interrupted and
// the server decides whether there is another one.
//
// # What ends it badly
//
// An oops, BUG, warning or hung task in the kernel log since the intent; a new
// taint bit other than O, E and K; a failed or silent probe of the agent; an
// agent that says nothing for [Limits].AgentSilence; a transition that outlasts
// the plan's limit; the level being removed by somebody else; an order to revert.
// The way back is one step: the level before replaces the new one, or, where
// there was none, the new one is disabled and unloaded. It needs no document, no
// network, and no writable disk. Where the kernel does not say what is loaded, the
// way back fails after three times the plan's limit of a transition.
//
// # Recalls
//
// A recalled level is never armed. If the recall says block-and-revert, an attempt
// under way goes back at once. A confirmed level goes back when the server orders it,
// for only the server knows how many of a failure domain may go at a time, and by
// itself after [Limits].RecallPatience; that needs no document. What was recalled is
// kept with the catalog and never forgotten; a signed clear that is not older than the
// recall lifts it.
//
// # Reboots
//
// A new boot ID with an open attempt means that the machine went down in the
// middle. If the loader had been told to stop, by a shutdown, and no crash record
// says otherwise, the attempt was interrupted. Otherwise it is a strike: reported
// once, as quarantined, with what persistent memory holds of the crash, and the
// patch is never armed on this host again without a signed clear. A machine that went
// down uncleanly with a confirmed level strikes only if a crash record names it;
// otherwise the loader reports the level as confirmed with the reason crash, for the
// server's rates to count, and applies it again by its permit.
//
// A level of the driver reboot comes into effect by a reboot, so there a new boot is the
// transition. Where its target runs, the attempt goes on into probation; where the machine
// was told to boot the target and the kernel before runs, the attempt has failed with
// old_kernel, which strikes; any other kernel is wrong_build. A clean end before the machine
// was told, and a crash on probation, mean what they mean for every level. What follows
// from the end, which kernel later boots start and the return of work, is in the ledger as
// unsettled and tried until it is done. No permit ever reboots a host.
//
// # A person on the host
//
// Root on the host may look, hold, revert, and adopt what another live-patch system has
// loaded, on a socket of its own (package operate); neither server nor agent is needed
// for it. It happens between two steps, never within one. A hold keeps new attempts from
// starting and nothing else. What a person has taken out has no permit any more. An
// adopted level is one whose very bytes the signed catalog lists for this build, or, of a
// vendor's system, whose module it lists under that system's driver. What the system's unit
// was, or how it schedules itself, is in the ledger before anybody changes it. A system that
// schedules itself is put on hold and given back by steps, which any loader goes on with
// until they are done; whether it still is on hold is looked at with every call of the agent.
// Where somebody has lifted that, the ledger, the journal and the agent are told, and no
// grant is taken but one for a reboot. Nothing puts it on hold again but a person.
//
// # A hostile agent
//
// Whoever takes the agent over has its user, its directory and its end of the socket.
// What that is worth, at most, and what stands against more:
//
//	load, or start, anything           nothing: every document is verified here
//	swap an artifact                   a refusal: bytes are copied, hashed, sealed, and
//	                                   loaded from the sealed file that was hashed
//	bring an older catalog, or none    nothing new starts; once that expires, nothing at all.
//	                                   Confirmed levels come back after a reboot all the same
//	keep recalls, bans, halts back     what was approved goes on until the metadata expires,
//	                                   or somebody drops a recall; what was seen stays seen
//	say that the host is well          a patch that only probes find ill is confirmed; what
//	                                   the kernel logs or taints sends it back all the same
//	say that the host is ill, or       the patch on probation goes back; nothing else starts
//	say nothing
//	hold back, or claim to have        the server knows less; the host does the same
//	handed over, reports
//	flood, drip, hang up, delete       its own calls are slow or refused; the way back is not
//	fill the disk                      64 plans and their artifacts, and its own directory
//
// Everything in the agent's directory is read with a limit, as a regular file, without
// following links and without waiting. Each line has a test in hostile_test.go of the
// packages loadercmd and link; docs/reference/hostile-agent.md shows it in full.
//
// # Driving a loader
//
// [Loader.Run] is a small loop for real hosts. Everything else happens in New, Tick,
// Exchange and Stop, on the caller's goroutine, from what [Config] gives: with the
// same clock, disk, kernel, driver, catalog and random bytes the same calls do the
// same. A simulator calls Tick when the time that the last Tick returned is over,
// and also after each Exchange that answers busy. A crash of the process is to drop
// the loader, at any call of its disk or driver, and to make a new one on what the
// disk holds.
//
// # The clean mark
//
// SIGTERM makes the loader write the mark of a clean stop, because it cannot tell
// a shutdown from a restart of itself. The next start can: in the same boot the
// mark is void and taken back before anything else happens.
package loader
