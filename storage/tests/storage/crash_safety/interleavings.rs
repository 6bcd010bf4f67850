//! Readers against the writer in every order that matters: the store as it is, over a file whose every call is a
//! point at which the scheduler may let another thread go on.
//!
//! What runs between two calls of the file is not taken apart here: the swap of the root itself, which is
//! `arc_swap`'s, counts as one step. That one thread at a time runs also shows that readers wait for nobody: one that
//! took the writer's lock would never get it.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;

use hyprstream_storage::backend::{MemoryBackend, StorageBackend, View};
use hyprstream_storage::{
    DataType, Durability, GridOptions, GridStore, MatrixPath, Shape, Snapshot, UpdateBatch,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::{AtomicUsize, Ordering};

use crate::support::count;

const GENERATIONS: u32 = 6;
const SPOTS: [(u32, u32); 3] = [(0, 0), (17, 3), (255, 15)];

/// A file in memory, or a view of one, each of whose calls may be interrupted before it does anything.
#[derive(Debug)]
struct Interrupted<T> {
    inner: T,
    calls: Arc<AtomicUsize>,
}

impl<T> Interrupted<T> {
    fn call(&self) -> &T {
        self.calls.fetch_add(1, Ordering::SeqCst);
        &self.inner
    }
}

impl StorageBackend for Interrupted<MemoryBackend> {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn len(&self) -> io::Result<u64> {
        self.call().len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call().set_len(len)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // The halves of a write can be seen apart, as through a map.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        self.call().write(offset, first)?;
        self.call().write(offset + first.len() as u64, second)
    }

    fn sync(&self) -> io::Result<()> {
        self.call().sync()
    }

    fn view(&self, len: u64) -> io::Result<Arc<dyn View>> {
        Ok(Arc::new(Interrupted { inner: self.call().view(len)?, calls: Arc::clone(&self.calls) }))
    }
}

impl View for Interrupted<Arc<dyn View>> {
    fn bytes(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        self.call().bytes(offset, len)
    }
}

fn path(layer: u32) -> MatrixPath {
    MatrixPath::new("support", "1", layer, "q_proj", "A")
}

fn new_store() -> GridStore {
    let file = |name| {
        Arc::new(Interrupted {
            inner: MemoryBackend::new(name, Vec::new()),
            calls: Arc::new(AtomicUsize::new(0)),
        })
    };
    let data = file("data");
    GridStore::create_backend(data.as_ref()).unwrap();
    let store = GridStore::open_backends(data, file("wal"), &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    for layer in 0..2 {
        write.put_matrix(&path(layer), Shape::new(256, 16), DataType::F32, &[0.0; 4096]).unwrap();
    }
    write.commit(Durability::Immediate).unwrap();
    store
}

/// The generation that a snapshot shows, which is the same wherever it is read.
fn generation(snapshot: &Snapshot) -> f32 {
    let mut found = Vec::new();
    for layer in [1, 0] {
        let matrix = snapshot.matrix(&path(layer)).unwrap().unwrap();
        for (row, col) in SPOTS {
            found.push(matrix.get(row as usize, col as usize).unwrap());
        }
    }
    assert!(found.iter().all(|value| *value == found[0]), "a torn read: {found:?}");
    found[0]
}

fn write_generation(store: &GridStore, generation: u32) {
    let durability = [Durability::None, Durability::Eventual, Durability::Immediate][generation as usize % 3];
    let value = generation as f32;
    if generation % 4 == 3 {
        let mut write = store.begin_write().unwrap();
        for layer in 0..2 {
            let values = vec![value; 4096];
            write.put_matrix(&path(layer), Shape::new(256, 16), DataType::F32, &values).unwrap();
        }
        write.commit(durability).unwrap();
        return;
    }
    let mut batch = UpdateBatch::new();
    for layer in 0..2 {
        batch.set(&path(layer), &SPOTS.map(|(row, col)| (row, col, value)));
    }
    store.update(&batch, durability).unwrap();
}

fn readers_against_the_writer() {
    let store = Arc::new(new_store());
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::clone(&store);
            shuttle::thread::spawn(move || {
                let mut last: Option<(Snapshot, f32)> = None;
                for _ in 0..3 {
                    let snapshot = store.snapshot();
                    let found = generation(&snapshot);
                    if let Some((older, then)) = &last {
                        assert!(older.commit_number() <= snapshot.commit_number());
                        assert!(*then <= found, "generation {found} after {then}");
                        assert_eq!(generation(older), *then, "a held snapshot changed");
                    }
                    last = Some((snapshot, found));
                }
            })
        })
        .collect();
    for number in 1..=GENERATIONS {
        write_generation(&store, number);
        let found = generation(&store.snapshot());
        assert!(found == number as f32, "the writer reads {found} after writing {number}");
    }
    for reader in readers {
        reader.join().unwrap();
    }
    let report = store.verify().unwrap();
    assert_eq!((report.damages.len(), report.leaked_bytes), (0, 0));
}

fn explore(scheduler: impl Scheduler + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    shuttle::Runner::new(scheduler, config).run(readers_against_the_writer);
}

fn schedules() -> usize {
    count("HYPRSTREAM_INTERLEAVINGS", 300) as usize
}

#[test]
fn readers_see_whole_commits_in_any_order_of_steps() {
    explore(RandomScheduler::new(schedules()));
}

#[test]
fn readers_see_whole_commits_when_a_thread_is_delayed_at_the_worst_moment() {
    explore(PctScheduler::new(3, schedules()));
}
