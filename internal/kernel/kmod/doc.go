// Package kmod reads kernel module files (.ko) without trusting a byte of them.
//
// # What is read
//
// A module is an ELF64 relocatable file, optionally followed by a signature:
// the PKCS#7 blob, twelve bytes of struct module_signature, and the marker
// "~Module signature appended~\n". [Read] looks at the file header, the section
// table, the section names, the section .modinfo (NUL-separated key=value
// entries) and the name field of .gnu.linkonce.this_module, which is the name
// the kernel will really use. Of the table of symbols it looks at the names, for what they
// tell of the way back (see [Marks]). Everything else, code above all, is passed over.
//
// # What is refused
//
// Anything on which two readers could disagree: sections that leave the file,
// counts moved to the extension fields, a second .modinfo, a key that matters
// given twice, a name in .modinfo that differs from the one in the module's own
// structure. Each refusal is an [*Error] with a [Problem] from a closed set.
// Memory use is bounded by the section table and the sizes of three sections,
// and the symbols, each with its own limit.
//
// Signatures are noticed, not verified: the kernel does that itself where it is
// told to, and Hotstick trusts the catalog's digest, not the file.
//
// [Compose] writes the smallest file that Read accepts. No kernel loads it; it
// is what simulated kernels are fed.
package kmod
