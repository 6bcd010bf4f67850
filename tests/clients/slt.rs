//! SQL behaviour, written as `.slt` files and run through the wire.

use std::collections::BTreeSet;

use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tokio_postgres::SimpleQueryMessage;

use crate::harness::{Connection, Server, SqlError, root};

/// A connection as sqllogictest wants it; an error reads `SQLSTATE: message; hint`.
struct Wire(Connection);

#[async_trait::async_trait]
impl AsyncDB for Wire {
    type Error = SqlError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SqlError> {
        let (mut rows, mut columns, mut affected) = (Vec::new(), None, 0);
        for message in self.0.client.simple_query(sql).await? {
            match message {
                SimpleQueryMessage::RowDescription(description) => columns = Some(description.len()),
                SimpleQueryMessage::Row(row) => rows.push((0..row.len()).map(|i| cell(row.get(i))).collect()),
                SimpleQueryMessage::CommandComplete(count) => affected = count,
                _ => {}
            }
        }
        Ok(match columns {
            Some(count) => DBOutput::Rows { types: vec![DefaultColumnType::Any; count], rows },
            None => DBOutput::StatementComplete(affected),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "hyprstream"
    }
}

/// A value as the files write it.
fn cell(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.to_owned(),
    }
}

async fn run_file(name: &str) {
    let server = Server::start().await;
    let address = server.postgres();
    let mut runner = Runner::new(move || async move { Ok(Wire(Connection::open(address).await)) });
    let path = root().join(format!("tests/slt/{name}.slt"));
    if let Err(error) = runner.run_file_async(path).await {
        panic!("{}", error.display(false));
    }
}

/// One test a file, so that a failure names its file.
macro_rules! files {
    ($($name:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            run_file(stringify!($name)).await;
        })+

        #[test]
        fn every_slt_file_is_run() {
            let listed: BTreeSet<String> = [$(stringify!($name)),+].map(str::to_owned).into();
            let present: BTreeSet<String> = std::fs::read_dir(root().join("tests/slt"))
                .expect("the directory")
                .flatten()
                .filter_map(|entry| entry.path().file_stem()?.to_str().map(str::to_owned))
                .collect();
            assert_eq!(listed, present);
        }
    };
}

files!(
    bad_input,
    case,
    embed,
    errors,
    generate,
    grid,
    lazy,
    settings,
    sparse,
    system_tables,
    tables,
    tokenize,
    training,
    trajectory_embeddings
);
