//! The store's numbers against its targets, with what the machine itself does beside them.
//!
//! `cargo bench -p hyprstream-storage` runs criterion and prints one table at the end. The same numbers with the peers
//! in the same run: `benches/peers/storage`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "what panics here is a finding"
)]

mod machine;
mod ours;
mod table;
mod workload;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    if ours::opens_a_store() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let results = directory.path().join("criterion");
    let mut criterion = Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
        .output_directory(&results)
        .configure_from_args();
    let workload = workload::Workload::new();
    let mut table = table::Table::new(&results);
    machine::bench(&mut criterion, directory.path());
    ours::bench(&mut criterion, directory.path(), &workload, &mut table);
    println!("\n{}", table.render(&[table::OURS]));
}
