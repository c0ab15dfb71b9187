//! Data collections: their data files and data units.

pub(crate) mod collections;
mod create_units;
pub(crate) mod files;
pub(crate) mod units;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::app::App;
use crate::data::files::FileKind;
use crate::data::seed::{
    FIRST_DATA_COLLECTION, FIRST_DATA_FILE, FIRST_DATA_UNIT, FIRST_GROUP, FIRST_STORAGE, Seed,
};
use crate::payloads::hex;
use crate::table::Table;
use crate::time::Timestamp;

pub(crate) use create_units::create as create_units;

#[derive(Debug, Clone)]
pub(crate) struct DataUnit {
    pub(crate) id: i64,
    pub(crate) collection: i64,
    pub(crate) group: Option<i64>,
    pub(crate) files: UnitFiles,
    /// Null for the generated units, whose `meta` is computed.
    pub(crate) meta: Value,
    pub(crate) created: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) enum UnitFiles {
    /// The data file of the same index.
    Generated,
    Named(NamedFiles),
}

/// The entries of each specification, by its name.
pub(crate) type NamedFiles = Vec<(String, Vec<FileEntry>)>;

#[derive(Debug, Clone)]
pub(crate) struct FileEntry {
    pub(crate) file: i64,
    pub(crate) path: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// As the client named it, or the MD5 that the server has computed. `None`: computed when it is needed.
    pub(crate) checksum: Option<String>,
    pub(crate) size: u64,
    pub(crate) content: FileContent,
    /// Whether the response to the creation has no `file`.
    pub(crate) without_link: bool,
    pub(crate) meta: Value,
    pub(crate) storage: i64,
    pub(crate) created: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) enum FileContent {
    /// The kind, and the id of the data unit that the bytes are computed from.
    Generated(FileKind, i64),
    Disk {
        path: PathBuf,
        md5: String,
    },
}

pub(crate) struct Data {
    pub(crate) collections: Table<Value>,
    pub(crate) groups: Table<Value>,
    pub(crate) units: Table<DataUnit>,
    pub(crate) files: Table<DataFile>,
    /// The data files by checksum, and how many of them it has.
    checksums: Mutex<(u64, HashMap<String, i64>)>,
}

impl Data {
    pub(crate) fn new(seed: &Seed) -> Self {
        let counts = &seed.counts;
        let (for_collections, for_groups, for_units, for_files) =
            (seed.clone(), seed.clone(), seed.clone(), seed.clone());
        Self {
            collections: Table::new(FIRST_DATA_COLLECTION, counts.data_collections, move |index| {
                collections::seeded(&for_collections, index)
            }),
            groups: Table::new(FIRST_GROUP, counts.data_collections, move |index| {
                json!({
                    "id": FIRST_GROUP + index as i64,
                    "name": format!("차수 {}", index + 1),
                    "data_collection": FIRST_DATA_COLLECTION + (index % for_groups.counts.data_collections) as i64,
                })
            }),
            units: Table::new(FIRST_DATA_UNIT, counts.data_units, move |i| seeded_unit(&for_units, i)),
            files: Table::new(FIRST_DATA_FILE, counts.data_units, move |i| seeded_file(&for_files, i)),
            checksums: Mutex::default(),
        }
    }

    /// Returns the data file with this checksum.
    pub(crate) fn by_checksum(&self, app: &App, checksum: &str) -> Option<i64> {
        let mut state = self.checksums.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, ids) = &mut *state;
        while *known < self.files.len() {
            if let Some(file) = self.files.row(*known) {
                ids.entry(file.checksum(app)).or_insert(file.id);
            }
            *known += 1;
        }
        ids.get(checksum).copied()
    }
}

impl DataFile {
    pub(crate) fn checksum(&self, app: &App) -> String {
        match (&self.checksum, &self.content) {
            (Some(checksum), _) | (None, FileContent::Disk { md5: checksum, .. }) => checksum.clone(),
            (None, FileContent::Generated(kind, unit)) => {
                hex(&Md5::digest(kind.content(app.world.seed, *unit).read(0, usize::MAX)))
            }
        }
    }
}

fn seeded_unit(seed: &Seed, index: u64) -> DataUnit {
    let collection = index % seed.counts.data_collections;
    DataUnit {
        id: FIRST_DATA_UNIT + index as i64,
        collection: FIRST_DATA_COLLECTION + collection as i64,
        group: (index % 3 != 2).then_some(FIRST_GROUP + collection as i64),
        files: UnitFiles::Generated,
        meta: Value::Null,
        created: seed.created(seed.counts.data_units, index),
    }
}

fn seeded_file(seed: &Seed, index: u64) -> DataFile {
    let kind = seed.kind(index % seed.counts.data_collections);
    let unit = FIRST_DATA_UNIT + index as i64;
    DataFile {
        id: FIRST_DATA_FILE + index as i64,
        name: kind.file_name().to_owned(),
        checksum: None,
        size: kind.size(seed.seed, unit) as u64,
        content: FileContent::Generated(kind, unit),
        without_link: false,
        meta: json!({}),
        storage: FIRST_STORAGE,
        created: seed.created(seed.counts.data_units, index),
    }
}
