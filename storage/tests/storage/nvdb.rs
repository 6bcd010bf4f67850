//! `NanoVDB` files, against the real library.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hyprstream_storage::{
    DataType, Durability, GridOptions, GridStore, MatrixPath, Shape, export_nvdb, import_nvdb, parse_nvdb,
};

use crate::support::{Model, Rng};

const PROGRAM: &str = r#"
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <nanovdb/util/IO.h>
#include <nanovdb/util/GridValidator.h>
#include <nanovdb/util/GridBuilder.h>
struct Voxel { int32_t x, y, z; float value; };
int main(int argc, char** argv) {
  if (argc != 4) return 9;
  FILE* f = fopen(argv[3], "rb");
  std::vector<Voxel> voxels; Voxel v;
  while (fread(&v, sizeof v, 1, f) == 1) voxels.push_back(v);
  fclose(f);
  if (!strcmp(argv[1], "check")) {
    auto handle = nanovdb::io::readGrid(std::string(argv[2]));
    auto* grid = handle.grid<float>();
    if (!grid) return 2;
    if (!nanovdb::isValid(*grid, true, true)) return 3;
    if (grid->activeVoxelCount() != voxels.size()) return 4;
    for (auto& x : voxels) {
      nanovdb::Coord at(x.x, x.y, x.z);
      float found = grid->tree().getValue(at);
      if (memcmp(&found, &x.value, 4) || !grid->tree().isActive(at)) return 5;
    }
  } else {
    nanovdb::GridBuilder<float> builder(0.f);
    { auto accessor = builder.getAccessor();
      for (auto& x : voxels) accessor.setValue(nanovdb::Coord(x.x, x.y, x.z), x.value); }
    auto handle = builder.getHandle(1.0, nanovdb::Vec3d(0), "foreign");
    nanovdb::io::writeGrid(argv[2], handle);
  }
  printf("ok\n");
  return 0;
}
"#;

/// The compiled program, or `None` where the library is not installed.
fn program(directory: &Path) -> Option<PathBuf> {
    if !Path::new("/usr/include/nanovdb/NanoVDB.h").exists() {
        eprintln!("skipped: libnanovdb-dev is not installed (apt-get install libnanovdb-dev)");
        return None;
    }
    let (source, binary) = (directory.join("check.cpp"), directory.join("check"));
    std::fs::write(&source, PROGRAM).unwrap();
    let compiler = Command::new("g++")
        .args(["-std=c++17", "-w", "-O0", "-o"])
        .arg(&binary)
        .arg(&source)
        .status();
    assert!(compiler.expect("g++ runs").success(), "the program compiles");
    Some(binary)
}

