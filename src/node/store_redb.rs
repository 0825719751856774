//! The store in a file: rows as lines of text under their keys, in one table of redb. The only file that names redb. It verifies the whole
//! file before it trusts it, puts a damaged one aside, and leaves that of a later version as it is. In a whole file a row that cannot be read
//! costs itself alone. `running.rs` opens it.

use super::clock::Clock;
use super::identity_file::folder_of;
use crate::base::limits::STORE_CACHE_BYTES;
use crate::base::text::{panic_text, shown};
use crate::pool::saved::{Change, Saved};
use crate::pool::saved_json::{ROWS_MAX, SCHEMA, entry, take};
use crate::pool::store::{Store, StoreFault};
use redb::{
    Builder, Database, DatabaseError, Durability, Error, ReadTransaction, ReadableDatabase, StorageError, TableDefinition,
    TableError,
};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Key to row, as `pool/saved_json.rs` writes them; and the schema.
const ROWS: TableDefinition<&str, &str> = TableDefinition::new("rows");
const SCHEMA_KEY: &str = "schema";
/// What a file of redb begins with, the format that this redb reads, and where each of the two commit slots says its own (redb's header.rs).
const MAGIC: &[u8] = b"redb\x1a\n\xa9\r\n";
const FORMAT: u8 = 3;
const FORMATS_AT: [usize; 2] = [64, 64 + 128];
/// No file of ours is longer: all tables full of the longest rows, twice for a transaction, and half of it free.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// See the file's head.
pub struct FileStore {
    path: PathBuf,
    /// Open from the first load on, until a write fails: redb takes no more of it then before it is opened anew.
    database: Option<Database>,
    /// There were rows in it when it was open last.
    has_rows: bool,
}

/// Why it does not work: whose fault decides whether the file is put aside.
#[derive(Debug)]
pub(super) enum Fault {
    /// The system's or the operator's.
    Io(String),
    /// The file's.
    Damaged(String),
    /// A later version's.
    Newer(u32),
    /// Nobody's that can be named: it had rows, and has none.
    Lost,
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Fault {
        let error = error.into();
        let text = error.to_string();
        match error {
            // What redb calls invalid or finds too short is no fault of the disk.
            Error::Io(error) if !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                Fault::Io(error.to_string())
            }
            Error::DatabaseAlreadyOpen => Fault::Io("another program, or another node of this one, has it open".to_owned()),
            Error::PreviousIo | Error::DatabaseClosed | Error::ValueTooLarge(_) => Fault::Io(text),
            _ => Fault::Damaged(text),
        }
    }
}

impl FileStore {
    /// A store in the file at `path`. Nothing is touched before `load`.
    pub fn new(path: impl Into<PathBuf>) -> FileStore {
        FileStore { path: path.into(), database: None, has_rows: false }
    }

    /// Opens, verifies and reads the file, or makes an empty one.
    fn open(&mut self) -> Result<Saved, Fault> {
        self.database = None;
        let is_new = self.settle_path()?;
        if !is_new {
            self.refuse_other_format()?;
            self.refuse_newer()?;
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&self.path).map_err(io)?;
        if is_new {
            // There may be an empty one with another mode.
            file.set_permissions(Permissions::from_mode(0o600)).map_err(io)?;
        }
        let mut database = Builder::new().set_cache_size(STORE_CACHE_BYTES).create_file(file)?;
        if is_new {
            // The name of the file must outlive the machine as its rows do.
            File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all()).map_err(io)?;
        } else if !database.check_integrity()? {
            log::warn!(target: "bowline::store", "{} was repaired: what was saved last may be missing", self.path.display());
        }
        let saved = read_all(&database.begin_read()?)?;
        let had_rows = std::mem::replace(&mut self.has_rows, saved != Saved::default());
        if had_rows && !self.has_rows {
            // The changes that are to be saved now are not all that is known.
            return Err(Fault::Lost);
        }
        self.database = Some(database);
        Ok(saved)
    }

    /// Follows links, so that what is put aside stays beside what it is; true if there is nothing yet.
    fn settle_path(&mut self) -> Result<bool, Fault> {
        match std::fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            found => found.map_err(io)?,
        };
        self.path = std::fs::canonicalize(&self.path).map_err(io)?;
        let about = std::fs::metadata(&self.path).map_err(io)?;
        if !about.is_file() {
            return Err(Fault::Io("this is not a regular file".to_owned()));
        }
        if about.len() > FILE_BYTES_MAX {
            return Err(Fault::Damaged(format!("{} bytes, a store has at most {FILE_BYTES_MAX}", about.len())));
        }
        Ok(about.len() == 0)
    }

    /// A file that another version of redb wrote is as good as one of a later schema. Both commit slots say which: one turned bit is damage.
    fn refuse_other_format(&self) -> Result<(), Fault> {
        let mut head = [0; FORMATS_AT[1] + 1];
        if File::open(&self.path).and_then(|mut file| file.read_exact(&mut head)).is_err() {
            return Ok(());
        }
        let format = head[FORMATS_AT[0]];
        if !head.starts_with(MAGIC) || format == FORMAT || format != head[FORMATS_AT[1]] {
            return Ok(());
        }
        Err(Fault::Io(format!(
            "its file has format {format}, this version reads {FORMAT}: run the version that wrote it, or name another file"
        )))
    }

    /// Looks at the schema without writing a byte, as far as that goes: a file whose program was killed must be repaired before it can be
    /// read.
    fn refuse_newer(&self) -> Result<(), Fault> {
        match Builder::new().set_cache_size(STORE_CACHE_BYTES).open_read_only(&self.path) {
            Ok(database) => schema(&database.begin_read()?).map(drop),
            Err(DatabaseError::RepairAborted) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), Fault> {
        if self.database.is_none() {
            self.open()?;
        }
        let database = self.database.as_ref().ok_or_else(|| Fault::Io("it could not be opened".to_owned()))?;
        write_all(database, changes)?;
        self.has_rows |= changes.iter().any(|change| !change.is_gone());
        Ok(())
    }

    /// redb may panic on a file that somebody has changed: that costs the file, not the node.
    fn contained<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, StoreFault> {
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        let fault = match result {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(fault)) => fault,
            Err(panic) => Fault::Damaged(shown(&panic_text(&*panic))),
        };
        self.database = None;
        Err(match fault {
            Fault::Io(text) => StoreFault::Io(text),
            Fault::Newer(has) => StoreFault::Newer { has, knows: SCHEMA },
            Fault::Lost => StoreFault::Lost,
            Fault::Damaged(text) => match self.put_aside() {
                Ok(aside) => {
                    self.has_rows = false;
                    StoreFault::Damaged { aside, text }
                }
                Err(error) => StoreFault::Io(format!("it is damaged ({text}), and cannot be put aside: {error}")),
            },
        })
    }

    /// Renames the file to a name that nobody has.
    fn put_aside(&self) -> std::io::Result<PathBuf> {
        let clock = Clock::start();
        let now = clock.unix_seconds(clock.now());
        let aside = |unix: u64| {
            let mut name = self.path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".damaged-{unix}"));
            self.path.with_file_name(name)
        };
        let aside = (now..).map(aside).find(|name| std::fs::symlink_metadata(name).is_err()).unwrap_or_else(|| aside(now));
        std::fs::rename(&self.path, &aside)?;
        Ok(aside)
    }
}

