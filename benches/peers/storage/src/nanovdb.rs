//! `NanoVDB`, by a C++ program over its headers, which is asked over a pipe to do each thing so many times.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use criterion::Criterion;

use crate::table::Table;
use crate::workload::Workload;

const FLOAT: &str = "NanoVDB";
const INDEX: &str = "NanoVDB index";
const SOURCES: [(&str, &str); 2] =
    [("nanovdb.cpp", include_str!("nanovdb.cpp")), ("nanovdb_index.h", include_str!("nanovdb_index.h"))];

pub fn bench(c: &mut Criterion, directory: &Path, workload: &Workload, table: &mut Table) {
    let Some(program) = compile(directory) else {
        println!("NanoVDB is left out: it needs libnanovdb-dev and g++.");
        return;
    };
    let voxels = directory.join("voxels");
    write_voxels(&voxels, workload);
    let mut peer = Peer::start(&program, &voxels);
    for (name, prefix) in [(FLOAT, ""), (INDEX, "index_")] {
        let bytes = peer.ask(&format!("{prefix}bytes"), 1) as f64;
        table.set("bytes_f32", name, bytes / workload.active() as f64);
        for (group, request) in [
            ("random_hit", "hit"),
            ("update_1000_visible", "update1000"),
            ("update_84000_visible", "update84000"),
            ("scan_rows", "scan"),
        ] {
            let request = format!("{prefix}{request}");
            c.benchmark_group(group).bench_function(name, |b| {
                b.iter_custom(|count| Duration::from_nanos(peer.ask(&request, count)));
            });
        }
    }
    peer.end();
}

fn compile(directory: &Path) -> Option<PathBuf> {
    if !Path::new("/usr/include/nanovdb/NanoVDB.h").exists() {
        return None;
    }
    for (name, text) in SOURCES {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let (source, program) = (directory.join(SOURCES[0].0), directory.join("nanovdb"));
    let compiled = Command::new("g++")
        .args(["-std=c++17", "-w", "-O3", "-march=native", "-o"])
        .args([&program, &source])
        .status();
    compiled.is_ok_and(|status| status.success()).then_some(program)
}

/// Active elements: index over all matrices (u32), value.
fn write_voxels(path: &Path, workload: &Workload) {
    let all = (0u32..).zip(workload.matrices.iter().flatten());
    let active = all.filter(|(_, value)| value.to_bits() != 0);
    let bytes = active.flat_map(|(at, value)| [at.to_le_bytes(), value.to_le_bytes()].concat());
    std::fs::write(path, bytes.collect::<Vec<u8>>()).unwrap();
}

struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(program: &Path, voxels: &Path) -> Self {
        let mut child =
            Command::new(program).arg(voxels).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self {
            requests: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Nanoseconds that so many repetitions took, or a number that was asked for.
    fn ask(&mut self, request: &str, count: u64) -> u64 {
        writeln!(self.requests, "{request} {count}").unwrap();
        self.requests.flush().unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim().parse().unwrap()
    }

    fn end(mut self) {
        drop(self.requests);
        self.child.wait().unwrap();
    }
}
