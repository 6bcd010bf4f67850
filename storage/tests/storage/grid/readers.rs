//! Readers against a writer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hyprstream_storage::{DataType, Durability, GridOptions, GridStore, MatrixPath, Shape, UpdateBatch};

use crate::support::count;

fn path() -> MatrixPath {
    MatrixPath::new("support", "1", 0, "q_proj", "A")
}

#[test]
fn no_reader_sees_half_a_commit_or_pages_that_were_reused() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    write.put_matrix(&path(), Shape::new(1000, 100), DataType::F32, &vec![0.0; 100_000]).unwrap();
    write.commit(Durability::Immediate).unwrap();
    let reads_wanted = count("HYPRSTREAM_SNAPSHOT_READS", 4000);
    let (done, reads, longest_hold) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let spots: Vec<(u32, u32)> = (0..50).map(|n| (n * 20, n * 2)).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let snapshot = store.snapshot();
                    let matrix = snapshot.matrix(&path()).unwrap().unwrap();
                    let first = matrix.get(0, 0).unwrap();
                    for (row, col) in &spots {
                        assert_eq!(matrix.get(*row as usize, *col as usize).unwrap(), first, "a torn read");
                    }
                    let held = store.snapshot().commit_number() - snapshot.commit_number();
                    longest_hold.fetch_max(held, Ordering::Relaxed);
                    if reads.fetch_add(1, Ordering::Relaxed) > reads_wanted {
                        done.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut generation = 1.0;
        while !done.load(Ordering::Relaxed) {
            let mut batch = UpdateBatch::new();
            let elements: Vec<_> = spots.iter().map(|(row, col)| (*row, *col, generation)).collect();
            batch.set(&path(), &elements);
            let durability = match generation as u32 {
                number if number % 1000 == 0 => Durability::Immediate,
                number if number % 50 == 0 => Durability::Eventual,
                _ => Durability::None,
            };
            store.update(&batch, durability).unwrap();
            generation += 1.0;
        }
    });
    // A reader that the machine did not let run holds what was freed meanwhile.
    let held_bytes = longest_hold.into_inner() * 16_384;
    let file_bytes = store.statistics().unwrap().file_bytes;
    assert!(
        file_bytes < held_bytes.max(8 << 20),
        "space is reused while readers come and go: {file_bytes} bytes, at most {held_bytes} held"
    );
}
