//! The Flight SQL calls.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas,
    CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo,
    CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo, CommandPreparedStatementQuery,
    CommandPreparedStatementUpdate, CommandStatementQuery, CommandStatementUpdate,
    DoPutPreparedStatementResult, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage,
    SchemaAsIpc, Ticket,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use futures::{Stream, stream};
use hyprstream_sql::{Database, Session, SessionOptions};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::flight::error::status;
use crate::flight::handles::Handles;
use crate::flight::metadata;
use crate::flight::parameters;
use crate::flight::sql_info;
use crate::flight::statements::{FlightStream, Planned};
use crate::stopping::Stopping;

/// The user that every client is.
const USER: &str = "hyprstream";

/// What all Flight SQL clients share.
pub(super) struct HyprstreamFlight {
    database: Arc<Database>,
    stopping: Stopping,
    sessions: Handles<Arc<Session>>,
    tickets: Handles<Planned>,
    statements: Handles<Planned>,
}

type DoGet = Result<Response<FlightStream>, Status>;
type Info = Result<Response<FlightInfo>, Status>;

impl HyprstreamFlight {
    pub(super) fn new(database: Arc<Database>, stopping: Stopping) -> Self {
        Self {
            database,
            stopping,
            sessions: Handles::new("session"),
            tickets: Handles::new("ticket"),
            statements: Handles::new("prepared statement"),
        }
    }

    fn new_session(&self) -> Result<Arc<Session>, Status> {
        let options = SessionOptions { user: USER.into(), application_name: "FlightSQL".into() };
        let session = self.database.session(options).map_err(|error| status(&error))?;
        // Flight has no notices; without a receiver none are kept.
        drop(session.take_notices());
        Ok(Arc::new(session))
    }

    /// The session of the token that a handshake gave, or one for this call alone.
    fn session(&self, metadata: &MetadataMap) -> Result<Arc<Session>, Status> {
        let Some(header) = metadata.get("authorization") else {
            return self.new_session();
        };
        let header =
            header.to_str().map_err(|_| Status::unauthenticated("malformed authorization header"))?;
        if let Some(token) = header.strip_prefix("Bearer ") {
            let token = BASE64.decode(token).map_err(|_| Status::unauthenticated("malformed token"))?;
            return self.sessions.get(&token).map_err(|_| {
                Status::unauthenticated("the session has expired; authenticate again by a handshake")
            });
        }
        check_user(header)?;
        self.new_session()
    }
}

/// Checks the user of a Basic header; on loopback there is no password to check.
fn check_user(header: &str) -> Result<(), Status> {
    let credentials = header.strip_prefix("Basic ").and_then(|encoded| BASE64.decode(encoded).ok());
    let credentials = credentials.and_then(|credentials| String::from_utf8(credentials).ok());
    match credentials.as_deref().and_then(|credentials| credentials.split_once(':')) {
        Some((USER | "", _)) => Ok(()),
        Some((user, _)) => {
            Err(Status::unauthenticated(format!("role \"{user}\" does not exist; the user is \"{USER}\"")))
        }
        None => Err(Status::unauthenticated("a Basic authorization header is expected")),
    }
}

/// A result of one endpoint, whose ticket is `command` itself.
fn info(command: &impl ProstMessageExt, schema: &Schema, request: Request<FlightDescriptor>) -> Info {
    let ticket = Ticket::new(command.as_any().encode_to_vec());
    FlightInfo::new()
        .try_with_schema(schema)
        .map(|info| {
            info.with_endpoint(FlightEndpoint::new().with_ticket(ticket))
                .with_descriptor(request.into_inner())
        })
        .map(Response::new)
        .map_err(|error| Status::internal(error.to_string()))
}

fn ipc(schema: &Schema) -> Result<bytes::Bytes, Status> {
    IpcMessage::try_from(SchemaAsIpc::new(schema, &IpcWriteOptions::default()))
        .map(|IpcMessage(bytes)| bytes)
        .map_err(|error| Status::internal(error.to_string()))
}

