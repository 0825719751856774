//! One table of everything an operator may set: name, unit, default, range, source. Pure: text in, checked values out.

pub mod check;
pub mod error;
pub mod live;
pub mod memory;
pub mod table;
pub mod value;
