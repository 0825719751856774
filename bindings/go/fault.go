//go:build bowline_faults

package bowline

// For tests: a library with the feature fault-injection panics where it is told to, and no other library has this function.

// #include <stdlib.h>
// int faults_at(const char *place);
import "C"

import "unsafe"

// faultAt has the next thread that passes a place panic.
func faultAt(place string) bool {
	name := C.CString(place)
	defer C.free(unsafe.Pointer(name))
	return C.faults_at(name) == 1
}