impl Store for FileStore {
    fn load(&mut self) -> Result<Saved, StoreFault> {
        self.has_rows = false;
        self.contained(FileStore::open)
    }

    fn save(&mut self, changes: &[Change], _is_durable: bool) -> Result<(), StoreFault> {
        self.contained(|store| store.write(changes))
    }
}

fn io(error: std::io::Error) -> Fault {
    Fault::from(StorageError::Io(error))
}

/// Saves changes in one transaction.
pub(super) fn write_all(database: &Database, changes: &[Change]) -> Result<(), Fault> {
    let mut transaction = database.begin_write()?;
    // redb knows nothing between this and keeping it in memory alone.
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut rows = transaction.open_table(ROWS)?;
        rows.insert(SCHEMA_KEY, SCHEMA.to_string().as_str())?;
        for change in changes {
            let (key, row) = entry(change);
            match row {
                Some(row) => rows.insert(key.as_str(), row.as_str())?,
                None => rows.remove(key.as_str())?,
            };
        }
    }
    Ok(transaction.commit()?)
}

/// The schema of a file; `None` for an empty one.
fn schema(transaction: &ReadTransaction) -> Result<Option<u32>, Fault> {
    let rows = match transaction.open_table(ROWS) {
        Ok(rows) => rows,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = rows.get(SCHEMA_KEY)?.ok_or_else(|| Fault::Damaged("its schema is missing".to_owned()))?;
    match text.value().parse() {
        Ok(has) if has > SCHEMA => Err(Fault::Newer(has)),
        Ok(SCHEMA) => Ok(Some(SCHEMA)),
        _ => Err(Fault::Damaged(format!("'{}' is no schema", shown(text.value())))),
    }
}

pub(super) fn read_all(transaction: &ReadTransaction) -> Result<Saved, Fault> {
    let mut saved = Saved::default();
    if schema(transaction)?.is_none() {
        return Ok(saved);
    }
    for (number, row) in transaction.open_table(ROWS)?.range::<&str>(..)?.enumerate() {
        let (key, row) = row?;
        if number > ROWS_MAX {
            return Err(Fault::Damaged(format!("more than {ROWS_MAX} rows")));
        }
        if key.value() != SCHEMA_KEY {
            take(&mut saved, key.value(), row.value());
        }
    }
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(saved_at: u64) -> Change {
        Change::Meta { key: [1; 16], saved_at }
    }

    /// After a fault the file is opened anew; what is found there then may not be what was there.
    #[test]
    fn a_file_that_was_removed_or_emptied_meanwhile_is_told_of_before_anything_is_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        let mut store = FileStore::new(&path);
        store.load().expect("a new one");
        store.database = None;
        assert_eq!(store.save(&[meta(1)], true), Ok(()), "it never had rows");
        for is_removed in [true, false] {
            store.database = None;
            if is_removed { std::fs::remove_file(&path) } else { File::create(&path).map(drop) }.expect("it is there");
            assert_eq!(store.save(&[meta(2)], true), Err(StoreFault::Lost));
            assert_eq!(store.save(&[meta(3)], true), Ok(()), "once");
        }
        store.database = None;
        assert_eq!(store.save(&[meta(4)], true), Ok(()), "it has what it had");
        store.load().expect("whole");
        drop(store);
        std::fs::remove_file(&path).expect("it is there");
        assert_eq!(FileStore::new(&path).load(), Ok(Saved::default()), "whoever begins with it loses nothing");
    }
}
