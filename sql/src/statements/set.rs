//! SET, SHOW, RESET and DISCARD.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::sql::parser::{ResetStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    ContextModifier, DiscardObject, Expr, Ident, ObjectName, Set, Statement as SqlStatement, Value,
};

use super::{Session, command};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::{Outcome, Prepared};

impl Session {
    pub(super) fn run_set(&self, set: &Set) -> Result<Outcome> {
        match set {
            Set::SingleAssignment { scope, variable, values, .. } => {
                let is_local = matches!(scope, Some(ContextModifier::Local));
                self.assign(&variable_name(variable), values, is_local)?;
            }
            Set::SetTimeZone { local, value } => {
                self.assign("timezone", std::slice::from_ref(value), *local)?;
            }
            Set::SetNames { charset_name, .. } => self.set("client_encoding", &charset_name.value)?,
            Set::SetNamesDefault {} => self.variables().reset("client_encoding")?,
            // Every statement commits by itself, whatever isolation a client asks for.
            Set::SetTransaction { .. } => {}
            Set::SetRole { role_name, .. } => self.expect_own_role(role_name.as_ref())?,
            other => {
                let message = format!("SET {other} is not supported in this version");
                return Err(Error::new(ErrorKind::FeatureNotSupported, message));
            }
        }
        Ok(command("SET"))
    }

    fn assign(&self, name: &str, values: &[Expr], is_local: bool) -> Result<()> {
        let texts: Vec<String> = values.iter().map(|value| value_text(name, value)).collect::<Result<_>>()?;
        if texts.len() == 1 && texts[0].eq_ignore_ascii_case("default") {
            return self.variables().reset(name);
        }
        let value = texts.join(", ");
        // Outside a block SET LOCAL ends with its own statement.
        match (is_local, self.transaction_status()) {
            (true, crate::statement::TransactionStatus::Idle) => Ok(()),
            (true, _) => self.variables().set_local(name, &value),
            (false, _) => self.variables().set(name, &value),
        }
    }

    /// Changes a setting for all sessions, also after a restart.
    pub(super) fn alter_system(&self, ast: &Ast) -> Result<Outcome> {
        let engine = self.database().engine();
        match ast {
            Ast::Reset(ResetStatement::Variable(name)) => {
                let name = self.variables().for_all_sessions(&variable_name(name))?;
                engine.reset_setting(&name)?;
            }
            Ast::Statement(statement) => {
                if let SqlStatement::Set(Set::SingleAssignment { variable, values, .. }) = statement.as_ref()
                {
                    let name = self.variables().for_all_sessions(&variable_name(variable))?;
                    let texts: Vec<String> =
                        values.iter().map(|value| value_text(&name, value)).collect::<Result<_>>()?;
                    engine.set_setting(&name, &texts.join(", "))?;
                }
            }
            _ => return Err(super::unsupported("this form of ALTER SYSTEM")),
        }
        Ok(command("ALTER SYSTEM"))
    }

    fn expect_own_role(&self, role: Option<&Ident>) -> Result<()> {
        match role {
            Some(role) if role.value != self.user() => {
                let message = format!("permission denied to set role \"{}\"", role.value);
                Err(Error::new(ErrorKind::InsufficientPrivilege, message))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn reset(&self, name: &str) -> Result<Outcome> {
        if name.eq_ignore_ascii_case("all") {
            self.variables().reset_all();
        } else {
            self.variables().reset(name)?;
        }
        Ok(command("RESET"))
    }

    pub(super) fn discard(&self, object: DiscardObject) -> Outcome {
        if matches!(object, DiscardObject::ALL) {
            self.variables().reset_all();
        }
        command(&format!("DISCARD {object}"))
    }

    pub(super) fn prepare_show(&self, variable: &[Ident]) -> Result<Prepared> {
        let schema = self.show_rows(variable)?.schema();
        Ok(Prepared { schema, parameter_types: Vec::new(), is_query: true })
    }

    pub(super) fn show(&self, variable: &[Ident]) -> Result<Outcome> {
        let batch = self.show_rows(variable)?;
        Ok(super::query::rows("SHOW", batch))
    }

    fn show_rows(&self, variable: &[Ident]) -> Result<RecordBatch> {
        let name = shown_name(variable);
        if name == "all" {
            let rows = self.variables().rows()?;
            let column = |value: fn(&crate::settings::SettingRow) -> &String| -> ArrayRef {
                Arc::new(rows.iter().map(|row| Some(value(row).as_str())).collect::<StringArray>())
            };
            let columns = vec![column(|r| &r.name), column(|r| &r.value), column(|r| &r.description)];
            return batch(&texts(&["name", "setting", "description"]), columns);
        }
        let value = self.variables().get(&name)?;
        batch(&texts(&[&shown_as(&name)]), vec![Arc::new(StringArray::from(vec![value]))])
    }
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))
}

fn texts(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(
        names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>(),
    ))
}

fn variable_name(name: &ObjectName) -> String {
    name.to_string().replace('"', "").to_lowercase()
}

/// `SHOW hyprstream.default_model`, `SHOW TIME ZONE`, `SHOW TRANSACTION ISOLATION LEVEL`.
fn shown_name(variable: &[Ident]) -> String {
    let words: Vec<String> = variable.iter().map(|ident| ident.value.to_lowercase()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["time", "zone"] => "timezone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        ["session", "authorization"] => "session_authorization".to_owned(),
        _ => words.join("."),
    }
}

/// Postgres writes these two with capitals.
fn shown_as(name: &str) -> String {
    match name {
        "timezone" => "TimeZone".to_owned(),
        "datestyle" => "DateStyle".to_owned(),
        other => other.to_owned(),
    }
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
