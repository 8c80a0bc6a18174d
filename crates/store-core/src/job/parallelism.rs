//! How a job is spread over a machine.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::resources::Resources;

/// How a job is spread over a machine; a number that is not given is the runner's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parallelism {
    /// Nodes, at least 1 (`sbatch --nodes`).
    pub nodes: Option<u32>,
    /// MPI processes in all, at least 1 (`sbatch --ntasks`).
    pub mpi_ranks: Option<u32>,
    /// Threads of each process, at least 1 (`OMP_NUM_THREADS`).
    pub threads: Option<u32>,
    /// Memory over all nodes in MiB, at least 1.
    pub memory_mib: Option<u32>,
}

impl Parallelism {
    /// What a run takes of its cluster: one node, one MPI process and one thread where nothing else is
    /// said, and a core for each thread of each process.
    pub fn needs(self) -> Resources {
        let or_one = |number: Option<u32>| i64::from(number.unwrap_or(1));
        Resources {
            nodes: or_one(self.nodes),
            cores: or_one(self.mpi_ranks).saturating_mul(or_one(self.threads)),
            memory_mib: i64::from(self.memory_mib.unwrap_or(0)),
        }
    }

    pub(super) fn check(self) -> std::result::Result<(), Invalid> {
        for (field, number) in [
            ("nodes", self.nodes),
            ("mpi_ranks", self.mpi_ranks),
            ("threads", self.threads),
            ("memory_mib", self.memory_mib),
        ] {
            if number == Some(0) {
                return Err(Invalid::new(
                    field,
                    "is 0: give at least 1, or leave it out".to_owned(),
                ));
            }
        }
        let cores = self.needs().cores;
        if cores > i64::from(u32::MAX) {
            // A cluster's load, their sum, stays within 64 bits.
            let reason = format!("times threads is {cores} cores: give {} at most", u32::MAX);
            return Err(Invalid::new("mpi_ranks", reason));
        }
        Ok(())
    }
}
