//! The data plane: one loop over all connections. `engine` is pure over a `Net`; only `mio_net` names mio.
