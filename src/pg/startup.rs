//! How a connection begins: encryption refused, the user checked, the session opened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyprstream_engine::parse_boolean;
use hyprstream_sql::{Database, ErrorKind, Session, SessionOptions};
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::response::SslResponse;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, PasswordMessageFamily,
    SecretKey, Startup,
};

use crate::pg::backend::Backend;
use crate::pg::cancel::Connections;
use crate::pg::error::Failure;
use crate::pg::scram::{self, Verifier};
use crate::pg::wire::messages::{Malformed, Request, sasl_initial};
use crate::pg::wire::replies::{self, put};
use crate::pg::wire::transport::{Input, Output};
use crate::report::Report;
use crate::stopping::Stopping;

/// How long a client may take to authenticate.
const LIMIT: Duration = Duration::from_secs(30);

/// The one user and the one database.
const NAME: &str = "hyprstream";

/// What every connection of a listener shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub database: Arc<Database>,
    pub connections: Arc<Connections>,
    /// Set where clients must authenticate.
    pub verifier: Option<Verifier>,
}

/// Begins a connection, or answers why not. A client that is not `admitted` may only cancel statements.
pub(super) async fn begin(
    shared: &Shared,
    mut input: Input,
    mut output: Output,
    mut stopping: Stopping,
    admitted: bool,
) -> Option<Backend> {
    let begun = tokio::select! {
        biased;
        begun = open(shared, &mut input, &mut output, admitted) => begun,
        () = tokio::time::sleep(LIMIT) => {
            Err(Report::fatal("57014", "canceling authentication due to timeout").into())
        }
        () = stopping.requested() => {
            Err(Report::fatal("57P03", "the database system is shutting down").into())
        }
    };
    match begun {
        Ok(session) => {
            let registration = shared.connections.register();
            announce(&mut output, &session);
            let secret = SecretKey::Bytes(Bytes::copy_from_slice(&registration.secret));
            put(&mut output.buffer, &BackendKeyData::new(registration.process, secret));
            Some(Backend::new(session, input, output, registration, stopping))
        }
        Err(failure) => {
            if let Some(report) = failure.report() {
                replies::error(&mut output.buffer, &report);
                output.close().await;
            }
            None
        }
    }
}

async fn open(
    shared: &Shared,
    input: &mut Input,
    output: &mut Output,
    admitted: bool,
) -> Result<Session, Failure> {
    let Startup { protocol_number_minor: minor_version, parameters, .. } =
        startup_message(shared, input, output).await?;
    if !admitted {
        let report = Report::fatal("53300", "sorry, too many clients already")
            .with_hint("the limit is the option max_connections");
        return Err(report.into());
    }
    let unknown: Vec<String> = parameters.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if minor_version > 0 || !unknown.is_empty() {
        put(&mut output.buffer, &NegotiateProtocolVersion::new(Startup::PROTOCOL_VERSION_3_0, unknown));
    }
    check_names(&parameters)?;
    if let Some(verifier) = &shared.verifier {
        authenticate(verifier, input, output).await?;
    }
    put(&mut output.buffer, &Authentication::Ok);
    session(shared, &parameters)
}

/// The client's startup message, after the requests for encryption that may come before it are refused.
async fn startup_message(
    shared: &Shared,
    input: &mut Input,
    output: &mut Output,
) -> Result<Startup, Failure> {
    let mut encryption_requests = 0;
    loop {
        match input.opening().await?.ok_or(Failure::Gone)? {
            // TLS and GSSAPI are refused with the same byte.
            PgWireFrontendMessage::SslNegotiation(_) if encryption_requests < 2 => {
                encryption_requests += 1;
                put(&mut output.buffer, &SslResponse::Refuse);
                output.flush().await.map_err(|_| Failure::Gone)?;
            }
            PgWireFrontendMessage::CancelRequest(request) => {
                let secret = request.secret_key.to_bytes();
                shared.connections.cancel(request.pid, &secret);
                return Err(Failure::Gone);
            }
            PgWireFrontendMessage::Startup(startup) => return Ok(startup),
            _ => return Err(Failure::Gone),
        }
    }
}

/// The parameters of a client's startup message.
type Parameters = BTreeMap<String, String>;

fn parameter<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.get(name).map(String::as_str)
}

fn check_names(parameters: &Parameters) -> Result<(), Report> {
    let user = parameter(parameters, "user").unwrap_or_default();
    let database = parameter(parameters, "database").filter(|name| !name.is_empty()).unwrap_or(user);
    let hint = "connect with psql -h HOST -p PORT -U hyprstream hyprstream";
    if user != NAME {
        return Err(Report::fatal("28000", format!("role \"{user}\" does not exist")).with_hint(hint));
    }
    if database != NAME {
        let message = format!("database \"{database}\" does not exist");
        return Err(Report::fatal("3D000", message).with_hint(hint));
    }
    if parameter(parameters, "replication").is_some_and(|value| parse_boolean(value) != Some(false)) {
        return Err(Report::fatal("0A000", "replication connections are not supported"));
    }
    Ok(())
}

