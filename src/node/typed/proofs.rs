//! What may not be done does not compile. Each bad example has a twin that differs in that one thing and compiles. Documentation
//! tests alone; nothing calls it.
//!
//! # One answer
//! ```
//! # use bowline::typed::{Incoming, Prost, Protocol};
//! # use std::time::Duration;
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! fn once(incoming: Incoming<Chat>) -> bool {
//!     incoming.answer(&"yes".to_owned(), Duration::ZERO).is_ok()
//! }
//! ```
//! ```compile_fail,E0382
//! # use bowline::typed::{Incoming, Prost, Protocol};
//! # use std::time::Duration;
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! fn twice(incoming: Incoming<Chat>) -> bool {
//!     incoming.answer(&"yes".to_owned(), Duration::ZERO).is_ok() && incoming.answer(&"no".to_owned(), Duration::ZERO).is_ok()
//! }
//! ```
//!
//! # The messages of its own channel
//! ```
//! # use bowline::{LinkId, typed::{Outlet, Prost, Protocol}};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! # struct Blocks;
//! # impl Protocol for Blocks { type Message = Vec<u8>; type Request = u64; type Answer = Vec<u8>; type Codec = Prost; }
//! fn send(chat: &Outlet<Chat>, blocks: &Outlet<Blocks>, to: LinkId, block: &Vec<u8>) -> bool {
//!     blocks.try_send(to, block).is_ok()
//! }
//! ```
//! ```compile_fail,E0308
//! # use bowline::{LinkId, typed::{Outlet, Prost, Protocol}};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! # struct Blocks;
//! # impl Protocol for Blocks { type Message = Vec<u8>; type Request = u64; type Answer = Vec<u8>; type Codec = Prost; }
//! fn send(chat: &Outlet<Chat>, blocks: &Outlet<Blocks>, to: LinkId, block: &Vec<u8>) -> bool {
//!     chat.try_send(to, block).is_ok()
//! }
//! ```
//!
//! # A handle of the channel's owner
//! Who owns another channel has no handle for this one, and a declaration cannot be made up.
//! ```
//! # use bowline::typed::{Outlet, Owner, Prost, Protocol};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! # struct Blocks;
//! # impl Protocol for Blocks { type Message = Vec<u8>; type Request = u64; type Answer = Vec<u8>; type Codec = Prost; }
//! fn handle(chat: &Owner<Chat>, blocks: &Owner<Blocks>) -> Outlet<Chat> {
//!     chat.outlet()
//! }
//! ```
//! ```compile_fail,E0308
//! # use bowline::typed::{Outlet, Owner, Prost, Protocol};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! # struct Blocks;
//! # impl Protocol for Blocks { type Message = Vec<u8>; type Request = u64; type Answer = Vec<u8>; type Codec = Prost; }
//! fn handle(chat: &Owner<Chat>, blocks: &Owner<Blocks>) -> Outlet<Chat> {
//!     blocks.outlet()
//! }
//! ```
//! ```
//! # use bowline::{Builder, Channel, typed::{Declared, Prost, Protocol}};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! fn declare() -> Option<Declared<Chat>> {
//!     Builder::new().typed(Channel::new(0x10, "chat"), Prost).ok().map(|(_, declared)| declared)
//! }
//! ```
//! ```compile_fail,E0451
//! # use bowline::{ChannelId, typed::{Declared, Prost, Protocol}};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! fn declare() -> Option<Declared<Chat>> {
//!     Some(Declared { channel: ChannelId(0x10), codec: Prost, seal: Default::default() })
//! }
//! ```
//!
//! # One owner
//! ```
//! # use bowline::{Node, typed::{Declared, Prost, Protocol}};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! fn own(node: &Node, chat: Declared<Chat>, other: Declared<Chat>) -> bool {
//!     node.own(chat).is_ok() && node.own(other).is_ok()
//! }
//! ```
//! ```compile_fail,E0382
//! # use bowline::{Node, typed::{Declared, Prost, Protocol}};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! fn own(node: &Node, chat: Declared<Chat>, other: Declared<Chat>) -> bool {
//!     node.own(chat).is_ok() && node.own(chat).is_ok()
//! }
//! ```
//! ```
//! # use bowline::typed::{Outlet, Prost, Protocol};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! fn copy(handle: &Outlet<Chat>) -> Outlet<Chat> {
//!     handle.clone()
//! }
//! ```
//! ```compile_fail,E0308
//! # use bowline::typed::{Owner, Prost, Protocol};
//! # struct Chat;
//! # impl Protocol for Chat { type Message = String; type Request = String; type Answer = String; type Codec = Prost; }
//! fn copy(owner: &Owner<Chat>) -> Owner<Chat> {
//!     owner.clone()
//! }
//! ```
