//! The data plane: one loop over all connections. `engine` is pure over a `Net`; only `mio_net` names mio.

mod closing;
pub mod conn;
pub mod engine;
mod fates;
pub mod limits;
mod listening;
pub mod mio_net;
pub mod native;
pub mod net;
mod opening;
mod rates;
mod stalls;
mod streams;
mod timers;