async fn authenticate(verifier: &Verifier, input: &mut Input, output: &mut Output) -> Result<(), Failure> {
    let malformed = || Report::fatal("08P01", "malformed SCRAM message");
    let mechanisms = vec![scram::MECHANISM.to_owned()];
    put(&mut output.buffer, &Authentication::SASL(mechanisms));
    output.flush().await.map_err(|_| Failure::Gone)?;
    let initial = sasl_initial(password_message(input).await?)?;
    if initial.auth_method != scram::MECHANISM {
        let message = "client selected an invalid SASL authentication mechanism";
        return Err(Report::fatal("08P01", message).into());
    }
    let data = initial.data.unwrap_or_default();
    let data = std::str::from_utf8(&data).map_err(|_| malformed())?;
    let (exchange, reply) = scram::first(verifier, data).map_err(|reason| Report::fatal("08P01", reason))?;
    put(&mut output.buffer, &Authentication::SASLContinue(reply.into()));
    output.flush().await.map_err(|_| Failure::Gone)?;
    let response = password_message(input).await?.into_sasl_response();
    let last = response.map_err(Malformed::from)?.data;
    let last = std::str::from_utf8(&last).map_err(|_| malformed())?;
    let signature = exchange.finish(verifier, last).ok_or_else(|| {
        Report::fatal("28P01", format!("password authentication failed for user \"{NAME}\""))
    })?;
    put(&mut output.buffer, &Authentication::SASLFinal(signature.into()));
    Ok(())
}

async fn password_message(input: &mut Input) -> Result<PasswordMessageFamily, Failure> {
    match input.short_message().await?.ok_or(Failure::Gone)? {
        Request::Message(PgWireFrontendMessage::PasswordMessageFamily(message)) => Ok(message),
        _ => Err(Report::fatal("08P01", "expected SASL response").into()),
    }
}

/// Opens the session with the settings that the client asks for.
fn session(shared: &Shared, parameters: &Parameters) -> Result<Session, Failure> {
    let options = SessionOptions {
        user: NAME.into(),
        application_name: parameter(parameters, "application_name").unwrap_or_default().into(),
    };
    let session = shared.database.session(options).map_err(fatal)?;
    let named = parameters.iter().map(|(name, value)| (name.clone(), value.clone()));
    let listed = command_line_settings(parameter(parameters, "options").unwrap_or_default());
    let settings = named.chain(listed).filter(|(name, _)| {
        !matches!(name.as_str(), "user" | "database" | "options" | "replication" | "application_name")
            && !name.starts_with("_pq_.")
    });
    for (name, value) in settings {
        match session.set(&name, &value) {
            // Drivers set what their own Postgres knows; only a value that is wrong for us is a mistake.
            Err(error) if error.kind() != ErrorKind::UndefinedObject => return Err(fatal(error)),
            _ => {}
        }
    }
    Ok(session)
}

fn fatal(error: hyprstream_sql::Error) -> Failure {
    Failure::Fatal(Report { severity: "FATAL", ..Report::from(error) })
}

/// The settings in a libpq `options` string: `-c name=value` and `--name=value`.
fn command_line_settings(options: &str) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix("--") {
            Some(assignment) => Some(assignment),
            None => match word.strip_prefix("-c") {
                Some("") => words.next(),
                assignment => assignment,
            },
        };
        if let Some((name, value)) = assignment.and_then(|assignment| assignment.split_once('=')) {
            settings.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    settings
}

/// Writes the parameters that drivers read without asking.
fn announce(output: &mut Output, session: &Session) {
    let fixed = [
        ("server_version", "15.0"),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("is_superuser", "on"),
        ("session_authorization", NAME),
        ("default_transaction_read_only", "off"),
        ("in_hot_standby", "off"),
    ];
    let mut announce = |name: &str, value: &str| {
        let status = ParameterStatus::new(name.to_owned(), replies::c_text(value));
        put(&mut output.buffer, &status);
    };
    for (name, value) in fixed {
        announce(name, value);
    }
    if let Ok(name) = session.setting("application_name") {
        announce("application_name", &name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(user: &str, database: Option<&str>) -> Result<(), Report> {
        let mut parameters = Parameters::from([("user".to_owned(), user.to_owned())]);
        parameters.extend(database.map(|name| ("database".to_owned(), name.to_owned())));
        check_names(&parameters)
    }

    #[test]
    fn an_unknown_user_or_database_is_told_how_to_connect() {
        assert!(names("hyprstream", None).is_ok());
        assert!(names("hyprstream", Some("hyprstream")).is_ok());
        let role = names("root", Some("hyprstream")).unwrap_err();
        assert_eq!((role.severity, role.sqlstate), ("FATAL", "28000"));
        assert!(role.hint.unwrap().contains("-U hyprstream"));
        assert_eq!(names("hyprstream", Some("postgres")).unwrap_err().sqlstate, "3D000");
    }

    #[test]
    fn settings_are_read_from_the_options_of_libpq() {
        let settings = command_line_settings("-c statement_timeout=5s  --search-path=public -cwork_mem=1 -x");
        let expected = [("statement_timeout", "5s"), ("search_path", "public"), ("work_mem", "1")];
        assert_eq!(settings, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
