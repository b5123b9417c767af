package hotstick

// TracingFacts say who has hooked into functions of the running kernel beside live
// patches. Only root is shown that, so the loader looks, every few minutes while it runs
// and never during an attempt, and tells the agent.
type TracingFacts struct {
	// FunctionsRead: the kernel's list of hooked functions was read (source:
	// enabled_functions of tracefs). Without it the absence of one says nothing.
	FunctionsRead bool `json:"functions_read,omitempty"`
	// Functions are those that somebody beside live patching has hooked into: first those
	// whose way somebody changes, then those with a direct call, then the others, at most
	// [MaxTraced]; by name within each kind.
	Functions []TracedFunction `json:"functions,omitempty"`
	// MoreFunctions is how many are hooked into beyond those.
	MoreFunctions int `json:"more_functions,omitempty"`
	// KprobesRead: the list of probes was read (source: kprobes/list of debugfs).
	KprobesRead bool `json:"kprobes_read,omitempty"`
	// Kprobes are the probes that are armed, or could be again, by function and offset; at
	// most [MaxTraced].
	Kprobes []Kprobe `json:"kprobes,omitempty"`
	// MoreKprobes is how many there are beyond those.
	MoreKprobes int `json:"more_kprobes,omitempty"`
	// Tracers are the processes that hold BPF programs of kinds that go into functions
	// (source: /proc/PID/fdinfo), by name and kind, at most [MaxTracers]. They are looked for
	// only where somebody is in a function. One that only pinned its programs is not found.
	Tracers []Tracer `json:"tracers,omitempty"`
	// TracersPartial: there are more, or more open files than are looked at.
	TracersPartial bool `json:"tracers_partial,omitempty"`
}

// Limits of [TracingFacts].
const (
	// MaxTraced bounds each of the two lists.
	MaxTraced = 256
	// MaxHandlers bounds what is named of one function.
	MaxHandlers = 8
	// MaxTracers and MaxTracerFunctions bound the processes, and the functions of each.
	MaxTracers         = 32
	MaxTracerFunctions = 16
)

// TracedFunction is one function that somebody has hooked into by ftrace.
type TracedFunction struct {
	// Function is written OBJECT:FUNCTION. Two functions may bear one name, and the kernel
	// does not tell here which of them is meant.
	Function string `json:"function"`
	// Users is how many have hooked in; a live patch that is in the function is one.
	Users int `json:"users"`
	// Modifies: one of them may change where the function goes on (the kernel's flag I). It
	// lets only one do that, so no live patch can come in unless that one is a live patch.
	Modifies bool `json:"modifies,omitempty"`
	// Direct: a trampoline is called directly, such as that of a BPF program (fentry, fexit).
	Direct bool `json:"direct,omitempty"`
	// Handlers are the symbols of those that the kernel names: of several users often none.
	Handlers []string `json:"handlers,omitempty"`
}

// Kprobe is one probe.
type Kprobe struct {
	// Function is written OBJECT:FUNCTION.
	Function string `json:"function"`
	// Offset is where in the function it sits, in bytes from its entry.
	Offset int `json:"offset,omitempty"`
	// Return: it runs when the function returns.
	Return bool `json:"return,omitempty"`
	// ByFtrace: it sits on the call of ftrace at the entry, and so also meets calls that a
	// live patch takes elsewhere. One in a function's old code does not.
	ByFtrace bool `json:"by_ftrace,omitempty"`
	Disabled bool `json:"disabled,omitempty"`
}

// Tracer is what the processes of one name hold of one kind of BPF program.
type Tracer struct {
	// Process is the name of the processes.
	Process string `json:"process"`
	// Kind is one of the constants.
	Kind string `json:"kind"`
	// Programs is how many there are.
	Programs int `json:"programs"`
	// Functions are those that they are in, as far as the kernel tells, at most
	// [MaxTracerFunctions].
	Functions []string `json:"functions,omitempty"`
}

// Kinds of BPF programs that go into functions.
const (
	// TracerTracing: by a trampoline (fentry, fexit, fmod_ret, LSM).
	TracerTracing = "tracing"
	// TracerMulti: by one probe of many functions.
	TracerMulti = "kprobe_multi"
	// TracerKprobe: by probes, of the kernel or of programs; a file does not tell which.
	TracerKprobe = "kprobe"
)
