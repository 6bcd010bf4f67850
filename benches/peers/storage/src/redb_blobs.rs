//! redb.

use std::path::{Path, PathBuf};

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use crate::blobs::Blobs;

const BLOBS: TableDefinition<u32, &[u8]> = TableDefinition::new("blobs");

pub struct RedbBlobs {
    database: Database,
    path: PathBuf,
}

impl RedbBlobs {
    pub fn create(path: &Path) -> Self {
        let path = path.with_extension("redb");
        Self { database: Database::create(&path).unwrap(), path }
    }
}

impl Blobs for RedbBlobs {
    fn read(&self, keys: &[u32], visit: &mut dyn FnMut(usize, &[u8])) {
        let transaction = self.database.begin_read().unwrap();
        let table = transaction.open_table(BLOBS).unwrap();
        for (index, key) in keys.iter().enumerate() {
            visit(index, table.get(key).unwrap().unwrap().value());
        }
    }

    fn write(&self, blobs: &[(u32, Vec<u8>)], durable: bool) {
        let mut transaction = self.database.begin_write().unwrap();
        let durability = if durable { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).unwrap();
        {
            let mut table = transaction.open_table(BLOBS).unwrap();
            for (key, blob) in blobs {
                table.insert(key, blob.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    fn reader(&self, work: &mut dyn FnMut(&dyn Fn(u32, &mut dyn FnMut(&[u8])))) {
        let transaction = self.database.begin_read().unwrap();
        let table = transaction.open_table(BLOBS).unwrap();
        work(&|key, visit| visit(table.get(key).unwrap().unwrap().value()));
    }

    fn disk_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len()
    }

    fn reopen(self) -> Self {
        let path = self.path.clone();
        drop(self);
        Self { database: Database::open(&path).unwrap(), path }
    }
}
