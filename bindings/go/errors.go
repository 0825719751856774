package bowline

// #include <bowline.h>
import "C"

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"sync"
	"unsafe"
)

//go:generate go run ./internal/gencodes

// Code is what a call of the library answers when it fails. The constants Err... are its values, and are errors themselves, for
// [errors.Is].
type Code int32

// Error says what the code means, in half a sentence.
func (c Code) Error() string {
	return "bowline: " + c.Text()
}

// Text is what the code means, in half a sentence.
func (c Code) Text() string {
	return C.GoString(C.bowline_result_text(C.int32_t(c)))
}

// Name is the code's name in C, such as "BOWLINE_E_TIMEOUT".
func (c Code) Name() string {
	return C.GoString(C.bowline_result_name(C.int32_t(c)))
}

// Is makes codes match the errors of the standard library that mean the same, so that a time that is over in the library and one
// that is over in Go are one case: [context.DeadlineExceeded], [context.Canceled], [fs.ErrNotExist], [fs.ErrExist],
// [fs.ErrPermission].
func (c Code) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded, os.ErrDeadlineExceeded:
		return c == ErrTimeout
	case context.Canceled:
		return c == ErrCanceled
	case fs.ErrNotExist:
		return c == ErrNotFound
	case fs.ErrExist:
		return c == ErrExists
	case fs.ErrPermission:
		return c == ErrPermission
	}
	return false
}

// Retryable tells whether the same call may succeed later.
func (c Code) Retryable() bool { return c.has(C.BOWLINE_RESULT_RETRYABLE) }

// Fatal tells whether the node, or the library, is broken: close it and report that.
func (c Code) Fatal() bool { return c.has(C.BOWLINE_RESULT_FATAL) }

// ConcernsPeer tells whether it is about one peer, and others are not concerned.
func (c Code) ConcernsPeer() bool { return c.has(C.BOWLINE_RESULT_PEER) }

func (c Code) has(flag uint32) bool {
	for _, info := range table() {
		if info.Code == c {
			return info.flags&flag != 0
		}
	}
	return false
}

// CodeInfo is a row of [Codes].
type CodeInfo struct {
	Code Code
	Name string // in C: "BOWLINE_E_TIMEOUT"
	Text string // what it means, in half a sentence

	flags uint32
}

// Codes lists every code that the library has, success (0) included.
func Codes() []CodeInfo {
	return append([]CodeInfo(nil), table()...)
}

var table = sync.OnceValue(func() []CodeInfo {
	var rows *C.bowline_result_info
	count := C.bowline_result_table(&rows)
	infos := make([]CodeInfo, 0, count)
	for _, row := range unsafe.Slice(rows, count) {
		infos = append(infos, CodeInfo{Code(row.code), C.GoString(row.name), C.GoString(row.text), uint32(row.flags)})
	}
	return infos
})

// CloseReason is why a link closed, as a number of the protocol; docs/c-guide.md lists them. 0: not known.
type CloseReason uint16

// String says what the reason means.
func (r CloseReason) String() string {
	if r == 0 {
		return "not known"
	}
	return C.GoString(C.bowline_reason_text(C.uint32_t(r)))
}

// Error is a failed call. It matches its code in [errors.Is], and what ended the call's context, if that did.
type Error struct {
	Op     string      // what was tried: "connect"
	Code   Code        // what came of it
	Text   string      // a sentence with the names and numbers of the case, or ""
	Remote uint32      // the number that the peer gave, for ErrRemote
	Reason CloseReason // why the link closed, for ErrPeerGone of what was under way
	cause  error
}

func (e *Error) Error() string {
	text := e.Text
	if text == "" {
		text = e.Code.Text()
	}
	if e.Reason != 0 {
		text += ": " + e.Reason.String()
	}
	return "bowline: " + e.Op + ": " + text
}

// Unwrap gives the code, and the context's error if the context ended the call.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.Code, e.cause}
	}
	return []error{e.Code}
}

// Timeout tells whether the time was over.
func (e *Error) Timeout() bool { return e.Code == ErrTimeout }

// ErrClosed is what every call answers after Close. It matches [ErrStopped] and [fs.ErrClosed].
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "bowline: it was closed" }

func (closedError) Is(target error) bool { return target == ErrStopped || target == fs.ErrClosed }

// failed turns a result into an error, and frees the library's.
func failed(op string, result C.bowline_result, said *C.bowline_error) error {
	if result == C.BOWLINE_OK {
		return nil
	}
	err := &Error{Op: op, Code: Code(result)}
	if said != nil {
		err.Text = C.GoString(C.bowline_error_text(said))
		C.bowline_error_free(said)
	}
	return err
}

// ended is the error of a call whose context is over.
func ended(op string, ctx context.Context) error {
	code := ErrCanceled
	if ctx.Err() == context.DeadlineExceeded {
		code = ErrTimeout
	}
	return &Error{Op: op, Code: code, cause: context.Cause(ctx)}
}

// cstring is a text for the length of a call. It is Go memory, which the library does not keep.
func cstring(op, text string) (*C.char, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, &Error{Op: op, Code: ErrInvalid, Text: "a text has a NUL byte, which C would take for its end"}
	}
	bytes := append([]byte(text), 0)
	return (*C.char)(unsafe.Pointer(&bytes[0])), nil
}

// checked is the answer to whether this package was compiled for the library that runs.
var checked = sync.OnceValue(func() error {
	if result := C.bowline_check_abi(C.BOWLINE_VERSION_NUMBER); result != C.BOWLINE_OK {
		text := "compiled with the header of another version than the library that runs, " + Version()
		return &Error{Op: "load", Code: Code(result), Text: text}
	}
	return nil
})
