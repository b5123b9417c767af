package hotstick

// Trust says which keys speak for whom. It is signed into the catalog's root
// metadata, offline, and is the only source of it for servers, agents and
// loaders alike.
type Trust struct {
	// Persons are those who may sign plans, approvals and clears. Two keys of one
	// person count once.
	Persons []TrustedPerson `json:"persons"`
	// Approvals is how many persons besides the author must sign a plan (m).
	Approvals int `json:"approvals"`
	// AuthorMayApprove allows one person alone; every screen then says "single
	// control". It requires Approvals to be 1.
	AuthorMayApprove bool `json:"author_may_approve,omitempty"`
	// ServerKeys are the online keys of this epoch, for grants, bans, halts and
	// orders to revert. All are Ed25519.
	ServerKeys []TrustedKey `json:"server_keys"`
	// EvidenceKeys are those of laboratories and builders, who sign evidence and
	// nothing else.
	EvidenceKeys []EvidenceSigner `json:"evidence_keys,omitempty"`
	// Epoch fences servers. It changes only here.
	Epoch uint64 `json:"epoch"`
}

// EvidenceSigner binds keys to a laboratory or a builder. It is no person: its
// signature approves nothing.
type EvidenceSigner struct {
	Name string       `json:"name"`
	Keys []TrustedKey `json:"keys"`
}

// TrustedPerson binds keys to a person.
type TrustedPerson struct {
	Person Person       `json:"person"`
	Keys   []TrustedKey `json:"keys"`
}
