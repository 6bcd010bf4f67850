//! `f(a, name => b)` becomes `f(a, NULL, b)`: arguments in the function's own order, gaps filled with NULL.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType as SqlType, Expr, Function as SqlFunction, FunctionArg, FunctionArgExpr,
    FunctionArguments, ObjectName, Value,
};
use hyprstream_udfs::{Function, Kind, SCALAR_FUNCTIONS};

use crate::error::{Error, ErrorKind, Result};
use crate::nearest::suggestion;
use crate::rewrite::syntax::{cast, parameter_number};

/// One argument as it was written: with a name or without.
struct NamedArgument {
    name: Option<String>,
    value: Expr,
}

impl NamedArgument {
    /// Reads an argument; `f(*)` and the like are no arguments.
    fn try_new(function: &str, argument: FunctionArg) -> Result<Self> {
        let (name, value) = match argument {
            FunctionArg::Named { name, arg, .. }
            | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => (Some(name.value), arg),
            FunctionArg::ExprNamed { name, .. } => {
                let message = format!("\"{name}\" is not the name of an argument of {function}");
                return Err(Error::new(ErrorKind::SyntaxError, message));
            }
            FunctionArg::Unnamed(arg) => (None, arg),
        };
        match value {
            FunctionArgExpr::Expr(value) => Ok(Self { name: name.map(|n| n.to_lowercase()), value }),
            other => {
                let message = format!("{function} does not take \"{other}\" as an argument");
                Err(Error::new(ErrorKind::SyntaxError, message))
            }
        }
    }
}

/// Puts the arguments of a call of one of our functions into its order.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Function(call) = expr else { return Ok(()) };
    let Some(function) = find(&call.name, SCALAR_FUNCTIONS.iter().map(|entry| &entry.function)) else {
        return Ok(());
    };
    rewrite_call(call, function)
}

fn rewrite_call(call: &mut SqlFunction, function: &Function) -> Result<()> {
    let FunctionArguments::List(list) = &mut call.args else {
        return Ok(());
    };
    let arguments = std::mem::take(&mut list.args);
    let bound = bind(function, arguments)?;
    list.args = bound
        .into_iter()
        .map(|value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value.unwrap_or_else(null))))
        .collect();
    Ok(())
}

/// The function with this name, if it is one of these.
pub(super) fn find(
    name: &ObjectName,
    mut functions: impl Iterator<Item = &'static Function>,
) -> Option<&'static Function> {
    let name = name.0.last()?.as_ident()?;
    functions.find(|f| f.name.eq_ignore_ascii_case(&name.value))
}

/// A value for each parameter up to the last that is given; `None` for those that are not.
pub(crate) fn bind(function: &Function, arguments: Vec<FunctionArg>) -> Result<Vec<Option<Expr>>> {
    let mut bound: Vec<Option<Expr>> = vec![None; function.parameters.len()];
    let mut named = false;
    for (i, argument) in arguments.into_iter().enumerate() {
        let argument = NamedArgument::try_new(function.name, argument)?;
        let position = match &argument.name {
            Some(name) => position(function, name)?,
            None if named => {
                let message =
                    format!("an argument of {} without a name follows one with a name", function.name);
                return Err(Error::new(ErrorKind::SyntaxError, message));
            }
            None if i < bound.len() => i,
            None => {
                let message = format!("{} takes at most {} arguments", function.name, bound.len());
                return Err(Error::new(ErrorKind::UndefinedFunction, message));
            }
        };
        named = argument.name.is_some();
        let value = typed(argument.value, function.parameters[position].kind);
        if bound[position].replace(value).is_some() {
            let name = function.parameters[position].name;
            let message = format!("argument \"{name}\" of {} is given twice", function.name);
            return Err(Error::new(ErrorKind::SyntaxError, message));
        }
    }
    if let Some(missing) = bound[..function.required].iter().position(Option::is_none) {
        let name = function.parameters[missing].name;
        let message = format!("function {} needs the argument \"{name}\"", function.name);
        return Err(Error::new(ErrorKind::UndefinedFunction, message));
    }
    let given = bound.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    bound.truncate(given);
    Ok(bound)
}

fn position(function: &Function, name: &str) -> Result<usize> {
    if let Some(position) = function.position(name) {
        return Ok(position);
    }
    let near = suggestion(name, function.parameters.iter().map(|p| p.name));
    let message = format!("function {} has no argument \"{name}\"{near}", function.name);
    let names: Vec<&str> = function.parameters.iter().map(|p| p.name).collect();
    Err(Error::new(ErrorKind::UndefinedObject, message).with_hint(format!("It takes {}.", names.join(", "))))
}

/// An argument as it is planned: a parameter of the statement is cast to the argument's type.
fn typed(value: Expr, kind: Kind) -> Expr {
    if parameter_number(&value).is_none() {
        return value;
    }
    let list = |element| SqlType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None));
    let target = match kind {
        Kind::Text | Kind::Version => SqlType::Text,
        Kind::Integer => SqlType::BigInt(None),
        Kind::Float => SqlType::DoublePrecision,
        Kind::Boolean => SqlType::Boolean,
        Kind::Texts => list(SqlType::Text),
        Kind::Integers => list(SqlType::BigInt(None)),
        Kind::Vector => list(SqlType::Real),
    };
    cast(value, target)
}

fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::parse::parse;

    fn rewritten(text: &str) -> String {
        parse(text).unwrap()[0].ast.as_ref().unwrap().to_string()
    }

    #[test]
    fn named_arguments_take_their_positions_and_gaps_are_null() {
        assert_eq!(
            rewritten("SELECT x FROM t WHERE generate('p', max_tokens => 8, model => 'm') = 'y'"),
            "SELECT x FROM t WHERE generate('p', 'm', NULL, 8) = 'y'"
        );
        assert_eq!(
            rewritten("SELECT embed(dimensions => 4, text => 'x') AS e"),
            "SELECT embed('x', NULL, 4) AS e"
        );
    }

    #[test]
    fn a_misspelt_argument_gets_the_nearest_name() {
        let error = parse("SELECT generate('x', temprature => 1)").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        assert_eq!(
            error.message(),
            "function generate has no argument \"temprature\"; did you mean \"temperature\"?"
        );
    }

    #[test]
    fn an_argument_that_there_is_not_is_refused_by_name() {
        let error = parse("SELECT generate('x', grammar => 'g')").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        assert!(error.message().contains("\"grammar\""));
    }

    #[test]
    fn missing_twice_given_and_surplus_arguments_are_refused() {
        for (text, part) in [
            ("SELECT generate(model => 'm')", "needs the argument \"prompt\""),
            ("SELECT generate('x', prompt => 'y')", "given twice"),
            ("SELECT count_tokens('x', 'm', 3)", "at most 2 arguments"),
            ("SELECT generate(prompt => 'x', 'y')", "without a name follows"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message().contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn calls_inside_subqueries_and_inserts_are_rewritten_too() {
        assert_eq!(
            rewritten("INSERT INTO t SELECT a FROM (SELECT generate(b, seed => 1) AS a FROM u) s"),
            "INSERT INTO t SELECT a FROM (SELECT generate(b, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1) AS a \
             FROM u) s"
        );
    }
}
