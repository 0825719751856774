//go:build bowline_faults

package bowline

// FaultAt has the next thread that passes a place panic.
var FaultAt = faultAt

// SetOtherLog has C code set a log for itself; OtherLogLines is how many lines came there.
var (
	SetOtherLog   = setOtherLog
	OtherLogLines = otherLogLines
)
