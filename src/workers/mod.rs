//! The control plane: welcome, maintenance and exchange as pure machines over the pool. No locks, channels, clocks or files.

pub mod machine;
