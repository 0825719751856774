//! Eclipse: who is left with whom after a day of lies and a restart. One model, four address books beside each other.

pub mod bitcoin;
pub mod cometbft;
pub mod figures;
pub mod flat;
pub mod model;
pub mod ours;
#[cfg(test)]
mod testbed;
