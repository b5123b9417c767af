// Package fake is a simulated kernel with live patching, and a driver for it.
//
// A [Kernel] follows the rules of the upstream ABI, seen from outside: a load
// starts a transition and returns; one transition at a time; a replacing patch
// disables the older ones when its transition ends and leaves their code in
// memory; a disabled patch cannot be enabled again, only unloaded and loaded
// anew; writing the opposite value during a transition reverses it. What each
// module does beyond that, good or bad, is its [Behaviour].
//
// It has no clock and starts no goroutine. Time is what [Config.Clock] says, and
// everything that became due since the last call happens, in order, at the next
// one. [Kernel.Next] says when that would be, so a simulator can jump there.
//
// Module files are real in form: Load reads them with package kmod, so a file
// must come from [kmod.Compose] or a compiler.
package fake
