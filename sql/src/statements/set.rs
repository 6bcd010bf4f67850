//! SET, ALTER SYSTEM, RESET and DISCARD.

use datafusion::sql::parser::{ResetStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    ContextModifier, DiscardObject, Expr, Ident, ObjectName, Set, Statement as SqlStatement, Value,
};

use crate::error::{Error, ErrorKind, Result};
use crate::session::core::Session;
use crate::statement::{Outcome, TransactionStatus};

pub(super) fn set(session: &Session, set: &Set) -> Result<Outcome> {
    match set {
        Set::SingleAssignment { scope, variable, values, .. } => {
            let is_local = matches!(scope, Some(ContextModifier::Local));
            assign(session, &variable_name(variable), values, is_local)?;
        }
        Set::SetTimeZone { local, value } => {
            assign(session, "timezone", std::slice::from_ref(value), *local)?;
        }
        Set::SetNames { charset_name, .. } => session.set("client_encoding", &charset_name.value)?,
        Set::SetNamesDefault {} => session.variables().reset("client_encoding")?,
        // Every statement commits by itself, whatever isolation a client asks for.
        Set::SetTransaction { .. } => {}
        Set::SetRole { role_name, .. } => expect_own_role(session, role_name.as_ref())?,
        other => return Err(Error::unsupported(&format!("SET {other}"))),
    }
    Ok(Outcome::command("SET"))
}

fn assign(session: &Session, name: &str, values: &[Expr], is_local: bool) -> Result<()> {
    let texts: Vec<String> = values.iter().map(|value| value_text(name, value)).collect::<Result<_>>()?;
    if texts.len() == 1 && texts[0].eq_ignore_ascii_case("default") {
        return session.variables().reset(name);
    }
    let value = texts.join(", ");
    // Outside a block SET LOCAL ends with its own statement.
    match (is_local, session.transaction_status()) {
        (true, TransactionStatus::Idle) => Ok(()),
        (true, _) => session.variables().set_local(name, &value),
        (false, _) => session.variables().set(name, &value),
    }
}

/// Changes a setting for all sessions, also after a restart.
pub(super) fn alter_system(session: &Session, ast: &Ast) -> Result<Outcome> {
    let engine = session.database().engine();
    match ast {
        Ast::Reset(ResetStatement::Variable(name)) => {
            let name = session.variables().for_all_sessions(&variable_name(name))?;
            engine.reset_setting(&name)?;
        }
        Ast::Statement(statement) => {
            if let SqlStatement::Set(Set::SingleAssignment { variable, values, .. }) = statement.as_ref() {
                let name = session.variables().for_all_sessions(&variable_name(variable))?;
                let texts: Vec<String> =
                    values.iter().map(|value| value_text(&name, value)).collect::<Result<_>>()?;
                engine.set_setting(&name, &texts.join(", "))?;
            }
        }
        _ => return Err(Error::unsupported("this form of ALTER SYSTEM")),
    }
    Ok(Outcome::command("ALTER SYSTEM"))
}

fn expect_own_role(session: &Session, role: Option<&Ident>) -> Result<()> {
    match role {
        Some(role) if role.value != session.user() => {
            let message = format!("permission denied to set role \"{}\"", role.value);
            Err(Error::new(ErrorKind::InsufficientPrivilege, message))
        }
        _ => Ok(()),
    }
}

pub(super) fn reset(session: &Session, name: &str) -> Result<Outcome> {
    if name.eq_ignore_ascii_case("all") {
        session.variables().reset_all();
    } else {
        session.variables().reset(name)?;
    }
    Ok(Outcome::command("RESET"))
}

pub(super) fn discard(session: &Session, object: DiscardObject) -> Outcome {
    if matches!(object, DiscardObject::ALL) {
        session.variables().reset_all();
    }
    Outcome::command(&format!("DISCARD {object}"))
}

fn variable_name(name: &ObjectName) -> String {
    name.to_string().replace('"', "").to_lowercase()
}

fn value_text(name: &str, value: &Expr) -> Result<String> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text)
            | Value::DoubleQuotedString(text)
            | Value::EscapedStringLiteral(text) => Ok(text.clone()),
            Value::Number(number, _) => Ok(number.clone()),
            Value::Boolean(value) => Ok(if *value { "on" } else { "off" }.to_owned()),
            other => Ok(other.to_string()),
        },
        Expr::Identifier(ident) => Ok(ident.value.clone()),
        Expr::UnaryOp { .. } => Ok(value.to_string().replace(' ', "")),
        Expr::CompoundIdentifier(_) => Ok(value.to_string()),
        other => {
            let message = format!("invalid value for parameter \"{name}\": {other}");
            Err(Error::new(ErrorKind::InvalidParameter, message))
        }
    }
}
