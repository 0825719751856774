//! Bytes that one of each thing takes of which a node may hold many. `settings/memory.rs` multiplies them by the bounds; the owner of each
//! asserts beside it that it is no larger than said here.

/// An address, beside the text of a name.
pub const ADDRESS: usize = 72;
/// A capability, beside its name.
pub const CAPABILITY: usize = 32;
/// What a peer says of itself, decoded: at most 8 KiB of texts, and the parts that they stand in.
pub const HELLO: usize = 16 * 1_024;
/// What is noted of a message that has arrived, and of one that waits to be sent, beside its bytes.
pub const ENTRY: usize = 12;
pub const WAITING: usize = 12;
/// What one that waits to be sent has beside it, if it expires or has a tag.
pub const NOTE: usize = 40;
/// What of a link and of the queues' boxes each channel takes, beside messages.
pub const LANE: usize = 1_536;
/// An event, a report, a control message on its way to exchange, an order to the reactor; beside what they point to.
pub const EVENT: usize = 128;
/// What became of a send or request, on its way to who is told; and a request of ours that has no answer, with its number.
pub const NEWS: usize = 152;
pub const ASKED: usize = 48;
pub const REPORT: usize = 128;
pub const CONTROL: usize = 96;
pub const COMMAND: usize = 128;
/// A control message that its link still holds.
pub const CONTROL_MESSAGE: usize = 32;
/// A place in a group of links.
pub const GROUP_PLACE: usize = 16;
/// A place of the pool, a known address, a known identity, with their keys.
pub const SLOT: usize = 288;
pub const POINT: usize = 344;
pub const PEER: usize = 256;
/// A known address in the lists that answers are made from: two places on a circle, since when it is proven, and its row while they are made.
pub const SHAREABLE: usize = 168;
/// A score with its key, beside its causes; and one cause, beside its text.
pub const SCORE: usize = 144;
pub const CAUSE: usize = 40;
/// An entry of the operator's lists with its key, beside its text.
pub const ENTRY_OF_LIST: usize = 88;
/// A row of what the door knows: an address or prefix, and until when.
pub const ROW_OF_DOOR: usize = 32;
/// Somebody on the greylist, and when his time there ends.
pub const CULPRIT: usize = 40;

/// What an entry of so many bytes takes in a B-tree: at worst a node is five elevenths full, and inner nodes add a fifth.
pub const fn in_tree(bytes: usize) -> usize {
    3 * bytes
}

/// What a vector takes that has grown to so many bytes: it doubles when it is full.
pub const fn grown(bytes: usize) -> usize {
    2 * bytes
}
