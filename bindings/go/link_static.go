//go:build bowline_static

package bowline

// The static library, which is found in the folder that pkg-config names. What it needs from the system comes after it. The
// shared library, if one lies beside it, has nothing left to give and is left out.

// #cgo pkg-config: --static bowline
// #cgo LDFLAGS: -Wl,--as-needed -l:libbowline.a
import "C"
