//! What is said of a statement that is complete.

/// A command tag as psql prints it, with the count of rows where Postgres gives one.
pub(crate) fn command_tag(tag: &str, rows: Option<u64>) -> String {
    match (tag, rows) {
        ("SHOW" | "EXPLAIN" | "CALL", _) | (_, None) => tag.to_owned(),
        (tag, Some(rows)) => format!("{tag} {rows}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_count_rows_as_postgres_does() {
        assert_eq!(command_tag("SELECT", Some(3)), "SELECT 3");
        assert_eq!(command_tag("INSERT 0", Some(2)), "INSERT 0 2");
        assert_eq!(command_tag("CALL", Some(9)), "CALL");
        assert_eq!(command_tag("CREATE TABLE", None), "CREATE TABLE");
    }
}
