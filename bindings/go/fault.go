//go:build bowline_faults

package bowline

// For tests: a library with the feature fault-injection panics where it is told to, and no other library has this function.

// #include <stdlib.h>
// #include <bowline.h>
//
// int faults_at(const char *place);
//
// // C code of the same program, which has a log of its own.
// static uint64_t other_lines;
//
// static void count_line(void *ctx, int32_t level, const char *target, const char *text)
// {
//     (void)level;
//     (void)target;
//     (void)text;
//     __atomic_fetch_add((uint64_t *)ctx, 1, __ATOMIC_RELAXED);
// }
//
// static bowline_result set_other_log(void) { return bowline_log_set(count_line, &other_lines); }
//
// static uint64_t other_log_lines(void) { return __atomic_load_n(&other_lines, __ATOMIC_RELAXED); }
import "C"

import "unsafe"

// faultAt has the next thread that passes a place panic.
func faultAt(place string) bool {
	name := C.CString(place)
	defer C.free(unsafe.Pointer(name))
	return C.faults_at(name) == 1
}

// setOtherLog has C code set a log for itself.
func setOtherLog() error {
	return failed("set log", C.set_other_log(), nil)
}

// otherLogLines is how many lines came there.
func otherLogLines() uint64 {
	return uint64(C.other_log_lines())
}
