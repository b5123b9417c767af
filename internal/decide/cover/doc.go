// Package cover says until when there are live patches for a running kernel: the day by
// which its host must boot another one.
//
// [Of] takes from a host's facts what the answer rests on, and [Rules.Judge] answers:
//
//   - What the live-patch system on the host says of its own cover holds.
//   - Else the first rule for that system and kernel holds: a number of months from the day
//     on which the kernel was published, the next baseline of Windows, a day, or that there
//     is none to be told.
//   - A day that would have to be guessed is unknown. Not every kernel was published on the
//     day on which it was built, and no vendor covers a kernel because it runs somewhere.
//
// # Rules
//
// The rules that come with Hotstick are in vendors.yaml, each with the page that it was
// read on ([Default]). An operator's file is asked before them ([Rules.Over]):
//
//	apiVersion: hotstick/cover/v1
//	kind: Cover
//	name: ours
//	rules:                      # the first that fits holds
//	  - name: extended
//	    driver: kpatch          # of the live-patch system
//	    distributions: [rhel:9] # ID, or ID:RELEASE with every minor release of it
//	    packages: [kernel]      # patterns of source packages
//	    series: ['5.14']        # of the kernel's version
//	    releases: ['*.el9_4.x86_64'] # patterns of what uname -r prints
//	    months: 24              # or until: 2027-06-30, or end: WORD
//	    chosen: true            # only kernels that the vendor has chosen
//	    source: contract 4711   # where this is written
//	kernels:                    # when kernels were published
//	  - {release: 5.14.0-427.13.1.el9_4.x86_64, published: 2024-05-07}
//
// A pattern is one of path.Match. What a rule leaves out is not asked. WORD is next_baseline,
// with unplanned: [2026-08] for the months that the calendar does not tell; unpublished: the
// vendor does not say; own_patches: there is no vendor; or left_out: there are no live patches
// for such kernels. Reading is strict, see package strictyaml.
//
// # Counting
//
// Days are UTC's. So many months from a day end on the same day of their month, or on its
// last if it is shorter: never later. The last day is covered itself. A baseline of Windows
// ends the cover on the day on which it is published.
package cover
