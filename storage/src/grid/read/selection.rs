//! Which part of the matrices of a version a reader wants, so that the rest is not read.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};

use crate::grid::format::geometry::Geometry;
use crate::grid::tree::keys::split_matrix_key;

/// Some matrices of a version, and a rectangle of each. By default everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Only these layers.
    pub layers: RangeInclusive<u32>,
    /// Only these modules; all when there is no set.
    pub modules: Option<BTreeSet<String>>,
    /// Only the matrices of this name.
    pub matrix: Option<String>,
    /// Only these rows.
    pub rows: Range<usize>,
    /// Only these columns.
    pub cols: Range<usize>,
}

impl Default for Selection {
    fn default() -> Self {
        Self { layers: 0..=u32::MAX, modules: None, matrix: None, rows: 0..usize::MAX, cols: 0..usize::MAX }
    }
}

impl Selection {
    /// Whether it takes the matrix of this key of a version's tree. It takes a malformed key, whose reader reports it.
    pub(crate) fn takes(&self, key: &[u8]) -> bool {
        let Ok((layer, module, matrix)) = split_matrix_key(key) else {
            return true;
        };
        self.layers.contains(&layer)
            && self.modules.as_ref().is_none_or(|modules| modules.contains(&module))
            && self.matrix.as_ref().is_none_or(|wanted| *wanted == matrix)
    }

    /// Whether keys from `low` on, and below `high` where there is one, may be of matrices in it.
    pub(crate) fn may_be_between(&self, low: &[u8], high: Option<&[u8]>) -> bool {
        let first = self.first_from(low);
        first.is_some_and(|first| high.is_none_or(|high| first.as_slice() < high))
    }

    /// Whether a chunk of a matrix holds elements in it.
    pub(crate) fn takes_chunk(&self, geometry: &Geometry, chunk: u64) -> bool {
        geometry.chunks_of_rows(&self.rows).contains(&chunk)
            && geometry.chunk_overlaps(chunk, &self.rows, &self.cols)
    }

    /// Whether an element is in it.
    pub(crate) fn takes_element(&self, row: usize, col: usize) -> bool {
        self.rows.contains(&row) && self.cols.contains(&col)
    }

    /// A lower bound of the keys at or after `from` whose matrices are in it; `None` when there are none.
    fn first_from(&self, from: &[u8]) -> Option<Vec<u8>> {
        let mut layer = [0; 4];
        layer.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
        let layer = u32::from_be_bytes(layer);
        let names = from.get(4..).unwrap_or(&[]);
        let key = |layer: u32, names: Vec<u8>| [layer.to_be_bytes().as_slice(), &names].concat();
        if self.layers.contains(&layer)
            && let Some(names) = self.names_from(names)
        {
            return Some(key(layer, names));
        }
        let next = layer.checked_add(1)?.max(*self.layers.start());
        let names = self.names_from(&[])?;
        self.layers.contains(&next).then(|| key(next, names))
    }

    /// A lower bound, within a layer, of what follows the layer in such keys.
    fn names_from(&self, from: &[u8]) -> Option<Vec<u8>> {
        let Some(modules) = &self.modules else {
            return Some(from.to_vec());
        };
        modules.iter().find_map(|module| {
            let mut first = [module.as_bytes(), &[0]].concat();
            match &self.matrix {
                Some(matrix) => first.extend_from_slice(matrix.as_bytes()),
                None if from.starts_with(&first) => first = from.to_vec(),
                None => {}
            }
            (first.as_slice() >= from).then_some(first)
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops where something is not there")]
mod tests {
    use super::*;
    use crate::grid::tree::keys::matrix_key;

    /// All keys of four layers of three modules, in order.
    fn keys() -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        for layer in [0, 1, 7, u32::MAX] {
            for module in ["k", "k_proj", "q"] {
                for matrix in ["A", "B"] {
                    keys.push(matrix_key(layer, module, matrix).unwrap());
                }
            }
        }
        keys.sort();
        keys
    }

    fn modules(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_range_of_keys_that_holds_a_selected_one_is_never_left_out() {
        let keys = keys();
        for layers in [0..=u32::MAX, 1..=1, 2..=6, 7..=u32::MAX, RangeInclusive::new(1, 0)] {
            for names in [None, Some(&["k_proj"][..]), Some(&["k", "q"]), Some(&[])] {
                let modules = names.map(modules);
                for matrix in [None, Some("B".to_owned())] {
                    let selection = Selection {
                        layers: layers.clone(),
                        modules: modules.clone(),
                        matrix,
                        ..Selection::default()
                    };
                    for (low, from) in keys.iter().enumerate() {
                        for (high, to) in keys.iter().enumerate().skip(low) {
                            let mut inside = keys.iter().skip(low).take(high - low);
                            let held = inside.any(|key| selection.takes(key));
                            let may = selection.may_be_between(from, Some(to));
                            assert!(may || !held, "{selection:?} {from:?} {to:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_range_of_other_layers_or_modules_is_left_out() {
        let mut selection = Selection { layers: 7..=7, ..Selection::default() };
        let key = |layer, module| matrix_key(layer, module, "A").unwrap();
        assert!(!selection.may_be_between(&[], Some(&key(6, "q"))));
        assert!(!selection.may_be_between(&key(8, "q"), None));
        assert!(selection.may_be_between(&key(6, "q"), Some(&key(8, "q"))));
        assert!(selection.may_be_between(&[], None));
        assert!(selection.may_be_between(&key(7, "l"), Some(&key(7, "p"))));
        selection.modules = Some(modules(&["k", "q"]));
        assert!(!selection.may_be_between(&key(7, "l"), Some(&key(7, "p"))));
        assert!(!selection.may_be_between(&key(7, "r"), None));
        assert!(selection.may_be_between(&key(7, "l"), Some(&key(7, "r"))));
    }
}
