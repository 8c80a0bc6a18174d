//! How far a submission has come: forward only, and apart from the status of its job.

use crate::words::words;

words! {
    /// How far a submission has come. The order is that of time, and a submission only goes forward in
    /// it; it may leave phases out that nobody saw.
    pub enum RemotePhase as "remote phase" {
        /// It was written down that the job is about to be submitted; it has no handle yet.
        Intended = "intended",
        /// The scheduler has taken it and given it a handle.
        Submitted = "submitted",
        /// The scheduler was seen to hold it in its queue.
        Pending = "pending",
        /// It was seen to run. A job that the scheduler puts back into its queue stays here.
        Running = "running",
        /// It was seen to have ended, or was missed where it must be: final for the scheduler.
        Finished = "finished",
        /// What it left on the cluster was fetched.
        Retrieved = "retrieved",
    }
}

impl RemotePhase {
    /// Whether the scheduler is done with a submission in this phase.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Finished | Self::Retrieved)
    }
}

#[cfg(test)]
mod tests {
    use super::RemotePhase;

    #[test]
    fn phases_are_in_the_order_of_time() {
        assert!(RemotePhase::ALL.is_sorted());
        let ended: Vec<_> = RemotePhase::ALL.iter().filter(|phase| phase.has_ended()).collect();
        assert_eq!(ended, [&RemotePhase::Finished, &RemotePhase::Retrieved]);
    }
}