#[tonic::async_trait]
impl FlightSqlService for HyprstreamFlight {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        if let Some(header) = request.metadata().get("authorization") {
            check_user(
                header.to_str().map_err(|_| Status::unauthenticated("malformed authorization header"))?,
            )?;
        }
        let token = BASE64.encode(self.sessions.insert(self.new_session()?)?);
        let reply = HandshakeResponse { protocol_version: 0, payload: token.clone().into_bytes().into() };
        let mut response: Response<Pin<Box<dyn Stream<Item = _> + Send>>> =
            Response::new(Box::pin(stream::iter([Ok(reply)])));
        let header = format!("Bearer {token}").parse().map_err(|_| Status::internal("unusable token"))?;
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        command: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let planned = Planned::try_new(self.session(request.metadata())?, &command.query).await?;
        let schema = planned.schema();
        let handle = self.tickets.insert(planned)?;
        info(&TicketStatementQuery { statement_handle: handle.to_vec().into() }, &schema, request)
    }

    async fn do_get_statement(&self, ticket: TicketStatementQuery, _request: Request<Ticket>) -> DoGet {
        // A ticket is good once: a statement may train or insert, and must not do so twice by mistake.
        self.tickets.take(&ticket.statement_handle)?.stream(self.stopping.clone()).await
    }

    async fn do_put_statement_update(
        &self,
        command: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Planned::try_new(self.session(request.metadata())?, &command.query).await?.update().await
    }

    async fn do_action_create_prepared_statement(
        &self,
        command: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let planned = Planned::try_new(self.session(request.metadata())?, &command.query).await?;
        let parameters = planned.prepared.parameter_types.iter().enumerate();
        let parameters: Vec<_> = parameters
            .map(|(index, kind)| Field::new(format!("${}", index + 1), kind.clone(), true))
            .collect();
        let (dataset_schema, parameter_schema) = (ipc(&planned.schema())?, ipc(&Schema::new(parameters))?);
        let handle = self.statements.insert(planned)?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.to_vec().into(),
            dataset_schema,
            parameter_schema,
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        command: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        self.statements.take(&command.prepared_statement_handle).map(drop)
    }

    async fn do_put_prepared_statement_query(
        &self,
        command: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let handle = command.prepared_statement_handle;
        let mut planned = self.statements.get(&handle)?;
        let sets = parameters::read(request.into_inner(), &planned.prepared.parameter_types).await?;
        planned.parameters = Arc::new(sets);
        self.statements.replace(&handle, planned)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        command: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let schema = self.statements.get(&command.prepared_statement_handle)?.schema();
        info(&command, &schema, request)
    }

    async fn do_get_prepared_statement(
        &self,
        command: CommandPreparedStatementQuery,
        _request: Request<Ticket>,
    ) -> DoGet {
        self.statements.get(&command.prepared_statement_handle)?.stream(self.stopping.clone()).await
    }

    async fn do_put_prepared_statement_update(
        &self,
        command: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let mut planned = self.statements.get(&command.prepared_statement_handle)?;
        let sets = parameters::read(request.into_inner(), &planned.prepared.parameter_types).await?;
        if !sets.is_empty() {
            planned.parameters = Arc::new(sets);
        }
        planned.update().await
    }

    async fn get_flight_info_sql_info(
        &self,
        command: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let schema = sql_info::sql_info()?.schema();
        info(&command, &schema, request)
    }

    async fn do_get_sql_info(&self, command: CommandGetSqlInfo, _request: Request<Ticket>) -> DoGet {
        sql_info::answer(command)
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        command: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let schema = sql_info::xdbc_types()?.schema();
        info(&command, &schema, request)
    }

    async fn do_get_xdbc_type_info(
        &self,
        command: CommandGetXdbcTypeInfo,
        _request: Request<Ticket>,
    ) -> DoGet {
        sql_info::answer_types(command)
    }

    async fn get_flight_info_catalogs(
        &self,
        command: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let schema = command.into_builder().schema();
        info(&command, &schema, request)
    }

    async fn do_get_catalogs(&self, command: CommandGetCatalogs, request: Request<Ticket>) -> DoGet {
        metadata::catalogs(&*self.session(request.metadata())?, command).await
    }

    async fn get_flight_info_schemas(
        &self,
        command: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let schema = command.clone().into_builder().schema();
        info(&command, &schema, request)
    }

    async fn do_get_schemas(&self, command: CommandGetDbSchemas, request: Request<Ticket>) -> DoGet {
        metadata::schemas(&*self.session(request.metadata())?, command).await
    }

    async fn get_flight_info_tables(
        &self,
        command: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let schema = command.clone().into_builder().schema();
        info(&command, &schema, request)
    }

    async fn do_get_tables(&self, command: CommandGetTables, request: Request<Ticket>) -> DoGet {
        metadata::tables(&*self.session(request.metadata())?, command).await
    }

    async fn get_flight_info_table_types(
        &self,
        command: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let schema = command.into_builder().schema();
        info(&command, &schema, request)
    }

    async fn do_get_table_types(&self, command: CommandGetTableTypes, _request: Request<Ticket>) -> DoGet {
        metadata::table_types(command)
    }

    async fn get_flight_info_primary_keys(
        &self,
        command: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(&command, &metadata::primary_key_schema(), request)
    }

    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, _: Request<Ticket>) -> DoGet {
        Ok(metadata::no_rows(metadata::primary_key_schema()))
    }

    async fn get_flight_info_exported_keys(
        &self,
        command: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(&command, &metadata::foreign_key_schema(), request)
    }

    async fn do_get_exported_keys(&self, _: CommandGetExportedKeys, _: Request<Ticket>) -> DoGet {
        Ok(metadata::no_rows(metadata::foreign_key_schema()))
    }

    async fn get_flight_info_imported_keys(
        &self,
        command: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(&command, &metadata::foreign_key_schema(), request)
    }

    async fn do_get_imported_keys(&self, _: CommandGetImportedKeys, _: Request<Ticket>) -> DoGet {
        Ok(metadata::no_rows(metadata::foreign_key_schema()))
    }

    async fn get_flight_info_cross_reference(
        &self,
        command: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(&command, &metadata::foreign_key_schema(), request)
    }

    async fn do_get_cross_reference(&self, _: CommandGetCrossReference, _: Request<Ticket>) -> DoGet {
        Ok(metadata::no_rows(metadata::foreign_key_schema()))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
