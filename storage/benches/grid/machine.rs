//! What the machine itself does, to be read beside everything else.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;

use criterion::Criterion;

use crate::table::OURS;

pub fn bench(c: &mut Criterion, directory: &Path) {
    let source = vec![1u8; 64 << 20];
    let mut target = vec![0u8; 64 << 20];
    c.benchmark_group("memcpy").bench_function(OURS, |b| {
        b.iter(|| target.copy_from_slice(black_box(&source)));
    });
    let file = File::create(directory.join("sync")).unwrap();
    c.benchmark_group("fdatasync").bench_function(OURS, |b| {
        b.iter(|| {
            file.write_all_at(&[1; 4096], 0).unwrap();
            file.sync_data().unwrap();
        });
    });
}
