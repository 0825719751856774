//! A chat on bowline: every line of standard input goes to everybody, flooded from node to node.
//!
//! ```text
//! cargo run --example gossip -- 127.0.1.1:9000                      # the first node
//! cargo run --example gossip -- 127.0.2.1:9000 127.0.1.1:9000       # the next ones: where to be, and whom to ask
//! ```

use bowline::{Builder, Channel, ChannelId, Event, Node, generate_identity};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::error::Error;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const CHAT: ChannelId = ChannelId(0x10);

/// A line is `<peer id of its author> <number> <text>`; the first two tell whether it was here before.
type Seen = Arc<Mutex<BTreeSet<String>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let here = args.next().ok_or("usage: gossip <own address:port> [<another's address:port>]")?;
    let node = start(&here, args.next())?;
    println!("{} listens on {here}; type to talk, end with Ctrl-D", node.id());

    let seen = Seen::default();
    let (reads, knows) = (node.clone(), Arc::clone(&seen));
    let reader = std::thread::Builder::new().spawn(move || listen(&reads, &knows))?;
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let key = format!("{} {number}", node.id());
        let message = Bytes::from(format!("{key} {}", line?));
        is_new(&seen, key);
        let sent = node.broadcast(CHAT, &message, None)?;
        println!("  (to {} peers)", sent.queued);
    }
    node.stop(Duration::from_secs(1))?;
    reader.join().map_err(|_| "the reader panicked")?;
    Ok(())
}

fn start(here: &str, other: Option<String>) -> Result<Node, bowline::Error> {
    let (way_in, value) = other.map_or(("discovery.bootstrap", "true".to_owned()), |other| ("discovery.seeds", other));
    let identity = generate_identity(8, &mut |_, _| true)?.ok_or(bowline::Error::NoIdentity)?;
    let host = here.rsplit_once(':').map_or(here, |(host, _)| host);
    let node = Builder::new()
        .set("network.name", "gossip example")?
        .set("network.pow_bits", "8")?
        .set("network.allow_private", "true")?
        .set("listen.addresses", here)?
        .set("dial.from", host)?
        .set(way_in, &value)?
        .identity(identity)
        .channel(Channel::new(CHAT.0, "chat"))?
        .build()?;
    node.start()?;
    Ok(node)
}

/// Prints what is new and passes it on, until the node stops.
fn listen(node: &Node, seen: &Seen) {
    while let Ok(event) = node.recv() {
        match event {
            Event::Up(up) => println!("* {} is here", up.peer.short()),
            Event::Down(down) => println!("* {} is gone: {}", down.peer.short(), down.reason),
            Event::Message(message) => {
                let line = String::from_utf8_lossy(&message.body);
                let Some((author, rest)) = line.split_once(' ') else { continue };
                let Some((number, text)) = rest.split_once(' ') else { continue };
                if is_new(seen, format!("{author} {number}")) {
                    println!("{}: {}", author.get(..8).unwrap_or(author).escape_debug(), text.escape_debug());
                    // It fails only while the node stops.
                    let _ = node.broadcast(CHAT, &message.body, Some(message.link));
                }
            }
            _ => {}
        }
    }
}

fn is_new(seen: &Seen, key: String) -> bool {
    seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
}
