//! The order in which the nodes of a graph can be worked off.

use std::collections::VecDeque;

/// Nodes so that each comes after those that it waits for (Kahn, CACM 5, 1962), or a circle: nodes each
/// of which waits for the next, and the last for the first. `waits_for` names for each node those that
/// it waits for. It takes as long as there are nodes and edges.
///
/// # Errors
/// The circle. It is told from its first node on; which one of several it is, depends on the order of the
/// nodes alone.
pub fn topological(waits_for: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); waits_for.len()];
    let mut unmet: Vec<usize> = vec![0; waits_for.len()];
    for (node, others) in waits_for.iter().enumerate() {
        unmet[node] = others.len();
        for &other in others {
            followers[other].push(node);
        }
    }
    let free = unmet.iter().enumerate().filter(|(_, unmet)| **unmet == 0).map(|(node, _)| node);
    let mut front: VecDeque<usize> = free.collect();
    let mut order = Vec::with_capacity(waits_for.len());
    while let Some(node) = front.pop_front() {
        order.push(node);
        for &follower in &followers[node] {
            unmet[follower] -= 1;
            if unmet[follower] == 0 {
                front.push_back(follower);
            }
        }
    }
    match unmet.iter().position(|unmet| *unmet > 0) {
        None => Ok(order),
        Some(first) => Err(circle_from(first, waits_for, &unmet)),
    }
}

/// A node that is left over waits for another one that is left over, so going on leads round.
fn circle_from(first: usize, waits_for: &[Vec<usize>], unmet: &[usize]) -> Vec<usize> {
    let mut place = vec![usize::MAX; waits_for.len()];
    let mut path = Vec::new();
    let mut node = first;
    while place[node] == usize::MAX {
        place[node] = path.len();
        path.push(node);
        let next = waits_for[node].iter().find(|other| unmet[**other] > 0);
        node = *next.expect("a node that is left over waits for another such");
    }
    let mut circle = path.split_off(place[node]);
    let least = circle.iter().enumerate().min_by_key(|(_, node)| **node);
    let turn = least.map_or(0, |(place, _)| place);
    circle.rotate_left(turn);
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_comes_after_those_that_it_waits_for() {
        let waits_for = [vec![2, 1], vec![3], vec![3], vec![], vec![0]];
        assert_eq!(topological(&waits_for), Ok(vec![3, 1, 2, 0, 4]));
        assert_eq!(topological(&[]), Ok(vec![]));
    }

    #[test]
    fn a_circle_is_told_from_its_first_node_without_what_leads_to_it() {
        // 0 waits for the circle of 1, 4 and 2, and 3 stands alone.
        let waits_for = [vec![4], vec![4], vec![1], vec![], vec![2]];
        assert_eq!(topological(&waits_for), Err(vec![1, 4, 2]));
        assert_eq!(topological(&[vec![0]]), Err(vec![0]));
    }
}
