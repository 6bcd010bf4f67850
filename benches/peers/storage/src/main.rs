//! The grid store and its peers on one workload, in one run, in one table.
//!
//! | contender | what it is given |
//! |---|---|
//! | redb, sled | a blob a matrix: sorted positions (u32), then values; a matrix that changes is read, merged and written |
//! | safetensors | one file of dense tensors, held in memory for reading, written anew for a change |
//! | COO + zstd | one file of all positions and values, zstd level 3, written anew for a change |
//! | NanoVDB | a float grid in memory, 512 elements of a row-major matrix to a leaf; it has no durable update |
//! | NanoVDB index | its sparse index grid (`OnIndex` in later versions) over one array of the active values |

#[path = "../../../../storage/benches/grid/machine.rs"]
mod machine;
#[path = "../../../../storage/benches/grid/ours.rs"]
mod ours;
#[path = "../../../../storage/benches/grid/table.rs"]
mod table;
#[path = "../../../../storage/benches/grid/workload.rs"]
mod workload;

mod blobs;
mod coo;
mod nanovdb;
mod packed;
mod redb_blobs;
mod safetensors_file;
mod sled_blobs;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    if ours::opens_a_store() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let results = root.join("criterion");
    let mut criterion = Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
        .output_directory(&results)
        .configure_from_args();
    let workload = workload::Workload::new();
    let mut table = table::Table::new(&results);
    machine::bench(&mut criterion, root);
    ours::bench(&mut criterion, root, &workload, &mut table);
    let redb = |name: &str| redb_blobs::RedbBlobs::create(&root.join(name));
    blobs::bench(&mut criterion, "redb", &redb, &workload, &mut table);
    let sled = |name: &str| sled_blobs::SledBlobs::create(&root.join(name).with_extension("sled"));
    blobs::bench(&mut criterion, "sled", &sled, &workload, &mut table);
    safetensors_file::bench(&mut criterion, root, &workload, &mut table);
    coo::bench(&mut criterion, root, &workload, &mut table);
    nanovdb::bench(&mut criterion, root, &workload, &mut table);
    let contenders = [table::OURS, "redb", "sled", "safetensors", "COO + zstd", "NanoVDB", "NanoVDB index"];
    println!("\n{}", table.render(&contenders));
}
