// A Go program that finds the installed library by pkg-config.
package main

// #cgo pkg-config: bowline
// #include <bowline.h>
import "C"

import (
	"fmt"
	"os"
)

func main() {
	if C.bowline_check_abi(C.BOWLINE_VERSION_NUMBER) != C.BOWLINE_OK {
		os.Exit(1)
	}
	var key *C.bowline_keypair
	if C.bowline_keypair_generate(0, C.BOWLINE_FOREVER, &key) != C.BOWLINE_OK {
		os.Exit(1)
	}
	C.bowline_keypair_free(key)
	fmt.Println(C.GoString(C.bowline_version_string()))
}
