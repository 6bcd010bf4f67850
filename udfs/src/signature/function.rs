//! What arguments each function takes, in order: one list for signatures, named arguments and the catalog.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, Signature, TypeSignature, Volatility};

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// True or false.
    Boolean,
    /// A list of texts; a single text counts as a list of one.
    Texts,
    /// A list of token ids.
    Integers,
    /// A list of numbers.
    Vector,
    /// A version: its number or a tag.
    Version,
}

/// One argument of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Its name, as in `name => value`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

const fn parameter(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind }
}

/// A function, its arguments, and how many of them a call must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its SQL name.
    pub name: &'static str,
    /// Its arguments in order.
    pub parameters: &'static [Parameter],
    /// How many of the first ones a call must give.
    pub required: usize,
    /// Names that the design reserves for it and that this version refuses by name.
    pub reserved: &'static [&'static str],
    /// What it does, in a sentence.
    pub description: &'static str,
}

/// `generate` as a scalar function.
pub const GENERATE: Function = Function {
    name: "generate",
    parameters: &[
        parameter("prompt", Kind::Text),
        parameter("model", Kind::Text),
        parameter("adapter", Kind::Text),
        parameter("max_tokens", Kind::Integer),
        parameter("temperature", Kind::Float),
        parameter("top_p", Kind::Float),
        parameter("top_k", Kind::Integer),
        parameter("min_p", Kind::Float),
        parameter("seed", Kind::Integer),
        parameter("stop", Kind::Texts),
        parameter("system", Kind::Text),
        parameter("session", Kind::Text),
        parameter("raw", Kind::Boolean),
        parameter("details", Kind::Boolean),
        parameter("fail_on_error", Kind::Boolean),
    ],
    required: 1,
    reserved: &["output_schema", "json_schema", "grammar", "patterns", "fields", "field_order"],
    description: "The text that a model answers a prompt with.",
};

/// `generate` in FROM: the scalar's arguments in the same order, without `details` and `fail_on_error`.
pub const GENERATE_TABLE: Function = Function {
    name: "generate",
    parameters: &[
        parameter("prompt", Kind::Text),
        parameter("model", Kind::Text),
        parameter("adapter", Kind::Text),
        parameter("max_tokens", Kind::Integer),
        parameter("temperature", Kind::Float),
        parameter("top_p", Kind::Float),
        parameter("top_k", Kind::Integer),
        parameter("min_p", Kind::Float),
        parameter("seed", Kind::Integer),
        parameter("stop", Kind::Texts),
        parameter("system", Kind::Text),
        parameter("session", Kind::Text),
        parameter("raw", Kind::Boolean),
    ],
    required: 1,
    reserved: &[
        "output_schema",
        "json_schema",
        "grammar",
        "fail_on_error",
        "patterns",
        "fields",
        "field_order",
    ],
    description: "The tokens that a model answers a prompt with, a row a token.",
};

/// `embed`.
pub const EMBED: Function = Function {
    name: "embed",
    parameters: &[
        parameter("text", Kind::Text),
        parameter("model", Kind::Text),
        parameter("dimensions", Kind::Integer),
    ],
    required: 1,
    reserved: &[],
    description: "The embedding of a text, of length 1.",
};

/// `score`.
pub const SCORE: Function = Function {
    name: "score",
    parameters: &[
        parameter("prompt", Kind::Text),
        parameter("completion", Kind::Text),
        parameter("model", Kind::Text),
        parameter("adapter", Kind::Text),
        parameter("raw", Kind::Boolean),
    ],
    required: 2,
    reserved: &[],
    description: "The sum of the log-probabilities, in nats, that a model gives a completion of a prompt.",
};

/// `tokenize`.
pub const TOKENIZE: Function = Function {
    name: "tokenize",
    parameters: &[parameter("text", Kind::Text), parameter("model", Kind::Text)],
    required: 1,
    reserved: &[],
    description: "The ids of a text's tokens.",
};

