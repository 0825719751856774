package bowline

// #include <bowline.h>
// #cgo noescape bowline_clock_ns
// #cgo nocallback bowline_clock_ns
// #cgo noescape bowline_version
// #cgo nocallback bowline_version
//
// #if BOWLINE_VERSION_NUMBER < 0x000100
// #error "this package needs bowline 0.1"
// #endif
import "C"

import "time"

// Version is the version of the library that runs: "0.1.0".
func Version() string {
	return C.GoString(C.bowline_version_string())
}

// VersionNumber is the version of the library that runs, as major << 16 | minor << 8 | patch.
func VersionNumber() uint32 {
	return uint32(C.bowline_version())
}

// BuildInfo says how the library was built, for bug reports.
func BuildInfo() string {
	return C.GoString(C.bowline_build_info())
}

// Moment is a point in time by the library's clock: nanoseconds, monotonic, from no particular moment. 0 is none.
type Moment uint64

// Now is the present moment.
func Now() Moment {
	return Moment(C.bowline_clock_ns())
}

// Sub is the time from an earlier moment to this one.
func (m Moment) Sub(earlier Moment) time.Duration {
	return time.Duration(m - earlier)
}

// Time is the moment by the clock on the wall, as far as that has not been set since. The zero moment is the zero time.
func (m Moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Now().Add(m.Sub(Now()))
}

// Forever is a time without an end, for calls that take a duration. Any other negative time is over already.
const Forever time.Duration = -1

// millis rounds up, so that a wait is never shorter than what was asked for.
func millis(d time.Duration) C.int64_t {
	if d == Forever {
		return C.BOWLINE_FOREVER
	}
	ms := max(d, 0) / time.Millisecond
	if d > ms*time.Millisecond {
		ms++
	}
	return C.int64_t(ms)
}
