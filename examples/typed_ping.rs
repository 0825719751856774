//! Two nodes that speak in types: one tells the other a number and asks it for the sum so far.
//!
//! ```text
//! cargo run --example typed_ping
//! ```

use bowline::typed::{Owner, Prost, Protocol, TypedEvent};
use bowline::{Builder, Channel, LinkId, Node, generate_identity};
use std::error::Error;
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, PartialEq, prost::Message)]
struct Add {
    #[prost(uint64, tag = "1")]
    number: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AskSum {}

#[derive(Clone, PartialEq, prost::Message)]
struct Sum {
    #[prost(uint64, tag = "1")]
    total: u64,
}

/// What is said on the one channel.
struct Sums;

impl Protocol for Sums {
    type Message = Add;
    type Request = AskSum;
    type Answer = Sum;
    type Codec = Prost;
}

pub fn main() -> Result<(), Box<dyn Error>> {
    let (asker, sums) = start()?;
    let (adder, inbox) = start()?;
    let adding = serve(inbox)?;
    let link = asker.connect(&adder.listen_addresses()[0].to_string(), PATIENCE)?;
    let handle = sums.outlet();
    for number in 1..=10 {
        handle.send_timeout(link, &Add { number }, PATIENCE)?;
    }
    // On one channel what is sent first arrives first.
    let sum = handle.request(link, &AskSum {}, PATIENCE)?;
    println!("1 + 2 + … + 10 = {}", sum.total);
    assert_eq!(sum.total, 55);
    // The node itself is addressed in the same way; nothing is encoded then.
    handle.send_timeout(LinkId::LOCAL, &Add { number: 1 }, PATIENCE)?;
    asker.stop(Duration::ZERO)?;
    adder.stop(Duration::ZERO)?;
    adding.join().map_err(|_| "the adder panicked")?;
    Ok(())
}

fn start() -> Result<(Node, Owner<Sums>), Box<dyn Error>> {
    let identity = generate_identity(0, &mut |_, _| true)?.ok_or("nothing stops this search")?;
    let (builder, declared) = Builder::new()
        .set("network.name", "sums")?
        .set("network.pow_bits", "0")?
        .set("network.allow_private", "true")?
        .set("listen.addresses", "127.0.0.1:0")?
        .set("discovery.bootstrap", "true")?
        .identity(identity)
        .typed::<Sums>(Channel::new(0x10, "sums"), Prost)?;
    let node = builder.build()?;
    let owner = node.own(declared)?;
    node.start()?;
    Ok((node, owner))
}

/// Adds what it is told, and answers with the sum, until its node stops.
fn serve(inbox: Owner<Sums>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("adder".into()).spawn(move || {
        let mut total = 0;
        while let Ok(event) = inbox.recv() {
            match event {
                TypedEvent::Message(received) => total += received.message.number,
                TypedEvent::Request(asked) => drop(asked.answer(&Sum { total }, PATIENCE)),
                _ => {}
            }
        }
    })
}
