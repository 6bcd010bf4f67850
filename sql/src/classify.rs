//! The planner's and the engine's errors as a session's own, by kind, with the nearest name.

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use hyprstream_engine::Error as EngineError;

use crate::error::{Error, ErrorKind, inner_error};
use crate::nearest::suggestion;

/// The names that a misspelt one is compared with.
pub(crate) trait KnownNames {
    /// Tables that can be read by this name alone.
    fn tables(&self) -> Vec<String>;
    /// Functions, of every kind.
    fn functions(&self) -> Vec<String>;
    /// Functions in FROM.
    fn table_functions(&self) -> Vec<String>;
}

/// Tells what kind of error it is.
pub(crate) fn classify(error: &DataFusionError, names: &dyn KnownNames) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => classify(inner, names),
        DataFusionError::Shared(inner) => classify(inner, names),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => classify(first, names),
            None => Error::internal("several errors without one"),
        },
        DataFusionError::External(inner) => external(inner.as_ref(), names),
        DataFusionError::ArrowError(inner, _) => arrow(inner, names),
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::Plan(message) => plan(message, names),
        DataFusionError::Execution(message) => execution(message),
        DataFusionError::NotImplemented(message) => not_implemented(message),
        DataFusionError::SQL(inner, _) => Error::new(ErrorKind::SyntaxError, inner.to_string()),
        DataFusionError::ResourcesExhausted(message) => Error::new(ErrorKind::InsufficientResources, message),
        DataFusionError::IoError(inner) => Error::new(ErrorKind::IoError, inner.to_string()),
        DataFusionError::ObjectStore(inner) => Error::new(ErrorKind::IoError, inner.to_string()),
        DataFusionError::ParquetError(inner) => inner_error(inner.as_ref())
            .unwrap_or_else(|| Error::new(ErrorKind::DataCorrupted, inner.to_string())),
        DataFusionError::Configuration(message) => Error::new(ErrorKind::InvalidParameter, message),
        DataFusionError::ExecutionJoin(inner) => {
            Error::internal(format!("a task of the query failed: {inner}"))
        }
        other => Error::internal(other.strip_backtrace()),
    }
}

/// Whether planning failed because the type of a placeholder is not clear.
pub(crate) fn is_untyped_placeholder(error: &DataFusionError) -> bool {
    // DataFusion has no kind for it, and begins the word with either case.
    error.to_string().contains("laceholder")
}

fn not_implemented(message: &str) -> Error {
    let kind = ErrorKind::FeatureNotSupported;
    let subquery = ["Exists(", "ScalarSubquery(", "InSubquery(", "OuterReferenceColumn("];
    if message.contains("does not support logical expression") && subquery.iter().any(|s| message.contains(s))
    {
        return Error::new(kind, "a subquery cannot stand here in this version")
            .with_hint("Join with the subquery in FROM, and keep the rows that are wanted by DISTINCT ON or row_number().");
    }
    Error::new(kind, message.trim())
}

fn external(error: &(dyn std::error::Error + Send + Sync + 'static), names: &dyn KnownNames) -> Error {
    if let Some(error) = error.downcast_ref::<EngineError>() {
        return error.into();
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        return error.clone();
    }
    if let Some(error) = error.downcast_ref::<DataFusionError>() {
        return classify(error, names);
    }
    if let Some(error) = error.downcast_ref::<ArrowError>() {
        return arrow(error, names);
    }
    Error::internal(error)
}

fn arrow(error: &ArrowError, names: &dyn KnownNames) -> Error {
    match error {
        ArrowError::ExternalError(inner) => external(inner.as_ref(), names),
        ArrowError::DivideByZero => Error::new(ErrorKind::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(message) => Error::new(ErrorKind::NumericOutOfRange, message),
        ArrowError::CastError(message) if message.contains("Can't cast value") => {
            Error::new(ErrorKind::NumericOutOfRange, message)
        }
        ArrowError::CastError(message) | ArrowError::ParseError(message) => {
            Error::new(ErrorKind::InvalidText, message)
        }
        ArrowError::InvalidArgumentError(message) if message.contains("to store in a Decimal") => {
            Error::new(ErrorKind::NumericOutOfRange, message)
        }
        ArrowError::InvalidArgumentError(message) if message.contains("non-nullable") => {
            Error::new(ErrorKind::NotNullViolation, message)
        }
        ArrowError::InvalidArgumentError(message) => Error::new(ErrorKind::InvalidParameter, message),
        ArrowError::ParquetError(message) => Error::new(ErrorKind::DataCorrupted, message),
        ArrowError::NotYetImplemented(message) => Error::new(ErrorKind::FeatureNotSupported, message),
        ArrowError::IoError(message, _) => Error::new(ErrorKind::IoError, message),
        ArrowError::MemoryError(message) => Error::new(ErrorKind::InsufficientResources, message),
        ArrowError::CsvError(message) if message.contains("not supported") => {
            Error::new(ErrorKind::FeatureNotSupported, message)
        }
        ArrowError::CsvError(message) | ArrowError::JsonError(message) => {
            Error::new(ErrorKind::DataException, message)
        }
        other => Error::new(ErrorKind::DataException, other.to_string()),
    }
}

fn schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known: Vec<&str> = valid_fields.iter().map(|f| f.name.as_str()).collect();
            let near = suggestion(&field.name, known);
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => field.name.clone(),
            };
            Error::new(ErrorKind::UndefinedColumn, format!("column \"{name}\" does not exist{near}"))
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            ErrorKind::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(ErrorKind::DuplicateColumn, format!("column \"{name}\" is there twice"))
        }
    }
}

