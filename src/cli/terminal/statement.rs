//! Statements that the commands write and run.

use crate::cli::terminal::exit::{Exit, report};
use crate::client::Client;
use crate::client::receiver::Receiver;
use crate::config::options::Config;

/// A string as an SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Runs `text` in a fresh session, prints what comes of it and says how the program ends.
pub(crate) async fn run_statements(config: &Config, text: &str, receiver: &mut dyn Receiver) -> Exit {
    let mut client = match Client::open(config).await {
        Ok(client) => client,
        Err(error) => return report(&error, text),
    };
    let result = client.run(text, receiver, &mut interrupt()).await;
    let closed = client.close().await;
    match result.and(closed) {
        Ok(()) => Exit::Success,
        Err(error) => report(&error, text),
    }
}

/// Completes at Ctrl-C.
pub(crate) fn interrupt() -> impl Future<Output = ()> + Unpin + Send {
    Box::pin(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
