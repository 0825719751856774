//! A gossip node on bowline: every line of standard input goes to everybody, passed on from node to node. It speaks with the gossip nodes in
//! C (`gossip.c`) and C++ (`gossip.cc`): a message is a line of text, and its name is its contents.
//!
//! ```text
//! cargo run --example gossip -- 127.0.0.1:0                       # prints its address with its id
//! cargo run --example gossip -- 127.0.0.1:0 <what others printed>...
//! ```

use bowline::{Builder, Channel, ChannelId, Event, Node, generate_identity};
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const GOSSIP: ChannelId = ChannelId(0x21);
/// Messages remembered, so that none goes round for ever.
const REMEMBERED: usize = 1024;

#[derive(Default)]
struct Seen {
    lines: BTreeSet<Bytes>,
    order: VecDeque<Bytes>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let here = args.next().ok_or("usage: gossip <address to listen on> [<peer>...]")?;
    let node = start(&here)?;
    let at = node.listen_addresses();
    println!("bowline://{}@{}", node.id(), at.first().ok_or("it does not listen")?);
    for peer in args {
        node.add_persistent(&peer)?;
    }

    let seen = Arc::new(Mutex::new(Seen::default()));
    let (hears, knows) = (node.clone(), Arc::clone(&seen));
    let hearer = std::thread::Builder::new().spawn(move || hear(&hears, &knows))?;
    for line in std::io::stdin().lock().lines() {
        let message = Bytes::from(line?);
        if is_new(&seen, &message) {
            node.broadcast(GOSSIP, &message, None)?;
        }
    }
    node.stop(Duration::from_secs(1))?;
    hearer.join().map_err(|_| "the hearer panicked")?;
    Ok(())
}

/// A network of nodes that know each other: no proof of work, private addresses, several on one machine.
fn start(here: &str) -> Result<Node, bowline::Error> {
    let identity = generate_identity(0, &mut |_, _| true)?.ok_or(bowline::Error::NoIdentity)?;
    let node = Builder::new()
        .set("network.name", "gossip-example")?
        .set("network.pow_bits", "0")?
        .set("network.allow_private", "true")?
        .set("accept.ip_burst", "100")?
        .set("discovery.bootstrap", "true")?
        .set("listen.addresses", here)?
        .identity(identity)
        .channel(Channel::new(GOSSIP.0, "gossip"))?
        .build()?;
    node.start()?;
    Ok(node)
}

/// Prints what is new and passes it on, until the node stops.
fn hear(node: &Node, seen: &Mutex<Seen>) {
    while let Ok(event) = node.recv() {
        match event {
            Event::Up(up) => println!("* {} is here", up.peer.short()),
            Event::Down(down) => println!("* {} is gone: {}", down.peer.short(), down.reason),
            Event::Message(message) if is_new(seen, &message.body) => {
                // What others send must not steer the terminal.
                println!("{}", String::from_utf8_lossy(&message.body).replace(|character: char| character.is_control(), "?"));
                // As it is, without a copy, to all but the one it came from. It fails only while the node stops.
                let _ = node.broadcast(GOSSIP, &message.body, Some(message.link));
            }
            _ => {}
        }
    }
}

fn is_new(seen: &Mutex<Seen>, line: &Bytes) -> bool {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if !seen.lines.insert(line.clone()) {
        return false;
    }
    seen.order.push_back(line.clone());
    if seen.order.len() > REMEMBERED
        && let Some(oldest) = seen.order.pop_front()
    {
        seen.lines.remove(&oldest);
    }
    true
}
