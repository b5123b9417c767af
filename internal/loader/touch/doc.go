// Package touch plans what a level changes beside the kernel's code, and how that is
// put back: sysctls and parameters, modules, services, commands (hotstick.Touch). It is
// pure; the loader does what it says, to a [World], and keeps the journal of it in its
// ledger.
//
// # The journal
//
// The journal (ledger.Ledger.Touched) has one record for each change, oldest first. A
// record is durable before the change is made, with the value that the thing had; it is
// marked done once the thing was read back; and it is dropped once the thing is as it
// was. So after a crash at any point the journal says what may have been changed, and
// putting back what was never changed does nothing.
//
// # The order
//
//	touches before   in the order of the manifest
//	load, transition
//	settle           what the level before touched and this one does not
//	touches after    in the order of the manifest
//	probation
//
// and on the way back
//
//	touches after    newest first, and what was settled
//	disable, unload  or load the level before
//	touches before   newest first
//	services         are restarted or reloaded again, last, when everything that they
//	                 read is as it was
//
// A touch that fails before the load ends the attempt as failed, with everything put
// back; after the load it sends the host back. What cannot be put back keeps the kernel
// from nothing: the level goes first, then it is tried again, [MaxTries] times in all,
// and the attempt ends as failed, with revert_failed and the names of what is left. The
// journal keeps it, so the next way back tries again.
//
// # What is put back
//
// One step back is exact: each thing gets the value that was read before the attempt.
// Where a level is replaced by a newer one, the journal has the records of both. Going
// back from the newer level leaves those of the older one; going back to the kernel as
// it booted drops all of them, so everything has the value from before the first level.
//
// When a level is confirmed, [Fold] joins the records of all older levels to those of
// the level before it, thing by thing: the oldest value stays, and what is as it was is
// forgotten. So going back further than one step gives each thing what the older level's
// manifest declares (see [Forward]), and where it declares nothing, the value from
// before the first level.
//
// # What somebody else changed
//
// A thing whose value is neither what was set nor what it was has been changed by
// somebody else since. It is left alone, and the report says so. A newer level that
// touches it sets it all the same, for that was signed; its record then has that
// somebody's value, which is what going back restores.
//
// # Reboots
//
// A reboot puts back sysctls, parameters, modules and services by itself, so their
// records are dropped (see [Reboot]). What commands did may outlive it: they are undone
// after the reboot, before anything is applied again. A permit's level then does its
// touches again like any other attempt.
//
// # Commands
//
// A command has no value that could be read. For the journal it is done or undone. A
// level that declares the command of the level before it as well finds it done, and
// does not run it again; nor does its way back undo it.
//
// # What cannot be put back
//
// A command without undo, and sysctls that the kernel does not let anybody take back
// (hotstick.Touch.Reversible). The publisher and the approvers see them before anything
// is applied; on the way back they are left, and the report says so.
package touch
