//go:build !bowline_static

package bowline

// The shared library: programs look for it (libbowline.so.0.1, of 0.1) when they start.

// #cgo pkg-config: bowline
import "C"
