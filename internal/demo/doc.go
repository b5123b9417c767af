// Package demo runs the main job end to end on real kernels and checks every
// claim it makes.
//
// It starts the server and the agents as separate processes, exactly as an
// operator would, and drives them with the command line that it also prints. What
// it claims of a kernel it reads over the guest's serial line, never through the
// agent; what it claims of the screens it reads from the API. Each claim is a
// [Check] with its evidence.
//
// The steps: prepare kernels and live patches; initialise; boot four guests; roll
// out a good level; a bad level comes back out by itself; a killer level strikes
// one host and nobody else; server, agent and loader are killed in the middle of
// things; everything is stopped at once.
package demo
