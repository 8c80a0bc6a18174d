//! Could the calls on each job have happened one after the other, with these answers?
//!
//! A history is linearizable if every call can be given one moment between its beginning and its return so
//! that, in the order of these moments, a job that does one thing at a time gives all the answers
//! (Herlihy and Wing, "Linearizability", TOPLAS 1990). A call that never returned may have had its moment at
//! any time after its beginning, or none.
//!
//! Each job is judged for itself: a history is linearizable if and only if that of each object is (the same
//! paper; Horn and Kroening, "Faster linearizability checking via P-compositionality", FORTE 2015, for why
//! that also makes it quick). So it says nothing of what a claim passed over.
//!
//! | question | module |
//! |---|---|
//! | Which order explains all answers? | [`search`] |
//! | What may a job answer? | [`job`] |
//! | What did threads ask and hear? | [`record`] |
//! | What of that concerns one job? | [`histories`] |

pub mod histories;
pub mod job;
pub mod record;
pub mod search;
#[cfg(test)]
mod tests;
