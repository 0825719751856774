//! `bowline testnet`: a whole network of real nodes in one process, formed, used, measured and shut down.

pub mod command;
mod figures;
mod form;
mod gossip;
mod plan;
mod report;
mod view;
