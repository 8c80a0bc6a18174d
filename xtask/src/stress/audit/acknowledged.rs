//! What the journals say.

use std::collections::BTreeSet;

use store_core::EventSequence;

use crate::failure::Result;
use crate::stress::effect::Effect;
use crate::stress::journal::{self, Asked, Line, Missed};
use crate::stress::plan::Plan;

/// All changes that were acknowledged in a run.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged {
    /// Who made it, and what was made.
    pub effects: Vec<(String, Effect)>,
    /// Who asked for jobs to go, and for which; whether or not it was acknowledged.
    pub asked: BTreeSet<(String, Asked)>,
    /// What calls did not find, each with the time of the answer.
    pub missed: Vec<(i64, Missed)>,
    /// The notes, each with the time of the answer.
    pub noted: Vec<(i64, EventSequence)>,
    /// Actors of which a call failed in a way that leaves its effect unknown, or that died with the last
    /// lines of their journal.
    pub in_doubt: BTreeSet<String>,
    /// Those of them that died and had told of each call before they made the next one.
    pub cut_off: BTreeSet<String>,
}

impl Acknowledged {
    /// Reads the journals of the parent and of all processes, up to the one with number `last`.
    pub fn read(plan: &Plan, last: u32, in_doubt: &BTreeSet<u32>) -> Result<Self> {
        let mut all = Self::default();
        for process in 0..=last {
            let path = plan.journal(process);
            // A process that died before it began has none.
            if in_doubt.contains(&process) && !path.exists() {
                continue;
            }
            for line in journal::read::<Line>(&path)? {
                let actor = plan.actor(line.process, line.thread);
                if line.error.is_some() {
                    all.in_doubt.insert(actor.clone());
                }
                all.asked.extend(line.asked.map(|asked| (actor.clone(), asked)));
                all.missed.extend(line.missed.map(|missed| (line.end, missed)));
                for effect in line.effects {
                    if let Effect::Noted { sequence, .. } = effect {
                        all.noted.push((line.end, sequence));
                    }
                    all.effects.push((actor.clone(), effect));
                }
            }
        }
        for &process in in_doubt {
            let actors = || (0..=plan.threads).map(|thread| plan.actor(process, thread));
            if plan.flush_every().is_zero() {
                // An error that leaves open what was done is told as well, and the thread goes on.
                all.cut_off.extend(actors().filter(|actor| !all.in_doubt.contains(actor)));
            }
            all.in_doubt.extend(actors());
        }
        Ok(all)
    }

    /// The changes, whoever made them.
    pub fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().map(|(_, effect)| effect)
    }
}
