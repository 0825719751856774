//! Who is known, connected, banned: the tables behind the one pool mutex. Pure; the workers decide, the pool remembers.
pub mod table;
