// Gencodes writes codes.go from the result table of the library. Run it with go generate.
package main

import (
	"fmt"
	"log"
	"os"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
	"github.com/bowline-p2p/bowline/bindings/go/internal/codes"
)

func main() {
	var rows []codes.Row
	for _, info := range bowline.Codes() {
		rows = append(rows, codes.Row{Number: int32(info.Code), Name: info.Name, Text: info.Text})
	}
	source, err := codes.Source(rows)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("codes.go", source, 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("codes.go has %d codes\n", len(rows)-1)
}
