package windowsstep

import "github.com/hotstick/hotstick"

// meaning is what one code says about an attempt. Retry: it may pass by itself.
type meaning struct {
	code  hotstick.ReasonCode
	retry bool
	text  string
}

// codes are those that are met most, after Microsoft's lists of the errors of COM, of the
// Windows Update Agent, of servicing and of certificates.
var codes = map[HResult]meaning{
	// There is no agent, or none that answers.
	0x80004001: {hotstick.ReasonUnsupported, false, "not implemented"},
	0x80040154: {hotstick.ReasonUnsupported, false, "the class is not registered"},
	0x800401F3: {hotstick.ReasonUnsupported, false, "the class is not known"},
	0x80070005: {hotstick.ReasonUnsupported, false, "access denied"},
	0x80070422: {hotstick.ReasonUnsupported, false, "the service is disabled"},
	0x80080005: {hotstick.ReasonToolFailed, true, "the service did not start"},
	0x80010108: {hotstick.ReasonToolFailed, true, "the service went away"},
	0x800706BA: {hotstick.ReasonToolFailed, true, "the service does not answer"},
	0x800706BE: {hotstick.ReasonToolFailed, true, "the service broke the call off"},
	0x80240001: {hotstick.ReasonToolFailed, true, "the agent does not provide its service"},
	0x8024001E: {hotstick.ReasonToolFailed, true, "the service was stopped"},
	0x80240025: {hotstick.ReasonUnsupported, false, "a policy keeps everybody from it"},
	0x8024002E: {hotstick.ReasonUnsupported, false, "a policy forbids it"},
	0x8024002F: {hotstick.ReasonUnsupported, false, "a policy has cancelled it"},
	0x80240044: {hotstick.ReasonUnsupported, false, "only an administrator may do it"},
	0x80248014: {hotstick.ReasonUnsupported, false, "the update service is not registered"},
	// Something else is under way.
	0x80070020: {hotstick.ReasonToolFailed, true, "a file is in use"},
	0x80240009: {hotstick.ReasonToolFailed, true, "another operation is under way"},
	0x80240016: {hotstick.ReasonToolFailed, true, "another installation is under way, or a reboot is pending"},
	0x8024001B: {hotstick.ReasonToolFailed, true, "the agent updates itself"},
	0x80070BC2: {hotstick.ReasonRebootPending, false, "a reboot is needed to end it"},
	0x80070BC9: {hotstick.ReasonRebootPending, false, "a reboot is needed before"},
	0x80070BCA: {hotstick.ReasonRebootPending, false, "a reboot has begun"},
	// The update.
	0x8024000B: {hotstick.ReasonToolFailed, true, "the operation was cancelled"},
	0x8024000C: {hotstick.ReasonToolFailed, false, "nothing had to be done"},
	0x80240017: {hotstick.ReasonUnsupported, false, "the update does not apply to this machine"},
	0x80240020: {hotstick.ReasonToolFailed, false, "nobody is logged on, whom it wants"},
	0x80240021: {hotstick.ReasonToolFailed, true, "it took too long"},
	0x80240022: {hotstick.ReasonToolFailed, false, "every update failed"},
	0x80240023: {hotstick.ReasonToolFailed, false, "the licence was declined"},
	0x80240024: {hotstick.ReasonToolFailed, false, "there are no updates"},
	0x80240028: {hotstick.ReasonNoWayBack, false, "the update cannot be uninstalled: it does not come from a server of this organisation"},
	0x80070643: {hotstick.ReasonToolFailed, false, "the update's own installer failed"},
	0x80073712: {hotstick.ReasonToolFailed, false, "the component store is damaged"},
	0x800F081E: {hotstick.ReasonUnsupported, false, "the package does not apply to this machine"},
	0x800F081F: {hotstick.ReasonToolFailed, false, "the component store lacks files"},
	0x800F0825: {hotstick.ReasonNoWayBack, false, "the package cannot be uninstalled"},
	0x800F0831: {hotstick.ReasonToolFailed, false, "the component store lacks a package"},
	0x800F0922: {hotstick.ReasonToolFailed, false, "an installer of the package failed"},
	0x80070070: {hotstick.ReasonToolFailed, false, "there is not enough room on the disk"},
	// The way to the update service.
	0x80072EE2: {hotstick.ReasonToolFailed, true, "the update service did not answer in time"},
	0x80072EE7: {hotstick.ReasonToolFailed, true, "the name of the update service cannot be resolved"},
	0x80072EFD: {hotstick.ReasonToolFailed, true, "there is no connection to the update service"},
	0x80072EFE: {hotstick.ReasonToolFailed, true, "the connection to the update service broke"},
	0x80240438: {hotstick.ReasonToolFailed, true, "there is no way to the update service"},
	0x80244018: {hotstick.ReasonNotEntitled, false, "the update service refuses this machine"},
	0x8024401C: {hotstick.ReasonToolFailed, true, "the update service did not answer in time"},
	0x8024401F: {hotstick.ReasonToolFailed, true, "the update service has failed"},
	0x80244022: {hotstick.ReasonToolFailed, true, "the update service is overloaded"},
	0x8024402C: {hotstick.ReasonToolFailed, true, "the name of the update service cannot be resolved"},
	0x80246008: {hotstick.ReasonToolFailed, true, "the download service is not there"},
	// What came is not what was signed.
	0x80072F8F: {hotstick.ReasonSignature, false, "the certificate of the update service is not trusted, or the clock is wrong"},
	0x80096010: {hotstick.ReasonSignature, false, "a signature does not fit its file"},
	0x800B0100: {hotstick.ReasonSignature, false, "a file is not signed"},
	0x800B0101: {hotstick.ReasonSignature, false, "a certificate is not valid at this time"},
	0x800B0109: {hotstick.ReasonSignature, false, "a certificate is not trusted"},
	0x80246002: {hotstick.ReasonSignature, false, "a downloaded file is not what was announced"},
}
