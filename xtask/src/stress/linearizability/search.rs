//! The search for an order: Wing and Gong, "Testing and verifying concurrent objects" (JPDC 1993), with
//! Lowe's memory of what was tried ("Testing for linearizability", CCPE 2017).

use std::collections::HashSet;
use std::hash::Hash;

/// A call on an object with the answer to it.
pub trait Call {
    /// What the object is between two calls.
    type State: Clone + Eq + Hash;

    /// What the object may be after this call; nothing where it would have answered otherwise.
    fn after(&self, state: &Self::State) -> Vec<Self::State>;
}

/// A call, and when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<C> {
    /// When it began, in nanoseconds of a clock that all processes share.
    pub invoked: u64,
    /// When it returned; none where it never did.
    pub returned: Option<u64>,
    /// What was asked and answered.
    pub call: C,
}

/// An order of the operations, by their places, that explains all that returned. A call comes after every
/// other that had returned when it began.
///
/// # Errors
/// The longest order that explains what is in it, where none explains all.
pub fn order<C: Call>(
    initial: C::State,
    operations: &[Operation<C>],
) -> Result<Vec<usize>, Vec<usize>> {
    let mut seen = HashSet::new();
    let (mut order, mut longest) = (Vec::new(), Vec::new());
    let mut frames = vec![Frame::new(&initial, vec![0; operations.len().div_ceil(64)], operations)];
    while let Some(frame) = frames.last_mut() {
        if frame.all_returned_are_done {
            return Ok(order);
        }
        let Some((place, state)) = frame.choices.pop() else {
            frames.pop();
            order.pop();
            continue;
        };
        let mut done = frame.done.clone();
        done[place / 64] |= 1 << (place % 64);
        if !seen.insert((done.clone(), state.clone())) {
            continue;
        }
        order.push(place);
        if order.len() > longest.len() {
            longest.clone_from(&order);
        }
        frames.push(Frame::new(&state, done, operations));
    }
    Err(longest)
}

/// A point of the search: what is done, and what may come next.
struct Frame<S> {
    done: Vec<u64>,
    all_returned_are_done: bool,
    /// The best one last.
    choices: Vec<(usize, S)>,
}

impl<S: Clone + Eq> Frame<S> {
    fn new<C: Call<State = S>>(state: &S, done: Vec<u64>, operations: &[Operation<C>]) -> Self {
        let open: Vec<usize> = (0..operations.len())
            .filter(|place| done[place / 64] & (1 << (place % 64)) == 0)
            .collect();
        let first_return = open.iter().filter_map(|place| operations[*place].returned).min();
        let Some(first_return) = first_return else {
            return Self { done, all_returned_are_done: true, choices: Vec::new() };
        };
        let mut choices = Vec::new();
        for place in open {
            let operation = &operations[place];
            if operation.invoked > first_return {
                continue;
            }
            for after in operation.call.after(state) {
                // One that never returned and changes nothing need not have happened.
                if operation.returned.is_some() || after != *state {
                    choices.push((place, after));
                }
            }
        }
        // What returned first most often came first.
        choices.sort_by_key(|(place, _)| {
            std::cmp::Reverse(operations[*place].returned.unwrap_or(u64::MAX))
        });
        Self { done, all_returned_are_done: false, choices }
    }
}
