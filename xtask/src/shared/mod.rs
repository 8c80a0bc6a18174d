//! What several commands need.
//!
//! | question | module |
//! |---|---|
//! | What can be chosen on the command line? | [`choices`] |
//! | How do a command and its processes talk? | [`children`] |
//! | How long did calls take? | [`durations`] |
//! | How is it shown? | [`numbers`], [`page`], [`plot`] |
//! | What is chosen by chance? | [`random`] |

pub mod children;
pub mod choices;
pub mod durations;
pub mod numbers;
pub mod page;
pub mod plot;
pub mod random;