fn voxel_file(path: &Path, voxels: &[([i32; 3], f32)]) {
    let mut bytes = Vec::new();
    for (at, value) in voxels {
        for n in at {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

fn filled(directory: &Path) -> GridStore {
    let store = GridStore::open(directory, &GridOptions::default()).unwrap();
    let mut rng = Rng(5);
    let mut write = store.begin_write().unwrap();
    for (layer, (rows, cols, dtype, rare)) in [
        (2048, 16, DataType::F32, 100),
        (16, 2048, DataType::F16, 3),
        (100, 70, DataType::Bf16, 1),
        (9000, 600, DataType::F32, 2000),
        (33, 5, DataType::Int8, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let values: Vec<f32> = (0..rows * cols)
            .map(|_| {
                if rng.below(rare) == 0 {
                    (rng.below(2001) as f32 - 1000.0) / 25_000.0
                } else {
                    0.0
                }
            })
            .collect();
        let path = MatrixPath::new("support", "1", layer as u32, "q_proj", "A");
        write
            .put_matrix(&path, Shape::new(rows, cols), dtype, &values)
            .unwrap();
    }
    write.commit(Durability::Immediate).unwrap();
    store
}

fn values_of(store: &GridStore, version: &str, layer: u32) -> Vec<f32> {
    let path = MatrixPath::new("support", version, layer, "q_proj", "A");
    let snapshot = store.snapshot();
    let info = snapshot.matrix(&path).unwrap().unwrap().info();
    let mut values = vec![0.0; info.shape.rows * info.shape.cols];
    snapshot.read_matrix(&path, &mut values).unwrap();
    values
}

#[test]
fn an_export_is_valid_for_the_real_library_and_comes_back_equal() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(&directory.path().join("grid"));
    let file = directory.path().join("support.nvdb");
    let summary = export_nvdb(&store.snapshot(), "support", "1", &file).unwrap();
    let grid = import_nvdb(&file).unwrap();
    assert_eq!(
        (grid.name.as_str(), grid.voxels.len() as u64),
        ("support@1", summary.active)
    );
    let mut write = store.begin_write().unwrap();
    grid.store(&mut write, "support", "2").unwrap();
    write.commit(Durability::Immediate).unwrap();
    for layer in 0..5 {
        assert_eq!(
            values_of(&store, "1", layer),
            values_of(&store, "2", layer),
            "layer {layer}"
        );
    }
    let infos = |version| store.snapshot().matrices("support", version).unwrap();
    let shapes = |version| {
        infos(version)
            .into_iter()
            .map(|m| (m.shape, m.dtype, m.active))
            .collect::<Vec<_>>()
    };
    assert_eq!(shapes("1"), shapes("2"));
    let Some(program) = program(directory.path()) else {
        return;
    };
    let voxels = directory.path().join("voxels");
    voxel_file(&voxels, &grid.voxels);
    let checked = Command::new(&program)
        .arg("check")
        .arg(&file)
        .arg(&voxels)
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "the library says {:?}",
        checked.status.code()
    );

    // The other direction, with coordinates on both sides of zero and in several upper nodes.
    let mut rng = Rng(6);
    let mut foreign = std::collections::BTreeMap::new();
    for _ in 0..3000 {
        let mut axis = || rng.below(20_000) as i32 - 10_000;
        foreign.insert([axis(), axis() / 50, axis() / 100], 0.0);
    }
    let foreign: Vec<_> = foreign
        .into_keys()
        .map(|at| (at, rng.below(999) as f32 / 7.0 - 50.0))
        .collect();
    voxel_file(&voxels, &foreign);
    let file = directory.path().join("foreign.nvdb");
    let wrote = Command::new(&program)
        .arg("write")
        .arg(&file)
        .arg(&voxels)
        .output()
        .unwrap();
    assert!(wrote.status.success());
    let mut grid = import_nvdb(&file).unwrap();
    grid.voxels.sort_by_key(|(at, _)| *at);
    assert_eq!((grid.name.as_str(), &grid.matrices), ("foreign", &None));
    assert!(
        grid.voxels == foreign,
        "{} of {} voxels",
        grid.voxels.len(),
        foreign.len()
    );
}

#[test]
fn damaged_grids_are_refused_and_never_panic() {
    let directory = tempfile::tempdir().unwrap();
    let store = GridStore::open(&directory.path().join("grid"), &GridOptions::default()).unwrap();
    let mut model = Model::default();
    let mut write = store.begin_write().unwrap();
    for ops in crate::damage::some_ops().iter().take(1) {
        for op in ops {
            model.apply(op, &mut write).unwrap();
        }
    }
    write.commit(Durability::Immediate).unwrap();
    let file = directory.path().join("a.nvdb");
    export_nvdb(&store.snapshot(), "support", "1", &file).unwrap();
    let good = import_nvdb(&file).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let mut rng = Rng(1);
    let mut wrong = String::new();
    for seed in 0..400 {
        let mut damaged = bytes.clone();
        match rng.below(3) {
            0 => damaged.truncate(rng.below(bytes.len() as u64) as usize),
            // Most of a grid is empty tables, so aim at the headers often.
            1 => {
                let at = rng.below(1500) as usize;
                damaged[at] ^= 1 << rng.below(8);
            }
            _ => {
                let at = rng.below(bytes.len() as u64) as usize;
                damaged[at] ^= 1 << rng.below(8);
            }
        }
        if let Ok(found) = parse_nvdb(Path::new("damaged"), &damaged)
            && found.matrices.is_some()
            && found.matrices != good.matrices
        {
            let _ = write!(wrong, "{seed} ");
        }
    }
    assert_eq!(wrong, "", "wrong values were read");
}
