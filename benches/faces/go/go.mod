module github.com/bowline-p2p/bowline/benches/faces/go

go 1.24

require github.com/bowline-p2p/bowline/bindings/go v0.0.0

replace github.com/bowline-p2p/bowline/bindings/go => ../../../bindings/go
