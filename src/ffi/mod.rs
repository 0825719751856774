//! The C face: convert, call, convert back. One file per section of the header, in the header's order; beside them the tools that
//! every section uses. It holds no logic of its own, and `unsafe` is allowed here only.
#![allow(non_camel_case_types, reason = "types are named as in C, so that the header and this code read the same")]
#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "comments of functions go into the C header as they are"
)]
#![allow(clippy::missing_safety_doc, reason = "the header's conventions are the contract of every exported function")]

pub mod a_version;
pub mod b_errors;
pub mod c_config;
pub mod c_hello;
mod callback;
pub mod convert;
pub mod d_identity;
pub mod e_node;
pub mod event;
pub mod f_queues;
#[cfg(feature = "fault-injection")]
mod faults;
pub mod fork;
pub mod g_messages;
pub mod guard;
pub mod handle;
pub mod i_send;
pub mod j_groups;
pub mod j_roles;
pub mod k_requests;
pub mod l_facts;
pub mod l_peers;
pub mod l_scores;
#[cfg(test)]
mod layout;
pub mod m_lists;
pub mod n_access;
pub mod o_operator;
pub mod p_addrbook;
pub mod q_metrics;
pub mod r_log;
pub mod raw;
pub mod s_addresses;
pub mod t_memnet;
