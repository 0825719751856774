//! bowline.
pub mod base;
