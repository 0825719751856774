module github.com/bowline-p2p/bowline/bindings/go

go 1.24
