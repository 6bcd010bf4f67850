//! Programs that are run to their end: the one under test, and psql.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::process::Command;

use super::environment::program;
use super::server::Server;

/// What `hyprstream ARGUMENTS` prints and how it ends on a data directory.
pub async fn hyprstream(data_dir: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(program())
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    output.await.expect("hyprstream can be executed")
}

/// What a program printed on stdout, and then on stderr.
pub fn all_output(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// psql, ready to run statements against the server.
pub fn psql(server: &Server) -> Command {
    let mut command = Command::new("psql");
    command
        .args([
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "hyprstream",
            "-d",
            "hyprstream",
            "-p",
        ])
        .arg(server.postgres().port().to_string())
        .env_remove("PGPASSWORD")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}
