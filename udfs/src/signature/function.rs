//! What arguments a function takes, in order: one declaration for signatures, named arguments and the catalog.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, Signature, TypeSignature, Volatility};

use crate::signature::kind::{Kind, type_name, vector_type};

/// One argument of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Its name, as in `name => value`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// An argument with this name and type.
pub const fn parameter(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind }
}

/// A function or procedure, its arguments, and how many of them a call must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its SQL name.
    pub name: &'static str,
    /// Its arguments in order.
    pub parameters: &'static [Parameter],
    /// How many of the first ones a call must give.
    pub required: usize,
}

impl Function {
    /// The position of an argument.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|p| p.name == name)
    }

    /// The signature of a function that runs the model. An asynchronous function has no say in how its arguments
    /// are cast, so it takes them as they are: their types are checked when its own type is asked for, and they are
    /// cast when it runs.
    pub(crate) fn asynchronous_signature(&self) -> Signature {
        let counts = (self.required..=self.parameters.len()).map(TypeSignature::Any).collect();
        self.with_names(Signature::one_of(counts, Volatility::Volatile))
    }

    /// The signature for `DataFusion`: types are checked by [`Function::coerce`].
    pub(crate) fn signature(&self, volatility: Volatility) -> Signature {
        self.with_names(Signature::user_defined(volatility))
    }

    fn with_names(&self, signature: Signature) -> Signature {
        let names: Vec<&str> = self.parameters.iter().map(|p| p.name).collect();
        signature.clone().with_parameter_names(names).unwrap_or(signature)
    }

    /// The types of the arguments as they were given, checked.
    pub(crate) fn check(&self, given: &[FieldRef]) -> Result<()> {
        let types: Vec<DataType> = given.iter().map(|field| field.data_type().clone()).collect();
        self.coerce(&types).map(|_| ())
    }

    /// The arguments' values as arrays of the types that the function takes.
    pub(crate) fn columns(&self, arguments: &[ColumnarValue], rows: usize) -> Result<Vec<ArrayRef>> {
        let columns = arguments.iter().zip(self.parameters);
        columns.map(|(argument, parameter)| parameter.cast(&argument.to_array(rows)?)).collect()
    }

    /// The types that a call's arguments are cast to, or an error that names the first that does not fit.
    pub(crate) fn coerce(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() < self.required {
            let missing = self.parameters[given.len()].name;
            return plan_err!("function {} needs the argument \"{missing}\"", self.name);
        }
        if given.len() > self.parameters.len() {
            return plan_err!(
                "function {} takes at most {} arguments, {} were given",
                self.name,
                self.parameters.len(),
                given.len()
            );
        }
        self.parameters.iter().zip(given).map(|(p, t)| p.coerce(self.name, t)).collect()
    }
}

impl Parameter {
    /// A column of arguments as the function takes it, or an error that names the argument.
    pub fn cast(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let target = self.coerce("in FROM", column.data_type())?;
        let nothing_lost = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(column, &target, &nothing_lost)
            .map_err(|error| exec_datafusion_err!("argument \"{}\" is out of range: {error}", self.name))
    }

    fn coerce(&self, function: &str, given: &DataType) -> Result<DataType> {
        let target = match (self.kind, given) {
            (Kind::Vector, DataType::FixedSizeList(_, length)) => vector_type(*length),
            (Kind::Vector, DataType::List(_) | DataType::LargeList(_)) => {
                DataType::new_list(DataType::Float32, true)
            }
            // NULL keeps its own type, so that what is written out stays a literal.
            (_, DataType::Null) => DataType::Null,
            (Kind::Text, t) if t.is_string() => DataType::Utf8,
            (Kind::Version, t) if t.is_string() || t.is_integer() => DataType::Utf8,
            (Kind::Integer, t) if t.is_integer() => DataType::Int64,
            (Kind::Float, t) if t.is_numeric() => DataType::Float64,
            (Kind::Boolean, DataType::Boolean) => DataType::Boolean,
            (Kind::Texts, t) if t.is_string() => DataType::Utf8,
            (
                Kind::Texts | Kind::Integers,
                DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _),
            ) if self.kind.takes_element(f.data_type()) => self.kind.data_type(),
            (_, t) => {
                return plan_err!(
                    "function {function}: argument \"{}\" must be {}, not {}",
                    self.name,
                    self.kind.description(),
                    type_name(t)
                );
            }
        };
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use crate::scalar_functions::generate::GENERATE;
    use crate::scalar_functions::similarity::SIMILARITY;
    use crate::scalar_functions::tokenize::TOKENIZE;
    use crate::table_functions::generate::GENERATE_TABLE;

    use super::*;

    #[test]
    fn arguments_are_cast_to_what_the_function_takes() {
        let given =
            [DataType::LargeUtf8, DataType::Null, DataType::Utf8View, DataType::Int16, DataType::Int32];
        let expected = [DataType::Utf8, DataType::Null, DataType::Utf8, DataType::Int64, DataType::Float64];
        assert_eq!(GENERATE.coerce(&given).unwrap(), expected);
        let vector = vector_type(3);
        assert_eq!(SIMILARITY.coerce(&[vector.clone(), vector.clone()]).unwrap(), [vector.clone(), vector]);
    }

    #[test]
    fn an_argument_of_another_type_is_named_with_both() {
        let error = GENERATE.coerce(&[DataType::Int64]).unwrap_err().to_string();
        assert!(error.contains("function generate: argument \"prompt\" must be text, not bigint"), "{error}");
        let error = TOKENIZE.coerce(&[]).unwrap_err().to_string();
        assert!(error.contains("needs the argument \"text\""), "{error}");
    }

    #[test]
    fn both_forms_of_generate_share_their_arguments_in_order() {
        let table = GENERATE_TABLE.parameters;
        assert_eq!(table, &GENERATE.parameters[..table.len()]);
        assert_eq!(
            GENERATE.parameters[table.len()..].iter().map(|p| p.name).collect::<Vec<_>>(),
            ["details", "fail_on_error"]
        );
    }
}
