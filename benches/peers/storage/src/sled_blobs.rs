//! sled.

use std::path::{Path, PathBuf};

use crate::blobs::Blobs;

pub struct SledBlobs {
    database: sled::Db,
    path: PathBuf,
}

impl SledBlobs {
    pub fn create(path: &Path) -> Self {
        Self { database: sled::open(path).unwrap(), path: path.to_owned() }
    }
}

impl Blobs for SledBlobs {
    fn read(&self, keys: &[u32], visit: &mut dyn FnMut(usize, &[u8])) {
        for (index, key) in keys.iter().enumerate() {
            visit(index, &self.database.get(key.to_be_bytes()).unwrap().unwrap());
        }
    }

    fn write(&self, blobs: &[(u32, Vec<u8>)], durable: bool) {
        let mut batch = sled::Batch::default();
        for (key, blob) in blobs {
            batch.insert(&key.to_be_bytes(), blob.as_slice());
        }
        self.database.apply_batch(batch).unwrap();
        if durable {
            self.database.flush().unwrap();
        }
    }

    fn reader(&self, work: &mut dyn FnMut(&dyn Fn(u32, &mut dyn FnMut(&[u8])))) {
        work(&|key, visit| visit(&self.database.get(key.to_be_bytes()).unwrap().unwrap()));
    }

    fn disk_bytes(&self) -> u64 {
        self.database.flush().unwrap();
        self.database.size_on_disk().unwrap()
    }

    fn reopen(self) -> Self {
        let path = self.path.clone();
        drop(self);
        Self::create(&path)
    }
}
