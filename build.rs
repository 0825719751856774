//! Generates what is generated: the protobuf messages of `proto/`, into OUT_DIR only.

use std::io;

fn main() -> io::Result<()> {
    messages()
}

/// Compiles the schema. protox does it in Rust; whoever sets PROTOC gets that compiler instead.
fn messages() -> io::Result<()> {
    const FILES: [&str; 4] =
        ["proto/bowline/hello.proto", "proto/bowline/nack.proto", "proto/bowline/pex.proto", "proto/bowline/discover.proto"];
    println!("cargo::rerun-if-changed=proto/bowline");
    println!("cargo::rerun-if-env-changed=PROTOC");
    let mut config = prost_build::Config::new();
    if std::env::var_os("PROTOC").is_some() {
        config.compile_protos(&FILES, &["proto"])
    } else {
        config.compile_fds(protox::compile(FILES, ["proto"]).map_err(io::Error::other)?)
    }
}
