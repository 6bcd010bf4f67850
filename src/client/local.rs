//! A session in this process.

use std::sync::Arc;

use futures::StreamExt;
use hyprstream_engine::Engine;
use hyprstream_sql::{Database, Notice, Outcome, Session, SessionOptions, TransactionStatus};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::client::error::ClientError;
use crate::client::receiver::{Column, PAUSE, Receiver};
use crate::config::database::database_options;
use crate::config::options::Config;
use crate::report::Report;
use crate::values::command_tag::command_tag;
use crate::values::encode;
use crate::values::types::column_type;

/// An engine of our own with one session.
pub(crate) struct LocalClient {
    engine: Arc<Engine>,
    session: Session,
    notices: Option<UnboundedReceiver<Notice>>,
}

type Interrupt<'a> = &'a mut (dyn Future<Output = ()> + Unpin + Send);

impl LocalClient {
    pub(super) fn try_new(engine: Arc<Engine>, config: &Config) -> Result<Self, ClientError> {
        let database = Database::try_new(Arc::clone(&engine), &database_options(config))?;
        let options = SessionOptions { application_name: "hyprstream".into(), ..SessionOptions::default() };
        let session = database.session(options)?;
        Ok(Self { engine, notices: session.take_notices(), session })
    }

    pub(super) async fn run(
        &mut self,
        text: &str,
        receiver: &mut dyn Receiver,
        interrupt: Interrupt<'_>,
    ) -> Result<(), ClientError> {
        let ran = self.run_all(text, receiver, interrupt).await;
        if ran.is_err() {
            self.session.statement_failed();
        }
        ran
    }

    async fn run_all(
        &mut self,
        text: &str,
        receiver: &mut dyn Receiver,
        interrupt: Interrupt<'_>,
    ) -> Result<(), ClientError> {
        for statement in self.session.parse(text)? {
            let execution = self.session.execute(&statement, &[]);
            match attend(execution, &mut self.notices, receiver, interrupt).await?? {
                Outcome::Rows { tag, schema, mut stream } => {
                    let columns: Vec<Column> = schema
                        .fields()
                        .iter()
                        .map(|field| Column {
                            name: field.name().clone(),
                            data_type: column_type(field).data_type,
                        })
                        .collect();
                    receiver.columns(&columns)?;
                    let mut count = 0;
                    while let Some(batch) =
                        attend(stream.next(), &mut self.notices, receiver, interrupt).await?
                    {
                        let batch = batch.map_err(|error| self.session.error(&error))?;
                        let columns = encode::columns(&batch).map_err(|error| {
                            ClientError::Statement(Report::error("0A000", error.to_string()))
                        })?;
                        for row in 0..batch.num_rows() {
                            receiver.row(columns.iter().map(|column| column.text(row)).collect())?;
                            count += 1;
                        }
                    }
                    receiver.complete(&command_tag(&tag, Some(count)))?;
                }
                Outcome::Command { tag, rows } => {
                    deliver_notices(&mut self.notices, receiver)?;
                    receiver.complete(&command_tag(&tag, rows))?;
                }
                Outcome::Empty => {}
            }
        }
        Ok(())
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.session.transaction_status() != TransactionStatus::Idle
    }

    pub(super) fn target(&self) -> String {
        format!("the data directory {}", self.engine.data_dir().display())
    }

    pub(super) fn close(self) -> Result<(), ClientError> {
        drop(self.session);
        self.engine.close().map_err(|error| ClientError::Connection(error.to_string()))
    }
}

/// Runs `work`, delivering notices meanwhile; an interrupt drops it.
async fn attend<T>(
    work: impl Future<Output = T>,
    notices: &mut Option<UnboundedReceiver<Notice>>,
    receiver: &mut dyn Receiver,
    interrupt: Interrupt<'_>,
) -> Result<T, ClientError> {
    tokio::pin!(work);
    loop {
        let waited = tokio::select! {
            biased;
            () = &mut *interrupt => {
                let report = Report::error("57014", "canceling statement due to user request");
                return Err(ClientError::Statement(report));
            }
            value = &mut work => Some(value),
            () = tokio::time::sleep(PAUSE) => None,
        };
        deliver_notices(notices, receiver)?;
        match waited {
            Some(value) => return Ok(value),
            None => receiver.pause()?,
        }
    }
}

fn deliver_notices(
    notices: &mut Option<UnboundedReceiver<Notice>>,
    receiver: &mut dyn Receiver,
) -> std::io::Result<()> {
    while let Some(notice) = notices.as_mut().and_then(|notices| notices.try_recv().ok()) {
        receiver.notice(&notice.into())?;
    }
    Ok(())
}
