//! A tokio-postgres connection that keeps the notices it gets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage, SimpleQueryStream};

/// A connection; its notices arrive on a channel.
pub struct Connection {
    /// The client, for what the shorthands below do not cover.
    pub client: Client,
    notices: mpsc::UnboundedReceiver<String>,
}

/// An error as a client sees it.
#[derive(Debug)]
pub struct SqlError {
    /// The SQLSTATE.
    pub code: String,
    /// The message, with the hint after a semicolon when there is one.
    pub message: String,
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for SqlError {}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(reported) => Self {
                code: reported.code().code().to_owned(),
                message: match reported.hint() {
                    Some(hint) => format!("{}; {hint}", reported.message()),
                    None => reported.message().to_owned(),
                },
            },
            None => Self { code: "-----".to_owned(), message: error.to_string() },
        }
    }
}

impl Connection {
    /// Connects as the first user, retrying nothing: a server that says it listens must accept.
    pub async fn open(address: SocketAddr) -> Self {
        let mut config = tokio_postgres::Config::new();
        config.host(address.ip().to_string()).port(address.port()).user("hyprstream").dbname("hyprstream");
        config.connect_timeout(Duration::from_secs(10));
        let (client, mut connection) = config.connect(NoTls).await.expect("the server accepts a connection");
        let (sender, notices) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = futures::StreamExt::next(&mut messages).await {
                if let AsyncMessage::Notice(notice) = message {
                    let _ = sender.send(notice.message().to_owned());
                }
            }
        });
        Self { client, notices }
    }

    /// Runs statements and gives the rows of the last one that had any, as text.
    pub async fn try_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, SqlError> {
        let messages = self.client.simple_query(sql).await?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
                }
                _ => None,
            })
            .collect())
    }

    /// The rows of a query that must succeed.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_rows(sql).await.unwrap_or_else(|error| panic!("{sql}\n  failed: {error}"))
    }

    /// Runs what must succeed and gives no rows.
    pub async fn run(&self, sql: &str) {
        self.rows(sql).await;
    }

    /// The one value of a query that must succeed and give one row.
    pub async fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}\n  gave {} rows", rows.len());
        rows[0][0].clone().unwrap_or_else(|| panic!("{sql}\n  gave NULL"))
    }

    /// The one value of a query, read as a number.
    pub async fn number(&self, sql: &str) -> f64 {
        let value = self.value(sql).await;
        value.parse().unwrap_or_else(|_| panic!("{sql}\n  gave {value}, which is not a number"))
    }

    /// The error of a query that must fail.
    pub async fn error(&self, sql: &str) -> SqlError {
        match self.try_rows(sql).await {
            Ok(rows) => panic!("{sql}\n  should fail, but gave {rows:?}"),
            Err(error) => error,
        }
    }

    /// A counter of the server.
    pub async fn statistic(&self, name: &str) -> f64 {
        self.number(&format!("SELECT value FROM hyprstream.statistics WHERE name = '{name}'")).await
    }

    /// The rows of a statement as they come.
    pub async fn stream(&self, sql: &str) -> SimpleQueryStream {
        self.client.simple_query_raw(sql).await.unwrap_or_else(|error| panic!("{sql}\n  failed: {error}"))
    }

    /// The notices that have arrived since the last call.
    pub fn notices(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.notices.try_recv().ok()).collect()
    }

    /// Sends a `CancelRequest` for this connection, as Ctrl-C in psql does.
    pub async fn cancel(&self) {
        self.client.cancel_token().cancel_query(NoTls).await.expect("the server takes a cancel request");
    }
}
