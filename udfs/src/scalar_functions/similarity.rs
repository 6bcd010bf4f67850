//! `similarity(a, b)`: the cosine of the angle between two vectors.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, ListArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::error::external;
use crate::signature::arguments::invalid_argument;
use crate::signature::function::{Function, parameter};
use crate::signature::kind::Kind;

/// `similarity`: the vectors must have equally many dimensions.
pub(crate) const SIMILARITY: Function = Function {
    name: "similarity",
    parameters: &[parameter("a", Kind::Vector), parameter("b", Kind::Vector)],
    required: 2,
};

/// The cosine of the angle between two vectors; it needs no engine.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Similarity {
    signature: Signature,
}

impl Default for Similarity {
    fn default() -> Self {
        Self { signature: SIMILARITY.signature(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Similarity {
    fn name(&self) -> &str {
        SIMILARITY.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        SIMILARITY.coerce(given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let a = Vectors::try_new(&args.args[0])?;
        let b = Vectors::try_new(&args.args[1])?;
        let cosines = (0..args.number_rows).map(|row| match (a.row(row), b.row(row)) {
            (Some(a), Some(b)) => cosine(&a, &b),
            _ => Ok(None),
        });
        let cosines: Float64Array = cosines.collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(cosines)))
    }
}

/// A column of vectors, or one vector for every row.
struct Vectors {
    lists: ListArray,
    is_scalar: bool,
}

impl Vectors {
    fn try_new(value: &ColumnarValue) -> Result<Self> {
        let (array, is_scalar): (ArrayRef, bool) = match value {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let lists = cast(&array, &DataType::new_list(DataType::Float32, true))?;
        Ok(Self { lists: lists.as_list::<i32>().clone(), is_scalar })
    }

    fn row(&self, row: usize) -> Option<Float32Array> {
        let row = if self.is_scalar { 0 } else { row };
        self.lists.is_valid(row).then(|| self.lists.value(row).as_primitive::<Float32Type>().clone())
    }
}

/// NULL where a vector holds a NULL or has no direction.
fn cosine(a: &Float32Array, b: &Float32Array) -> Result<Option<f64>> {
    if a.len() != b.len() {
        let reason = format!("the other vector has {} dimensions", a.len());
        return Err(external(invalid_argument("b", format!("{} dimensions", b.len()), reason)));
    }
    if a.null_count() > 0 || b.null_count() > 0 {
        return Ok(None);
    }
    let (mut dot, mut a_squared, mut b_squared) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (x, y) in a.values().iter().zip(b.values()) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        dot += x * y;
        a_squared += x * x;
        b_squared += y * y;
    }
    let length = (a_squared * b_squared).sqrt();
    Ok((length > 0.0).then(|| (dot / length).clamp(-1.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine_of(a: &[f32], b: &[f32]) -> Result<Option<f64>> {
        cosine(&Float32Array::from(a.to_vec()), &Float32Array::from(b.to_vec()))
    }

    #[test]
    fn the_cosine_follows_the_angle_and_not_the_length() {
        assert_eq!(cosine_of(&[1.0, 0.0], &[5.0, 0.0]).unwrap(), Some(1.0));
        assert_eq!(cosine_of(&[1.0, 0.0], &[0.0, 2.0]).unwrap(), Some(0.0));
        assert_eq!(cosine_of(&[1.0, 2.0], &[-1.0, -2.0]).unwrap(), Some(-1.0));
        let half = cosine_of(&[1.0, 0.0], &[1.0, 1.0]).unwrap().unwrap();
        assert!((half - std::f64::consts::FRAC_1_SQRT_2).abs() < 1e-12, "{half}");
    }

    #[test]
    fn no_direction_gives_null_and_other_dimensions_an_error() {
        assert_eq!(cosine_of(&[0.0, 0.0], &[1.0, 0.0]).unwrap(), None);
        let error = cosine_of(&[1.0], &[1.0, 2.0]).unwrap_err().to_string();
        assert!(error.contains("2 dimensions") && error.contains("1 dimensions"), "{error}");
    }
}
