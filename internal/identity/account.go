package identity

// Kinds of events of accounts in the audit log; the evidence has the person.
const (
	// AccountMade: the evidence also has the roles.
	AccountMade = "account.made"
	// AccountRoles: the person has other roles, which the evidence names.
	AccountRoles = "account.roles"
	// AccountPassword: the password was set; the sessions before it are over.
	AccountPassword = "account.password"
	// AccountDisabled: no token of the person works any more, and no session.
	AccountDisabled = "account.disabled"
	// AccountEnabled: tokens work again; sessions from before stay over.
	AccountEnabled = "account.enabled"
)
