//! One table of everything an operator may set: name, unit, default, range, source. Pure: text in, checked values out.
