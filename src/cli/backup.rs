//! `hyprstream backup`: a copy of the data directory as it was at one moment, made while it is in use.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::cli::terminal::exit::{Exit, fail, report};
use crate::cli::terminal::statement::{interrupt, literal};
use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::receiver::Receiver;
use crate::config::options::Config;
use crate::output::messages::print_notice;
use crate::report::Report;

/// Where the backup is made.
#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The directory of the backup, which must not exist
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// SQL writes only below the directories that it is allowed, so a backup is made there and then moved.
pub(super) async fn run(config: &Config, arguments: &BackupArguments) -> Exit {
    let to = &arguments.to;
    match to.try_exists() {
        Ok(false) => {}
        Ok(true) => return fail(&format!("{} already exists; a backup makes its directory", to.display())),
        Err(error) => return fail(&format!("cannot look for {}: {error}", to.display())),
    }
    // Opening it would make a new one, and its empty backup could replace a good one.
    if !config.data_dir.join("grid").is_dir() {
        return fail(&format!("{} is not a data directory", config.data_dir.display()));
    }
    if let Some(Err(error)) = to.parent().map(fs::create_dir_all) {
        return fail(&format!("cannot make the directory of {}: {error}", to.display()));
    }
    let name = draft_name();
    let sql = format!("CALL backup(to => {})", literal(&name));
    if let Err(error) = call(config, &sql).await {
        return report(&error, &sql);
    }
    let draft = config.data_dir.join("files").join(&name);
    match move_directory(&draft, to) {
        Ok(()) => {
            println!("{} is a backup of {}", to.display(), config.data_dir.display());
            Exit::Success
        }
        Err(error) => {
            fail(&format!("the backup is complete in {} and cannot be moved: {error}", draft.display()))
        }
    }
}

/// A name in the directory of files that nothing else has.
fn draft_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(".backup-{:x}-{}", now.as_nanos(), std::process::id())
}

async fn call(config: &Config, sql: &str) -> Result<(), ClientError> {
    let mut client = Client::open(config).await?;
    let called = client.run(sql, &mut Notices, &mut interrupt()).await;
    called.and(client.close().await)
}

/// Shows what the server says of its progress.
struct Notices;

impl Receiver for Notices {
    fn row(&mut self, _values: Vec<Option<String>>) -> std::io::Result<()> {
        Ok(())
    }

    fn notice(&mut self, notice: &Report) -> std::io::Result<()> {
        print_notice(notice)
    }
}

/// Gives a directory another name, or copies it where that is on another file system.
fn move_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {}
        renamed => {
            renamed?;
            return sync(parent(to));
        }
    }
    // What is cut short has not the name of a backup.
    let draft = parent(to).join(draft_name());
    copy_directory(from, &draft)
        .and_then(|()| fs::rename(&draft, to))
        .and_then(|()| sync(parent(to)))
        .inspect_err(|_| {
            let _ = fs::remove_dir_all(&draft);
        })?;
    fs::remove_dir_all(from)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn copy_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_directory(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
            sync(&target)?;
        }
    }
    sync(to)
}

fn sync(path: &Path) -> std::io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_copied_with_everything_below_it() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/deep"), "deep").unwrap();
        fs::write(from.join("flat"), "flat").unwrap();
        copy_directory(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("a/b/deep")).unwrap(), b"deep");
        assert_eq!(fs::read(to.join("flat")).unwrap(), b"flat");
        move_directory(&to, &directory.path().join("moved")).unwrap();
        assert!(!to.exists() && directory.path().join("moved/a/b/deep").exists());
    }
}
