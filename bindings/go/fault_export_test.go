//go:build bowline_faults

package bowline

// FaultAt has the next thread that passes a place panic.
var FaultAt = faultAt
