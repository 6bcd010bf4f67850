//! What `diff` should find.

use std::collections::BTreeMap;

use hyprstream_storage::{DifferenceKind, Selection, Snapshot, VersionPath};

use super::{Model, to_bits, version_name};

/// What `diff` should find between two versions: changed elements by matrix, added and removed matrices.
pub fn assert_diff(model: &Model, snapshot: &Snapshot, from: u8, to: u8) {
    let (a, b) = (version_name(from), version_name(to));
    let (Some(before), Some(after)) = (model.versions.get(&a), model.versions.get(&b)) else {
        return;
    };
    let (a, b) = (VersionPath::new(&a.0, &a.1), VersionPath::new(&b.0, &b.1));
    let all = Selection::default();
    let found = snapshot.diff(a, b, &all).unwrap();
    for difference in &found {
        let key = (difference.layer, difference.module.clone(), difference.matrix.clone());
        let kind = match (before.matrices.get(&key), after.matrices.get(&key)) {
            (Some(x), Some(y)) if (x.shape, x.dtype) != (y.shape, y.dtype) => DifferenceKind::Reshaped,
            (Some(_), Some(_)) => DifferenceKind::Changed,
            (Some(_), None) => DifferenceKind::Removed,
            _ => DifferenceKind::Added,
        };
        assert_eq!(difference.kind, kind, "{key:?}");
    }
    for key in before.matrices.keys().chain(after.matrices.keys()) {
        let (x, y) = (before.matrices.get(key), after.matrices.get(key));
        let difference = found.iter().find(|d| (d.layer, &d.module, &d.matrix) == (key.0, &key.1, &key.2));
        if x == y {
            // Stored differently is no difference of values.
            if let Some(difference) = difference {
                let mut visit = |_, _, _, _| panic!("equal matrices have differing elements");
                snapshot.for_each_difference(a, b, difference, &all, &mut visit).unwrap();
            }
            continue;
        }
        let difference = difference.unwrap_or_else(|| panic!("{key:?} differs and was not found"));
        let (Some(x), Some(y), DifferenceKind::Changed) = (x, y, difference.kind) else {
            continue;
        };
        if x.dtype != y.dtype {
            continue;
        }
        let mut elements = BTreeMap::new();
        let mut visit = |row: usize, col: usize, was: f32, is: f32| {
            elements.insert(row * x.shape.1 + col, (to_bits(x.dtype, was), to_bits(x.dtype, is)));
            Ok(())
        };
        snapshot.for_each_difference(a, b, difference, &all, &mut visit).unwrap();
        let pairs = x.bits.iter().zip(&y.bits).enumerate().filter(|(_, (p, q))| p != q);
        let expected: BTreeMap<_, _> = pairs.map(|(at, (p, q))| (at, (*p, *q))).collect();
        assert!(elements == expected, "{key:?}: {} elements differ, not {}", expected.len(), elements.len());
    }
}
