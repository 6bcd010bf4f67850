//! Text to bytes as Postgres reads it: `\x` and hexadecimal digits, or characters with octal escapes. A plain cast
//! would store the digits themselves.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{AsArray, BinaryArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarUDF, Volatility, create_udf,
};
use datafusion::optimizer::AnalyzerRule;

use crate::error::{Error, ErrorKind};

/// Replaces casts from text to bytes. It comes after the rule that settles types, which puts in casts of its own.
#[derive(Debug)]
pub(crate) struct ByteaFromText;

impl AnalyzerRule for ByteaFromText {
    fn name(&self) -> &'static str {
        "bytea_from_text"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_plan).map(|plan| plan.data)
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| Ok(rewrite(expr, &schema)))?;
        Ok(rewritten.update_data(|expr| name.restore(expr)))
    })
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::Cast(Cast { expr, field })
            if field.data_type() == &DataType::Binary
                && expr.get_type(schema).is_ok_and(|of| of == DataType::Utf8) =>
        {
            Transformed::yes(BYTEA_IN.call(vec![*expr]))
        }
        other => Transformed::no(other),
    }
}

static BYTEA_IN: LazyLock<ScalarUDF> = LazyLock::new(|| {
    create_udf(
        "bytea_in",
        vec![DataType::Utf8],
        DataType::Binary,
        Volatility::Immutable,
        Arc::new(|arguments| {
            let texts = ColumnarValue::values_to_arrays(arguments)?;
            let bytes = texts[0].as_string::<i32>().iter().map(|text| text.map(bytes).transpose());
            let bytes = bytes.collect::<std::result::Result<Vec<_>, Error>>();
            Ok(ColumnarValue::Array(Arc::new(BinaryArray::from_iter(bytes?))))
        }),
    )
});

fn bytes(text: &str) -> std::result::Result<Vec<u8>, Error> {
    let wrong = || {
        let message = "invalid input syntax for type bytea: after \\x it has pairs of hexadecimal digits, else \\ stands \
                       before another \\ or three octal digits";
        Error::new(ErrorKind::InvalidText, message)
    };
    let read = match text.strip_prefix("\\x") {
        Some(digits) => hexadecimal(digits),
        None => escaped(text.as_bytes()),
    };
    read.ok_or_else(wrong)
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> =
        digits.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect())
}

fn escaped(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        let (byte, left) = match (first, rest) {
            (b'\\', [b'\\', rest @ ..]) => (b'\\', rest),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..]) => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), rest)
            }
            (b'\\', _) => return None,
            (other, rest) => (other, rest),
        };
        bytes.push(byte);
        text = left;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_postgres_are_read_and_anything_else_is_refused() {
        let read = |text| bytes(text).ok();
        assert_eq!(read(r"\x41fF 00"), Some(vec![0x41, 0xff, 0]));
        assert_eq!(read(r"\x"), Some(vec![]));
        assert_eq!(read(r"a\\b\101\377"), Some(b"a\\bA\xff".to_vec()));
        assert_eq!(read("ä"), Some("ä".as_bytes().to_vec()));
        for text in [r"\x4", r"\xgg", r"\x4é", r"\", r"\9", r"\400", r"\12"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
