//! Real nodes whose store fails, panics, hangs, or loses what it has: what could not be saved is not forgotten, and nobody waits for a disk.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{Change, Error, MemoryStore, Notice, PeerId, Saved, Store, StoreFault};
use nodes::{builder, connect, notices, started, until};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

/// A store that fails as often as it is told to.
#[derive(Clone, Default)]
struct Faulty {
    memory: MemoryStore,
    /// Calls that still fail.
    faults: Arc<AtomicU64>,
    panics: bool,
    /// What a call fails with, and loses all rows by; `None`: the disk is full.
    loses: Option<StoreFault>,
}

impl Faulty {
    fn call(&self) -> Result<(), StoreFault> {
        let fails = self.faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        assert!(!(fails && self.panics), "on purpose");
        if !fails {
            return Ok(());
        }
        let Some(fault) = &self.loses else { return Err(StoreFault::Io("no space left".to_owned())) };
        let mut memory = self.memory.clone();
        let Saved { points, peers, lists, scores, .. } = memory.load()?;
        let points = points.iter().map(|point| Change::NoPoint(point.at));
        let peers = peers.iter().map(|peer| Change::NoPeer(peer.id));
        let lists = lists.iter().map(|entry| Change::NoList(entry.list, entry.subject));
        let scores = scores.iter().map(|score| Change::NoScore(score.peer));
        memory.save(&points.chain(peers).chain(lists).chain(scores).collect::<Vec<_>>(), true)?;
        Err(fault.clone())
    }
}

impl Store for Faulty {
    fn load(&mut self) -> Result<Saved, StoreFault> {
        self.call()?;
        self.memory.load()
    }

    fn save(&mut self, changes: &[Change], is_durable: bool) -> Result<(), StoreFault> {
        self.call()?;
        self.memory.save(changes, is_durable)
    }
}

/// C2, C3: a disk that fails or is full at any moment; what could not be saved is not forgotten.
#[test]
fn what_could_not_be_saved_is_saved_later_and_told_once() {
    for panics in [false, true] {
        let store = Faulty { panics, ..Faulty::default() };
        let set = [("maintenance.period", "100ms")];
        let node = started(builder(&set).store(Box::new(store.clone())));
        store.faults.store(3, Ordering::Relaxed);
        node.report(peer(1), -900, "lies").expect("running");
        let text = match node.save(PATIENCE) {
            Err(Error::NotSaved(text)) => text,
            // Maintenance was quicker, and has met all the faults.
            Ok(()) => String::new(),
            other => panic!("{other:?}"),
        };
        assert!(text.is_empty() || text.contains(if panics { "on purpose" } else { "no space left" }), "{text}");
        let mut memory = store.memory.clone();
        until("it is saved", || memory.clone().load().is_ok_and(|saved| saved.scores.len() == 1));
        assert_eq!(memory.load().expect("memory").lists.len(), 1);
        let told = notices(&node, |notice| if let Notice::StoreFailed { text } = notice { Some(text) } else { None });
        assert!(told.len() <= 1, "{told:?}");
        node.stop(Duration::from_secs(1)).expect("stops");
    }
}

/// What it had is known still: the next save brings all of it back, not only what has changed.
#[test]
fn a_store_that_loses_what_it_has_while_a_node_runs_gets_all_of_it_again() {
    let aside = PathBuf::from("aside");
    for fault in [StoreFault::Damaged { aside: aside.clone(), text: "a bit".to_owned() }, StoreFault::Lost] {
        let is_damage = fault != StoreFault::Lost;
        let store = Faulty { loses: Some(fault), ..Faulty::default() };
        let node = started(builder(&[]).store(Box::new(store.clone())));
        let nets = ["192.0.2.0/24", "198.51.100.0/24"].map(|text| text.parse().expect("a prefix"));
        node.ban(nets[0], None, "spam").expect("there is room");
        node.save(PATIENCE).expect("saved");
        store.faults.store(1, Ordering::Relaxed);
        node.ban(nets[1], None, "spam").expect("there is room");
        node.save(PATIENCE).expect("saved anew");
        let saved = store.memory.clone().load().expect("memory");
        assert_eq!(saved.lists.iter().map(|entry| entry.subject).collect::<Vec<_>>(), nets);
        let told = notices(&node, |notice| if let Notice::StoreSetAside { path, .. } = notice { Some(path) } else { None });
        assert_eq!(told, if is_damage { vec![aside.clone()] } else { Vec::new() });
        node.stop(Duration::from_secs(1)).expect("stops");
    }
}

#[test]
fn a_store_that_cannot_be_loaded_keeps_a_node_from_starting_until_it_can() {
    for (panics, says) in [(false, "no space left"), (true, "the store panicked: on purpose")] {
        let store = Faulty { panics, ..Faulty::default() };
        store.faults.store(1, Ordering::Relaxed);
        let node = builder(&[]).store(Box::new(store)).build().expect("valid settings");
        let refused = node.start();
        assert!(matches!(&refused, Err(Error::Store { fault: StoreFault::Io(text), .. }) if text == says), "{refused:?}");
        node.start().expect("it can be loaded now");
        node.save(PATIENCE).expect("there is nothing to save");
    }
}

/// A store that hangs.
struct Hanging;

impl Store for Hanging {
    fn load(&mut self) -> Result<Saved, StoreFault> {
        Ok(Saved::default())
    }

    fn save(&mut self, _: &[Change], _: bool) -> Result<(), StoreFault> {
        std::thread::sleep(Duration::from_secs(8));
        Ok(())
    }
}

#[test]
fn a_disk_that_hangs_delays_neither_calls_nor_the_stop() {
    let node = started(builder(&[]).store(Box::new(Hanging)));
    let begin = Instant::now();
    node.report(peer(1), -900, "lies").expect("running");
    assert!(matches!(node.save(Duration::from_millis(50)), Err(Error::Timeout)));
    let other = started(builder(&[]));
    connect(&other, &node);
    assert!(matches!(node.stop(Duration::ZERO), Err(Error::Timeout)));
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}
