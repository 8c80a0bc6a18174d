//! The records of all processes, taken apart into the history of each job.

use std::collections::{BTreeMap, BTreeSet};

use store_core::{JobId, JobStatus, LeaseKey};

use super::job::{Call, Came, Report};
use super::record::{Asked, Found, Heard, Record};
use super::search::Operation;

/// The calls on each job.
pub type Histories = BTreeMap<JobId, Vec<Operation<Call>>>;

/// Takes the records of processes apart. A claim that did not return names no job: `found` tells which it
/// took, so that it has to explain those and can explain no other.
pub fn of(records: &BTreeMap<u32, Vec<Record>>, found: &[Found]) -> Histories {
    let mut histories = Histories::new();
    let mut told: BTreeSet<(u32, u32, JobId, u32)> = BTreeSet::new();
    let mut open_claims: BTreeMap<(u32, u32), Vec<(u64, &Asked)>> = BTreeMap::new();
    for (process, records) in records {
        let mut begun: BTreeMap<u32, (u64, &Asked)> = BTreeMap::new();
        for record in records {
            match record {
                Record::Invoked { thread, at, asked } => {
                    begun.insert(*thread, (*at, asked));
                }
                Record::Returned { thread, at, heard } => {
                    let Some((invoked, asked)) = begun.remove(thread) else { continue };
                    let span = (invoked, (*heard != Heard::Unknown).then_some(*at));
                    if let Heard::Claimed(keys) | Heard::EndedAndClaimed(_, keys) = heard {
                        told.extend(
                            keys.iter().map(|key| (*process, *thread, key.job, key.attempt)),
                        );
                    }
                    add(&mut histories, span, asked, heard);
                    if asked.claims() && *heard == Heard::Unknown {
                        open_claims.entry((*process, *thread)).or_default().push((invoked, asked));
                    }
                }
            }
        }
        for (thread, (invoked, asked)) in begun {
            add(&mut histories, (invoked, None), asked, &Heard::Unknown);
            if asked.claims() {
                open_claims.entry((*process, thread)).or_default().push((invoked, asked));
            }
        }
    }
    for one in found {
        if told.contains(&(one.process, one.thread, one.job, one.attempt)) {
            continue;
        }
        let open = open_claims.get(&(one.process, one.thread)).map_or(&[][..], Vec::as_slice);
        if let [(invoked, Asked::CompleteAndClaim(key))] = open {
            let ended = histories.get_mut(&key.job).into_iter().flatten();
            ended.filter(|one| one.invoked == *invoked).for_each(has_landed);
        }
        for (invoked, _) in open {
            let claim = Operation { invoked: *invoked, returned: None, call: Call::Claim(None) };
            histories.entry(one.job).or_default().push(claim);
        }
    }
    for history in histories.values_mut() {
        history.sort_by_key(|operation| operation.invoked);
    }
    histories
}

/// An end whose claims landed has landed with them, some time.
const fn has_landed(operation: &mut Operation<Call>) {
    if let Call::End(key, report, Came::Unknown) = operation.call {
        operation.call = Call::End(key, report, Came::Ended(JobStatus::Completed));
        operation.returned = Some(u64::MAX);
    }
}

fn add(histories: &mut Histories, span: (u64, Option<u64>), asked: &Asked, heard: &Heard) {
    let (invoked, returned) = span;
    let mut add = |key: &LeaseKey, call| {
        histories.entry(key.job).or_default().push(Operation { invoked, returned, call });
    };
    match (asked, heard) {
        (Asked::Claim, Heard::Claimed(keys)) => {
            keys.iter().for_each(|key| add(key, Call::Claim(Some(*key))));
        }
        (Asked::Heartbeat(_), Heard::Beats(beats)) => {
            beats.iter().for_each(|(key, beat)| add(key, Call::Heartbeat(*key, *beat)));
        }
        (Asked::Record(key), Heard::Recorded) => add(key, Call::Recorded(*key)),
        (Asked::Record(_), Heard::LeaseLost(key)) => add(key, Call::Refused(*key)),
        (Asked::End(report, _), Heard::Ended(ends)) => {
            ends.iter().for_each(|(key, came)| add(key, Call::End(*key, *report, *came)));
        }
        // Of the others in the unit it says nothing: they were left as they were.
        (Asked::End(report, _), Heard::LeaseLost(key)) => {
            add(key, Call::End(*key, *report, Came::LeaseLost));
        }
        (Asked::End(report, keys), Heard::Unknown) => {
            keys.iter().for_each(|key| add(key, Call::End(*key, *report, Came::Unknown)));
        }
        (Asked::CompleteAndClaim(key), Heard::EndedAndClaimed(came, keys)) => {
            add(key, Call::End(*key, Report::Completed, *came));
            keys.iter().for_each(|key| add(key, Call::Claim(Some(*key))));
        }
        (Asked::CompleteAndClaim(_), Heard::LeaseLost(key)) => {
            add(key, Call::End(*key, Report::Completed, Came::LeaseLost));
        }
        (Asked::CompleteAndClaim(key), Heard::Unknown) => {
            add(key, Call::End(*key, Report::Completed, Came::Unknown));
        }
        (Asked::Recover, Heard::Ended(ends)) => {
            ends.iter().for_each(|(key, came)| add(key, Call::End(*key, Report::Lost, *came)));
        }
        // A renewal that nobody heard of changes nothing that a job answers.
        _ => {}
    }
}
