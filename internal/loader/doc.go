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
