//! Who is known, connected, banned: the tables behind the one pool mutex. Pure; the workers decide, the pool remembers.
pub mod arriving;
pub mod book;
pub mod buckets;
pub mod choose;
pub mod choose_dial;
pub mod choose_drop;
pub mod choose_share;
pub mod dialing;
pub mod duplicate;
pub mod evict;
pub mod group_map;
pub mod json;
pub mod judge;
pub mod keeping;
pub mod life;
pub mod lists;
pub mod marks;
pub mod meeting;
pub mod operate;
pub mod pace;
pub mod pages;
pub mod parting;
pub mod peers;
pub mod points;
pub mod policy;
pub mod quotas;
pub mod saved;
pub mod saved_json;
pub mod score;
pub mod select;
pub mod shareable;
pub mod shelf;
pub mod slots;
pub mod store;
pub mod table;
pub mod tried;

#[cfg(test)]
mod arriving_tests;
#[cfg(test)]
mod book_tests;
#[cfg(test)]
pub mod choose_dial_tests;
#[cfg(test)]
pub mod choose_drop_tests;
#[cfg(test)]
pub mod choose_share_tests;
#[cfg(test)]
mod dialing_tests;
#[cfg(test)]
mod evict_tests;
#[cfg(test)]
mod keeping_tests;
#[cfg(test)]
mod life_tests;
#[cfg(test)]
mod lists_tests;
#[cfg(test)]
mod meeting_tests;
#[cfg(test)]
mod pages_tests;
#[cfg(test)]
mod parting_tests;
#[cfg(test)]
mod points_tests;
#[cfg(test)]
mod quotas_tests;
#[cfg(test)]
mod restore_tests;
#[cfg(test)]
mod saved_json_tests;
#[cfg(test)]
mod score_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod testbed;
