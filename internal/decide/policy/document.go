package policy

// policyDoc is a document of kind Policy.
type policyDoc struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Name       label    `yaml:"name"`
	Summary    line     `yaml:"summary"`
	Applies    *applies `yaml:"applies"`
	Eligible   []rule   `yaml:"eligible"`
	// Demands say how good the way back must be; for each host the first that holds.
	Demands []demand `yaml:"demand_reversibility"`
	Rings   []ring   `yaml:"rings"`
	Windows []window `yaml:"windows"`
	// Last is true for the hosts that go last.
	Last    expression `yaml:"last"`
	Waves   waves      `yaml:"waves"`
	Attempt attempt    `yaml:"attempt"`
	Budgets []budget   `yaml:"budgets"`
	Gate    gate       `yaml:"gate"`
	Plan    plan       `yaml:"plan"`
	Drift   drift      `yaml:"drift"`
	Tests   []testCase `yaml:"tests"`
}

type applies struct {
	When    expression `yaml:"when"`
	Urgency int        `yaml:"urgency"`
}

type rule struct {
	Name label      `yaml:"name"`
	When expression `yaml:"when"`
}

type demand struct {
	Name  label      `yaml:"name"`
	Class class      `yaml:"class"`
	When  expression `yaml:"when"`
}

type ring struct {
	Name  label      `yaml:"name"`
	When  expression `yaml:"when"`
	After span       `yaml:"after"`
}

type window struct {
	Calendar label      `yaml:"calendar"`
	When     expression `yaml:"when"`
}

type waves struct {
	Bake           bakes          `yaml:"bake"`
	StandIns       int            `yaml:"stand_ins"`
	Widen          []int          `yaml:"widen"`
	Spread         map[string]int `yaml:"spread"`
	Representative []line         `yaml:"representative"`
	Delay          span           `yaml:"delay"`
	Manual         bool           `yaml:"manual"`
}

type bakes struct {
	First    span `yaml:"first"`
	Canaries span `yaml:"canaries"`
	Widening span `yaml:"widening"`
}

type attempt struct {
	Probation  span `yaml:"probation"`
	Transition span `yaml:"transition"`
	// TransitionBy has the transitions of single drivers.
	TransitionBy map[string]span `yaml:"transition_by"`
}

type budget struct {
	Domain  line `yaml:"domain"`
	Max     *int `yaml:"max"`
	Percent *int `yaml:"percent"`
	Quorum  bool `yaml:"quorum"`
	Open    *int `yaml:"open"`
	Mixed   span `yaml:"mixed"`
}

type gate struct {
	MinReadings    int  `yaml:"min_readings"`
	Fresh          span `yaml:"fresh"`
	BackgroundPPM  int  `yaml:"background_ppm"`
	FalseAlarmPPM  int  `yaml:"false_alarm_ppm"`
	SlowTransition span `yaml:"slow_transition"`
	// StopAll: one patch that fails in a plan for a CVE halts the whole plan.
	StopAll bool `yaml:"stop_all"`
}

type plan struct {
	Life      span      `yaml:"life"`
	Approvals int       `yaml:"approvals"`
	Late      *lateRule `yaml:"late"`
	// Reapplies is how often a level is put back on one host; 0 means once.
	Reapplies int `yaml:"reapplies"`
}

type lateRule struct {
	Labels map[string]string `yaml:"labels"`
}

// calendarDoc is a document of kind Calendar.
type calendarDoc struct {
	APIVersion string      `yaml:"apiVersion"`
	Kind       string      `yaml:"kind"`
	Name       label       `yaml:"name"`
	Summary    line        `yaml:"summary"`
	Zone       zone        `yaml:"zone"`
	Windows    []recurring `yaml:"windows"`
	// Except lists days, or starts, that are left out.
	Except []wall `yaml:"except"`
}

// recurring is one window of a calendar and how it comes back.
type recurring struct {
	Start    wall  `yaml:"start"`
	Duration span  `yaml:"duration"`
	Rule     recur `yaml:"rule"`
	// Until is the last start that there may be.
	Until wall `yaml:"until"`
}

// freezeDoc is a document of kind Freeze.
type freezeDoc struct {
	APIVersion string     `yaml:"apiVersion"`
	Kind       string     `yaml:"kind"`
	Name       label      `yaml:"name"`
	Summary    line       `yaml:"summary"`
	From       wall       `yaml:"from"`
	Until      wall       `yaml:"until"`
	Zone       zone       `yaml:"zone"`
	Reason     line       `yaml:"reason"`
	When       expression `yaml:"when"`
}

// testCase is one row of a policy's own table.
type testCase struct {
	Name   line      `yaml:"name"`
	At     instant   `yaml:"at"`
	Host   Host      `yaml:"host"`
	Patch  testPatch `yaml:"patch"`
	Expect expect    `yaml:"expect"`
}

// testPatch is a [Patch] as tests write it: with its age instead of a date.
type testPatch struct {
	Name          string   `yaml:"name"`
	Level         int      `yaml:"level"`
	CVEs          []string `yaml:"cves"`
	Driver        string   `yaml:"driver"`
	Reversibility string   `yaml:"reversibility"`
	Replace       bool     `yaml:"replace"`
	Class         string   `yaml:"class"`
	Severity      string   `yaml:"severity"`
	Evidence      []string `yaml:"evidence"`
	Age           span     `yaml:"age"`
}

// expect is what a test expects; what is left out is not compared.
type expect struct {
	Eligible *bool  `yaml:"eligible"`
	Ring     *label `yaml:"ring"`
	Calendar *label `yaml:"calendar"`
	Last     *bool  `yaml:"last"`
	// Reason is the name of the rule, calendar or freeze that kept the host out.
	Reason *label `yaml:"reason"`
	// Opens is when the host may start for the first time.
	Opens *instant `yaml:"opens"`
}
