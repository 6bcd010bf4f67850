//! Circles of a directed graph, and an order of its nodes that few arrows run against.

use std::collections::{BTreeMap, BTreeSet};

/// Who points to whom, and with how many arrows.
pub type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

/// The sets of two or more nodes that all reach each other.
pub fn circles<'a>(graph: &Graph<'a>) -> Vec<BTreeSet<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|node| (*node, reach(graph, node))).collect();
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for (node, beyond) in &reached {
        let is_new = circles.iter().all(|circle| !circle.contains(node));
        if is_new && beyond.contains(node) {
            let reaches_back = |other: &&str| reached.get(other).is_some_and(|set| set.contains(node));
            circles.push(beyond.iter().copied().filter(reaches_back).collect());
        }
    }
    circles
}

/// What can be reached from a node, the node itself only by a circle.
fn reach<'a>(graph: &Graph<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        for next in graph.get(node).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(*next) {
                open.push(next);
            }
        }
    }
    reached
}

/// The arrows that run against the best order found: within each circle, what nobody points to goes to the top,
/// what points to nobody to the bottom, and otherwise the node that points most more than it is pointed to goes
/// to the top (Eades, Lin and Smyth, 1993).
pub fn backward<'a>(graph: &Graph<'a>) -> Vec<(&'a str, &'a str)> {
    let mut backward = Vec::new();
    for circle in circles(graph) {
        let order = order(graph, &circle);
        let floor = |node: &&str| order.iter().position(|one| one == node);
        for from in &circle {
            let targets = graph.get(from).into_iter().flat_map(BTreeMap::keys);
            backward.extend(
                targets.filter(|to| circle.contains(*to) && floor(to) < floor(from)).map(|to| (*from, *to)),
            );
        }
    }
    backward
}

/// The nodes of a circle from top to bottom.
fn order<'a>(graph: &Graph<'a>, circle: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let mut left = circle.clone();
    let (mut top, mut bottom) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let arrows = |from: &str, to: &str| graph.get(from).and_then(|out| out.get(to)).copied().unwrap_or(0);
        let degrees = |node: &str| {
            let out: usize = left.iter().map(|to| arrows(node, to)).sum();
            let into: usize = left.iter().map(|from| arrows(from, node)).sum();
            (out, into)
        };
        let excess = |node: &str| {
            let (out, into) = degrees(node);
            out.cast_signed() - into.cast_signed()
        };
        let sink = left.iter().copied().find(|node| degrees(node).0 == 0);
        let source = left.iter().copied().find(|node| degrees(node).1 == 0);
        let highest = left.iter().copied().max_by_key(|node| excess(node));
        let Some(node) = sink.or(source).or(highest) else { break };
        left.remove(node);
        if sink.is_some() {
            bottom.push(node);
        } else {
            top.push(node);
        }
    }
    top.extend(bottom.into_iter().rev());
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph<'a>(arrows: &[(&'a str, &'a str, usize)]) -> Graph<'a> {
        let mut graph = Graph::new();
        for (from, to, count) in arrows {
            graph.entry(*from).or_default().insert(*to, *count);
        }
        graph
    }

    #[test]
    fn a_tower_has_no_circle_and_no_arrow_back() {
        let tower = graph(&[("a", "b", 1), ("a", "c", 1), ("b", "c", 2)]);
        assert!(circles(&tower).is_empty() && backward(&tower).is_empty());
    }

    #[test]
    fn two_circles_are_told_apart() {
        let two = graph(&[("a", "b", 1), ("b", "a", 1), ("b", "c", 1), ("c", "d", 1), ("d", "c", 1)]);
        assert_eq!(circles(&two), [BTreeSet::from(["a", "b"]), BTreeSet::from(["c", "d"])]);
    }

    #[test]
    fn the_thinner_side_of_a_circle_runs_back() {
        let circle = graph(&[("a", "b", 5), ("b", "c", 5), ("c", "a", 1)]);
        assert_eq!(backward(&circle), [("c", "a")]);
    }
}
