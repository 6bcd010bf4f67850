//! `NanoVDB` files, against the real library.

use std::path::{Path, PathBuf};
use std::process::Command;

use hyprstream_storage::{
    DataType, Durability, Error, GridOptions, GridStore, MatrixPath, Shape, export_nvdb, import_nvdb,
    parse_nvdb,
};

use crate::support::Rng;

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
    let compiler =
        Command::new("g++").args(["-std=c++17", "-w", "-O0", "-o"]).arg(&binary).arg(&source).status();
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
        (100, 70, DataType::F16, 1),
        (9000, 600, DataType::F32, 2000),
        (33, 5, DataType::F32, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let values: Vec<f32> = (0..rows * cols)
            .map(|_| if rng.below(rare) == 0 { (rng.below(2001) as f32 - 1000.0) / 25_000.0 } else { 0.0 })
            .collect();
        let path = MatrixPath::new("support", "1", layer as u32, "q_proj", "A");
        write.put_matrix(&path, Shape::new(rows, cols), dtype, &values).unwrap();
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
    assert_eq!((grid.name.as_str(), grid.voxels.len() as u64), ("support@1", summary.active));
    let mut write = store.begin_write().unwrap();
    grid.store(&mut write, "support", "2").unwrap();
    write.commit(Durability::Immediate).unwrap();
    for layer in 0..5 {
        assert_eq!(values_of(&store, "1", layer), values_of(&store, "2", layer), "layer {layer}");
    }
    let infos = |version| store.snapshot().matrices("support", version).unwrap();
    let shapes =
        |version| infos(version).into_iter().map(|m| (m.shape, m.dtype, m.active)).collect::<Vec<_>>();
    assert_eq!(shapes("1"), shapes("2"));
    let Some(program) = program(directory.path()) else {
        return;
    };
    let voxels = directory.path().join("voxels");
    voxel_file(&voxels, &grid.voxels);
    let checked = Command::new(&program).arg("check").arg(&file).arg(&voxels).output().unwrap();
    assert!(checked.status.success(), "the library says {:?}", checked.status.code());

    // The other direction, with coordinates on both sides of zero and in several upper nodes.
    let mut rng = Rng(6);
    let mut foreign = std::collections::BTreeMap::new();
    for _ in 0..3000 {
        let mut axis = || rng.below(20_000) as i32 - 10_000;
        foreign.insert([axis(), axis() / 50, axis() / 100], 0.0);
    }
    let foreign: Vec<_> = foreign.into_keys().map(|at| (at, rng.below(999) as f32 / 7.0 - 50.0)).collect();
    voxel_file(&voxels, &foreign);
    let file = directory.path().join("foreign.nvdb");
    let wrote = Command::new(&program).arg("write").arg(&file).arg(&voxels).output().unwrap();
    assert!(wrote.status.success());
    let mut grid = import_nvdb(&file).unwrap();
    grid.voxels.sort_by_key(|(at, _)| *at);
    assert_eq!((grid.name.as_str(), &grid.matrices), ("foreign", &None));
    assert!(grid.voxels == foreign, "{} of {} voxels", grid.voxels.len(), foreign.len());
}

/// A store with one small matrix in version 1.
fn small(directory: &Path, dtype: DataType, values: &[f32]) -> (GridStore, MatrixPath) {
    let store = GridStore::open(directory, &GridOptions::default()).unwrap();
    let path = MatrixPath::new("support", "1", 0, "q_proj", "A");
    let mut write = store.begin_write().unwrap();
    write.put_matrix(&path, Shape::new(1, values.len()), dtype, values).unwrap();
    write.commit(Durability::Immediate).unwrap();
    (store, path)
}

#[test]
fn an_export_touches_no_other_file_and_leaves_none_when_it_fails() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = small(&directory.path().join("grid"), DataType::F32, &[1.0, 2.0]);
    let files = directory.path().join("files");
    std::fs::create_dir_all(files.join("taken.nvdb")).unwrap();
    let export = |name: &str| export_nvdb(&store.snapshot(), "support", "1", &files.join(name));
    std::fs::write(files.join("a.nvdb.tmp"), "somebody else's").unwrap();
    export("a.nvdb").unwrap();
    export("a.bin").unwrap();
    assert!(matches!(export("taken.nvdb"), Err(Error::Io { .. })));
    let found = std::fs::read(files.join("a.nvdb.tmp")).unwrap();
    assert_eq!(found, b"somebody else's");
    let mut names: Vec<_> =
        std::fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.bin", "a.nvdb", "a.nvdb.tmp", "taken.nvdb"]);
    for name in ["a.bin", "a.nvdb"] {
        assert_eq!(import_nvdb(&files.join(name)).unwrap().voxels.len(), 2);
    }
}

/// A file of a root with many tiles that all refer to one upper node, whose children are all one lower node.
fn shared_nodes(tiles: usize) -> Vec<u8> {
    const GRID: usize = 16 + 176;
    const ROOT: usize = GRID + 672 + 64;
    const UPPER: usize = 270_400;
    const LOWER: usize = 33_856;
    let upper = ROOT + 64 + 32 * tiles;
    let lower = upper + UPPER;
    let mut bytes = vec![0; lower + LOWER];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"NanoVDB0");
    put(16, &((lower + LOWER - GRID) as u64).to_le_bytes());
    put(GRID, b"NanoVDB0");
    put(GRID + 8, &[0xff; 8]);
    put(GRID + 636, &1u32.to_le_bytes());
    put(GRID + 672 + 24, &64u64.to_le_bytes());
    put(ROOT + 24, &(tiles as u32).to_le_bytes());
    for tile in 0..tiles {
        put(ROOT + 64 + 32 * tile + 8, &((upper - ROOT) as u64).to_le_bytes());
    }
    put(upper + 4128, &[0xff; 4096]);
    for index in 0..32_768 {
        put(upper + 8256 + 8 * index, &(UPPER as u64).to_le_bytes());
    }
    bytes
}

#[test]
fn nodes_that_are_referred_to_many_times_are_refused() {
    let refusal = |bytes: &[u8]| parse_nvdb(Path::new("shared"), bytes).unwrap_err().to_string();
    let many_lowers = shared_nodes(200_000);
    assert!(refusal(&many_lowers).contains("more lower nodes"));
    let mut many_uppers = many_lowers;
    let upper = many_uppers.len() - 33_856 - 270_400;
    many_uppers[upper + 4128..upper + 8224].fill(0);
    assert!(refusal(&many_uppers).contains("more upper nodes"));
}
