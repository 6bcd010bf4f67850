//! What drivers ask about the server itself.

use std::sync::OnceLock;

use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    CommandGetSqlInfo, CommandGetXdbcTypeInfo, Nullable, Searchable, SqlInfo, SqlNullOrdering,
    SqlSupportedCaseSensitivity, SqlSupportedTransaction, XdbcDataType,
};
use tonic::{Response, Status};

use crate::flight::statements::{FlightStream, batches};

/// The facts that `GetSqlInfo` answers with.
pub(super) fn sql_info() -> Result<&'static SqlInfoData, Status> {
    static DATA: OnceLock<Result<SqlInfoData, String>> = OnceLock::new();
    let data = DATA.get_or_init(|| {
        let mut facts = SqlInfoDataBuilder::new();
        facts.append(SqlInfo::FlightSqlServerName, "hyprstream");
        facts.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
        facts.append(SqlInfo::FlightSqlServerArrowVersion, datafusion::arrow::ARROW_VERSION);
        facts.append(SqlInfo::FlightSqlServerReadOnly, false);
        facts.append(SqlInfo::FlightSqlServerSql, true);
        facts.append(SqlInfo::FlightSqlServerSubstrait, false);
        facts.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
        facts.append(SqlInfo::FlightSqlServerCancel, false);
        facts.append(SqlInfo::FlightSqlServerBulkIngestion, false);
        facts.append(SqlInfo::SqlDdlCatalog, false);
        facts.append(SqlInfo::SqlDdlSchema, false);
        facts.append(SqlInfo::SqlDdlTable, true);
        facts.append(
            SqlInfo::SqlIdentifierCase,
            SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32,
        );
        facts.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
        facts.append(
            SqlInfo::SqlQuotedIdentifierCase,
            SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32,
        );
        facts.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedAtEnd as i32);
        facts.build().map_err(|error| error.to_string())
    });
    data.as_ref().map_err(|error| Status::internal(error.clone()))
}

/// Answers `GetSqlInfo`.
pub(super) fn answer(command: CommandGetSqlInfo) -> Result<Response<FlightStream>, Status> {
    let builder = command.into_builder(sql_info()?);
    let schema = builder.schema();
    Ok(batches(schema, vec![builder.build()?]))
}

/// The types that columns can be declared with.
pub(super) fn xdbc_types() -> Result<&'static XdbcTypeInfoData, Status> {
    static DATA: OnceLock<Result<XdbcTypeInfoData, String>> = OnceLock::new();
    let data = DATA.get_or_init(|| {
        let mut types = XdbcTypeInfoDataBuilder::new();
        let numbers = [
            ("SMALLINT", XdbcDataType::XdbcSmallint, 16),
            ("INTEGER", XdbcDataType::XdbcInteger, 32),
            ("BIGINT", XdbcDataType::XdbcBigint, 64),
            ("REAL", XdbcDataType::XdbcReal, 24),
            ("DOUBLE PRECISION", XdbcDataType::XdbcDouble, 53),
        ];
        for (name, data_type, bits) in numbers {
            types.append(XdbcTypeInfo {
                column_size: Some(bits),
                num_prec_radix: Some(2),
                unsigned_attribute: Some(false),
                ..type_info(name, data_type)
            });
        }
        let quoted = [
            ("TEXT", XdbcDataType::XdbcVarchar),
            ("DATE", XdbcDataType::XdbcDate),
            ("TIME", XdbcDataType::XdbcTime),
            ("TIMESTAMP", XdbcDataType::XdbcTimestamp),
        ];
        for (name, data_type) in quoted {
            types.append(XdbcTypeInfo {
                literal_prefix: Some("'".into()),
                literal_suffix: Some("'".into()),
                case_sensitive: name == "TEXT",
                ..type_info(name, data_type)
            });
        }
        types.append(type_info("BOOLEAN", XdbcDataType::XdbcBit));
        types.append(type_info("BYTEA", XdbcDataType::XdbcVarbinary));
        types.append(XdbcTypeInfo {
            create_params: Some(vec!["precision".into(), "scale".into()]),
            column_size: Some(38),
            num_prec_radix: Some(10),
            ..type_info("DECIMAL", XdbcDataType::XdbcDecimal)
        });
        types.build().map_err(|error| error.to_string())
    });
    data.as_ref().map_err(|error| Status::internal(error.clone()))
}

fn type_info(name: &str, data_type: XdbcDataType) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.into(),
        local_type_name: Some(name.into()),
        data_type,
        sql_data_type: data_type,
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        auto_increment: Some(false),
        ..XdbcTypeInfo::default()
    }
}

/// Answers `GetXdbcTypeInfo`.
pub(super) fn answer_types(command: CommandGetXdbcTypeInfo) -> Result<Response<FlightStream>, Status> {
    let builder = command.into_builder(xdbc_types()?);
    let schema = builder.schema();
    Ok(batches(schema, vec![builder.build()?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_learns_the_name_and_the_quote() {
        let asked = [SqlInfo::FlightSqlServerName as u32, SqlInfo::SqlIdentifierQuoteChar as u32];
        assert_eq!(sql_info().unwrap().record_batch(asked).unwrap().num_rows(), 2);
    }

    #[test]
    fn every_type_is_listed_once() {
        assert_eq!(xdbc_types().unwrap().record_batch(None).unwrap().num_rows(), 12);
        let integer = XdbcDataType::XdbcInteger as i32;
        assert_eq!(xdbc_types().unwrap().record_batch(integer).unwrap().num_rows(), 1);
    }
}
