//! The jobs and results that are written: the same ones on every side.

use serde_json::json;
use store_core::{
    Code, Convergence, Energy, EnergyUnit, InputDeck, NewJob, NewResult, Placement, ResultDocument,
    WorkDir,
};

use crate::failure::{Context, Result};

/// Who signs the events.
pub const ACTOR: &str = "benchmark";

/// The bytes of an input deck.
const DECK_BYTES: usize = 1000;

const DECK: &str = "\
MgO bulk, a geometry of CRYSTAL
CRYSTAL
0 0 0
225
4.2112
2
12 0.0 0.0 0.0
8 0.5 0.5 0.5
BASISSET
POB-TZVP-REV2
DFT
PBE0
XLGRID
END
SHRINK
8 8
TOLINTEG
8 8 8 8 16
TOLDEE
9
END
";

/// Makes jobs that have names and directories of their own.
#[derive(Debug)]
pub struct Drafts {
    process: u32,
    thread: u32,
    made: u64,
    deck: InputDeck,
}

impl Drafts {
    /// Those of one thread.
    pub fn new(process: u32, thread: u32) -> Result<Self> {
        let mut content = DECK.to_owned();
        while content.len() < DECK_BYTES {
            content.push_str("# a comment, as people leave them in decks\n");
        }
        content.truncate(DECK_BYTES);
        let deck = InputDeck::file("mgo_bulk.d12", content);
        let deck = deck.doing(|| "make an input deck".to_owned())?;
        Ok(Self { process, thread, made: 0, deck })
    }

    /// The next one.
    pub fn next(&mut self) -> Result<NewJob> {
        self.made += 1;
        let Self { process, thread, made, .. } = self;
        let dir = format!("/scratch/benchmark/{process}-{thread}/{made:08}");
        let dir = WorkDir::new(dir).doing(|| "name a directory".to_owned())?;
        let name = format!("mgo_bulk_{made}");
        Ok(NewJob::new(name, Code::Crystal, Placement::At(dir)).with_input(self.deck.clone()))
    }

    /// The next so many.
    pub fn take(&mut self, number: u32) -> Result<Vec<NewJob>> {
        (0..number).map(|_| self.next()).collect()
    }
}

/// What a worker reads from an output.
pub fn result() -> Result<NewResult> {
    let energy = Energy::new(-275.317_842_113, EnergyUnit::Hartree);
    let energy = energy.doing(|| "make an energy".to_owned())?;
    let mut result = NewResult::new(Convergence::Converged).with_energy(energy);
    result.scf_cycles = Some(14);
    result.wall_seconds = Some(412.5);
    result.document = ResultDocument {
        version: 1,
        body: json!({ "band_gap_ev": 7.31, "fermi_ev": -4.02, "atoms": 2, "warnings": [] }),
    };
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deck_has_a_kilobyte_and_no_directory_comes_twice() -> Result<()> {
        let (mut one, mut other) = (Drafts::new(1, 1)?, Drafts::new(1, 2)?);
        let drafts = [one.next()?, one.next()?, other.next()?];
        let deck = drafts[0].input.as_ref().expect("it has one");
        assert_eq!(deck.files().map(|(_, content)| content.len()).sum::<usize>(), DECK_BYTES);
        let mut places: Vec<String> =
            drafts.iter().map(|new| format!("{:?}", new.placement)).collect();
        places.sort();
        places.dedup();
        assert_eq!(places.len(), 3);
        result().map(drop)
    }
}