fn plan(message: &str, names: &dyn KnownNames) -> Error {
    if let Some(name) = between(message, "table '", "' not found") {
        return undefined_table(name, names);
    }
    if let Some(name) = between(message, "table function '", "' not found") {
        let known = names.table_functions();
        let near = suggestion(name, known.iter().map(String::as_str));
        return Error::new(
            ErrorKind::UndefinedFunction,
            format!("function {name} in FROM does not exist{near}"),
        );
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        let known = names.functions();
        let near = suggestion(name, known.iter().map(String::as_str));
        return Error::new(ErrorKind::UndefinedFunction, format!("function {name} does not exist{near}"));
    }
    if let Some(name) = between(message, "No field named ", ".") {
        let name = name.replace('"', "");
        return Error::new(ErrorKind::UndefinedColumn, format!("column \"{name}\" does not exist"));
    }
    if let Some(name) = between(message, "failed to resolve schema: ", "\u{0}") {
        return Error::new(ErrorKind::UndefinedSchema, format!("schema \"{name}\" does not exist"));
    }
    if let Some(own) = own_words(message) {
        return Error::new(ErrorKind::UndefinedFunction, own);
    }
    if message.contains("Candidate functions") || message.contains("coerce arguments") {
        return Error::new(ErrorKind::UndefinedFunction, first_line(message));
    }
    if message.contains("Cannot cast") || message.contains("type_coercion") || message.contains("coerce") {
        return Error::new(ErrorKind::DatatypeMismatch, first_line(message));
    }
    Error::new(ErrorKind::InvalidStatement, message.trim())
}

/// What one of our functions says of its arguments; `DataFusion` wraps it into lines of its own.
fn own_words(message: &str) -> Option<String> {
    let line = message.lines().find_map(|line| {
        let markers = [": argument \"", " needs the argument \"", " takes at most "];
        let marker = markers.iter().find_map(|marker| line.find(marker))?;
        let begin = line[..marker].rfind("function ")?;
        Some(&line[begin..])
    })?;
    Some(line.trim_end_matches('.').to_owned())
}

fn undefined_table(name: &str, names: &dyn KnownNames) -> Error {
    let table = name.rsplit('.').next().unwrap_or(name);
    let known = names.tables();
    let near = suggestion(table, known.iter().map(String::as_str));
    let shown = name.strip_prefix("hyprstream.public.").unwrap_or(name);
    let shown = shown.strip_prefix("hyprstream.").unwrap_or(shown);
    Error::new(ErrorKind::UndefinedTable, format!("table \"{shown}\" does not exist{near}"))
}

fn execution(message: &str) -> Error {
    if let Some(own) = own_words(message) {
        return Error::new(ErrorKind::UndefinedFunction, own);
    }
    let kind = if message.contains("Divide by zero") {
        ErrorKind::DivisionByZero
    } else if message.contains("overflow") {
        ErrorKind::NumericOutOfRange
    } else if message.contains("non-nullable") || message.contains("null values") {
        ErrorKind::NotNullViolation
    } else {
        ErrorKind::DataException
    };
    Error::new(kind, message.trim())
}

fn between<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &message[message.find(before)? + before.len()..];
    Some(rest.find(after).map_or(rest, |end| &rest[..end]))
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names;

    impl KnownNames for Names {
        fn tables(&self) -> Vec<String> {
            vec!["adapters".to_owned(), "questions".to_owned()]
        }

        fn functions(&self) -> Vec<String> {
            vec!["generate".to_owned()]
        }

        fn table_functions(&self) -> Vec<String> {
            vec!["adapter_weights".to_owned()]
        }
    }

    #[test]
    fn an_unknown_table_gets_the_nearest_name() {
        let error = DataFusionError::Plan("table 'hyprstream.public.adaptrs' not found".to_owned());
        let error = classify(&error, &Names);
        assert_eq!(error.kind(), ErrorKind::UndefinedTable);
        assert_eq!(error.message(), "table \"adaptrs\" does not exist; did you mean \"adapters\"?");
    }

    #[test]
    fn an_engine_error_keeps_its_kind_through_every_wrapping() {
        let inner =
            EngineError::UnknownAdapter { name: "suport".to_owned(), nearest: Some("support".to_owned()) };
        let error = DataFusionError::External(Box::new(inner));
        let error = DataFusionError::Shared(std::sync::Arc::new(error.context("while answering")));
        let error = ArrowError::ExternalError(Box::new(error));
        let error = classify(&DataFusionError::ArrowError(Box::new(error), None), &Names);
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        assert_eq!(error.message(), "adapter \"suport\" does not exist; did you mean \"support\"?");
    }
}