/// `detokenize`.
pub const DETOKENIZE: Function = Function {
    name: "detokenize",
    parameters: &[parameter("tokens", Kind::Integers), parameter("model", Kind::Text)],
    required: 1,
    reserved: &[],
    description: "The text of token ids.",
};

/// `count_tokens`.
pub const COUNT_TOKENS: Function = Function {
    name: "count_tokens",
    parameters: &[parameter("text", Kind::Text), parameter("model", Kind::Text)],
    required: 1,
    reserved: &[],
    description: "How many tokens a text has.",
};

/// `similarity`.
pub const SIMILARITY: Function = Function {
    name: "similarity",
    parameters: &[parameter("a", Kind::Vector), parameter("b", Kind::Vector)],
    required: 2,
    reserved: &[],
    description: "The cosine of the angle between two vectors.",
};

/// `adapter_weights`, a table function.
pub const ADAPTER_WEIGHTS: Function = Function {
    name: "adapter_weights",
    parameters: &[parameter("adapter", Kind::Text)],
    required: 1,
    reserved: &[],
    description: "The weights of an adapter's version, a row a stored value.",
};

/// `adapter_diff`, a table function.
pub const ADAPTER_DIFF: Function = Function {
    name: "adapter_diff",
    parameters: &[parameter("old", Kind::Text), parameter("new", Kind::Text)],
    required: 2,
    reserved: &[],
    description: "The weights in which two versions of adapters differ, a row a weight.",
};

/// Every scalar function.
pub const SCALAR_FUNCTIONS: &[Function] =
    &[GENERATE, EMBED, SCORE, TOKENIZE, DETOKENIZE, COUNT_TOKENS, SIMILARITY];

/// Every table function.
pub const TABLE_FUNCTIONS: &[Function] = &[GENERATE_TABLE, EMBED, ADAPTER_WEIGHTS, ADAPTER_DIFF];

impl Function {
    /// The position of an argument.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|p| p.name == name)
    }

    /// The signature of a function that asks the model. An asynchronous function has no say in how its arguments
    /// are cast, so it takes them as they are: their types are checked when its own type is asked for, and they are
    /// cast when it runs.
    pub(crate) fn asynchronous_signature(&self) -> Signature {
        let names: Vec<&str> = self.parameters.iter().map(|p| p.name).collect();
        let counts = (self.required..=self.parameters.len()).map(TypeSignature::Any).collect();
        let signature = Signature::one_of(counts, Volatility::Volatile);
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

    /// The signature for `DataFusion`: types are checked by [`Function::coerce`].
    pub(crate) fn signature(&self, volatility: Volatility) -> Signature {
        let names: Vec<&str> = self.parameters.iter().map(|p| p.name).collect();
        let signature = Signature::user_defined(volatility);
        signature.clone().with_parameter_names(names).unwrap_or(signature)
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

impl Kind {
    fn takes_element(self, element: &DataType) -> bool {
        match self {
            Self::Texts => element.is_string() || element.is_null(),
            Self::Integers => element.is_integer() || element.is_null(),
            _ => false,
        }
    }

    /// The Arrow type of an argument of this kind.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text | Self::Version => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Texts => DataType::new_list(DataType::Utf8, true),
            Self::Integers => DataType::new_list(DataType::Int64, true),
            Self::Vector => DataType::new_list(DataType::Float32, true),
        }
    }

    /// The kind in words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "an integer",
            Self::Float => "a number",
            Self::Boolean => "a boolean",
            Self::Texts => "text or an array of text",
            Self::Integers => "an array of integers",
            Self::Vector => "an array of numbers",
            Self::Version => "a version's number or tag",
        }
    }
}

/// The type of an embedding of `length` numbers.
pub(crate) fn vector_type(length: i32) -> DataType {
    DataType::FixedSizeList(Field::new_list_field(DataType::Float32, true).into(), length)
}

/// A type's name as Postgres users know it.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Int8 | DataType::Int16 => "smallint".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytea".into(),
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => {
            format!("{}[]", type_name(f.data_type()))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
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
