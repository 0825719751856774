//! C2: each call that a save makes to the disk fails once, and the power goes at each of them. The file then has what was there before the
//! save or what is there after it, never anything else, and after it if the save was acknowledged.

use super::store_redb::{read_all, write_all};
use crate::base::limits::STORE_CACHE_BYTES;
use crate::base::rng::Rng;
use crate::pool::saved::{Change, Saved};
use crate::pool::saved_json::{entry, read};
use redb::{Builder, Database, ReadableDatabase, StorageBackend};
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk loses as one piece.
const SECTOR: usize = 512;

/// A disk that counts calls and fails from one of them on; what was written since the last sync is not safe yet.
#[derive(Clone, Debug, Default)]
struct Disk {
    now: Vec<u8>,
    safe: Vec<u8>,
    pending: Vec<Pending>,
    calls: u32,
    fails_from: Option<u32>,
}

#[derive(Clone, Debug)]
enum Pending {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Pending {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Pending::Length(length) => to.resize(*length, 0),
            Pending::Write { at, bytes } => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    fn of(bytes: Vec<u8>) -> Disk {
        Disk { safe: bytes.clone(), now: bytes, ..Disk::default() }
    }

    fn call(&mut self) -> Result<(), Error> {
        self.calls += 1;
        let fails = self.fails_from.is_some_and(|from| self.calls >= from);
        if fails { Err(Error::from(ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn note(&mut self, pending: Pending) {
        pending.apply(&mut self.now);
        self.pending.push(pending);
    }

    /// What is there after the power was gone: any of the sectors that were not safe, whatever their order was.
    fn after_power_loss(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.safe.clone();
        for pending in &self.pending {
            let Pending::Write { at, bytes: written } = pending else {
                if rng.percent(50) {
                    pending.apply(&mut bytes);
                }
                continue;
            };
            for (number, sector) in written.chunks(SECTOR).enumerate().filter(|_| rng.percent(50)).collect::<Vec<_>>() {
                Pending::Write { at: at + number * SECTOR, bytes: sector.to_vec() }.apply(&mut bytes);
            }
        }
        bytes
    }
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Disk>>);

impl Shared {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.disk().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let disk = self.disk();
        let at = usize::try_from(offset).expect("small");
        let found = disk.now.get(at..at + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        let mut disk = self.disk();
        disk.call()?;
        disk.note(Pending::Length(usize::try_from(length).expect("small")));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut disk = self.disk();
        disk.call()?;
        disk.safe = disk.now.clone();
        disk.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut disk = self.disk();
        disk.call()?;
        disk.note(Pending::Write { at: usize::try_from(offset).expect("small"), bytes: data.to_vec() });
        Ok(())
    }
}

fn open(disk: &Shared) -> Database {
    Builder::new().set_cache_size(STORE_CACHE_BYTES).create_with_backend(disk.clone()).expect("it can be opened")
}

fn read_back(bytes: Vec<u8>) -> Saved {
    let disk = Shared(Arc::new(Mutex::new(Disk::of(bytes))));
    let mut database = open(&disk);
    database.check_integrity().expect("it is whole, or was repaired");
    read_all(&database.begin_read().expect("nobody writes")).expect("it can be read")
}

/// So many scores, of one generation.
fn scores(count: u8, at: u64) -> Vec<Change> {
    let line = |number: u8| {
        format!(
            "{{\"row\":\"score\",\"peer\":\"{}\",\"thousandths\":1,\"stage\":\"fine\",\"at\":{at}}}",
            format!("{number:02x}").repeat(32)
        )
    };
    (0..count).map(|number| read(&line(number)).expect("a row")).collect()
}

fn expected(steps: &[Vec<Change>]) -> Saved {
    let rows: BTreeMap<String, String> = steps.iter().flatten().map(entry).filter_map(|(key, row)| Some((key, row?))).collect();
    let mut saved = Saved::default();
    rows.values().for_each(|row| saved.take(read(row).expect("a row")));
    saved
}

#[test]
fn a_save_that_fails_or_dies_at_any_call_leaves_the_old_or_the_new() {
    let steps = [scores(200, 1), scores(100, 2)];
    let (old, new) = (expected(&steps[..1]), expected(&steps));
    let begun = Shared::default();
    let database = open(&begun);
    write_all(&database, &steps[0]).expect("there is room");
    drop(database);
    let bytes = begun.disk().now.clone();
    let mut rng = Rng::from_seed(1);
    let (mut found_old, mut found_new, mut calls) = (0, 0, 0);
    for fails_from in 1.. {
        let disk = Shared(Arc::new(Mutex::new(Disk::of(bytes.clone()))));
        let database = open(&disk);
        {
            let mut disk = disk.disk();
            (disk.calls, disk.fails_from) = (0, Some(fails_from));
        }
        let saved = write_all(&database, &steps[1]);
        // What the disk has at this moment; closing the file must not matter.
        let then = disk.disk().clone();
        drop(database);
        let mut states: Vec<Vec<u8>> = (0..8).map(|_| then.after_power_loss(&mut rng)).collect();
        states.push(then.now.clone());
        for state in states {
            let found = read_back(state);
            assert!(found == new || saved.is_err() && found == old, "call {fails_from}: {saved:?}, and it has neither");
            (found_old, found_new) = (found_old + u32::from(found == old), found_new + u32::from(found == new));
        }
        calls = then.calls;
        if saved.is_ok() {
            break;
        }
    }
    assert!(calls > 3 && found_old > 9 && found_new >= 9, "{calls} calls, {found_old} old, {found_new} new");
}
