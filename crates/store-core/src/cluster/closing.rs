//! Who closed a cluster, and why.

use std::fmt::Write;

use crate::event::{Actor, Event};
use crate::time::Timestamp;

use super::{ClusterStatus, Intake, NewCluster, Shortage};

/// Who took a cluster out or closed its intake, when, and why if that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: Option<String>,
}

impl Closing {
    /// What brought a shortage about, as the events of the cluster tell. Nothing where they do not, such as of a cluster
    /// that was closed before its history began, and where room is short.
    pub fn of(shortage: &Shortage, history: &[Event]) -> Option<Self> {
        let (field, state) = match shortage {
            Shortage::NotActive(status) => ("status", status.as_str()),
            Shortage::NotOpen(intake) => ("intake", intake.as_str()),
            Shortage::Jobs { .. } | Shortage::Resource { .. } => return None,
        };
        let naming = history.iter().filter(|event| event.detail.contains_key(field));
        let event = naming.max_by_key(|event| event.sequence)?;
        let told = event.detail.get(field)?;
        // A creation tells the state that it began with.
        if told.get("to").unwrap_or(told) != state {
            return None;
        }
        let reason = event.detail.get("reason").and_then(|reason| reason.as_str());
        Some(Self { at: event.at, actor: event.actor.clone(), reason: reason.map(str::to_owned) })
    }
}

impl std::fmt::Display for Closing {
    /// In one line, whatever the reason has.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "since {} by {}", self.at, self.actor)?;
        let Some(reason) = &self.reason else { return Ok(()) };
        f.write_str(": ")?;
        let mut shown = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
        shown.try_for_each(|c| f.write_char(c))
    }
}

impl NewCluster {
    /// The fields by which it is closed to all jobs, by their names in events. Of its history, the newest event that
    /// names each of them is what [`Closing::of`] looks for.
    pub fn closed_by(&self) -> impl Iterator<Item = &'static str> + use<> {
        let status = (self.status != ClusterStatus::Active).then_some("status");
        let intake = (self.intake != Intake::Open).then_some("intake");
        status.into_iter().chain(intake)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::{EventKind, Subject};
    use crate::ids::{ClusterId, EventSequence};

    const PAUSED: Shortage = Shortage::NotOpen(Intake::Paused);

    fn event(sequence: i64, detail: Value) -> Event {
        Event {
            sequence: EventSequence::new(sequence),
            subject: Subject::Cluster(ClusterId::new(1)),
            at: Timestamp::from_micros(sequence),
            kind: EventKind::ClusterUpdated,
            from: None,
            to: None,
            actor: Actor::new(format!("actor {sequence}")).expect("a name"),
            process: None,
            detail: serde_json::from_value(detail).expect("an object"),
        }
    }

    fn told(history: &[Event]) -> Option<String> {
        Closing::of(&PAUSED, history).map(|closing| closing.to_string())
    }

    #[test]
    fn the_newest_event_of_the_field_tells_if_it_led_to_this_state() {
        let created = event(1, json!({"status": "active", "intake": "paused"}));
        let drained = event(2, json!({"intake": {"from": "paused", "to": "draining"}}));
        let paused = event(3, json!({"intake": {"from": "draining", "to": "paused"}}));
        let edited = event(4, json!({"fields": ["port"], "reason": "a new port"}));
        let told_by = |number: i64| {
            Some(format!("since {} by actor {number}", Timestamp::from_micros(number)))
        };
        assert_eq!(told(&[]), None, "there was no history yet");
        assert_eq!(told(std::slice::from_ref(&edited)), None);
        assert_eq!(told(std::slice::from_ref(&created)), told_by(1));
        assert_eq!(told(&[created.clone(), drained.clone()]), None, "it is paused past the store");
        let all = [created, drained, paused, edited];
        assert_eq!(told(&all), told_by(3));
        assert_eq!(told(&all.iter().rev().cloned().collect::<Vec<_>>()), told_by(3));
        let jobs = Shortage::Jobs { running: 1, most: 1 };
        assert_eq!(Closing::of(&jobs, &all), None);
    }

    #[test]
    fn a_reason_of_several_lines_is_shown_in_one() {
        let detail = json!({"intake": "paused", "reason": "new\ncooling\u{1b}[31m «ß»"});
        let shown = told(&[event(7, detail)]).expect("told");
        assert!(shown.ends_with(" by actor 7: new cooling [31m «ß»"), "{shown}");
    }

    #[test]
    fn a_cluster_is_closed_by_what_its_shortages_are_looked_for_by() {
        for status in ClusterStatus::ALL {
            for intake in Intake::ALL {
                let new = NewCluster::new("c", super::super::ClusterKind::Ssh, "host");
                let new = NewCluster { status: *status, intake: *intake, ..new };
                let history = new.closed_by().map(|field| {
                    event(1, json!({ field: if field == "status" { status.as_str() } else { intake.as_str() } }))
                });
                let history: Vec<_> = history.collect();
                let shortages = new
                    .shortages(super::super::ClusterLoad::default(), crate::Resources::default());
                assert!(shortages.into_iter().all(|found| Closing::of(&found, &history).is_some()));
            }
        }
    }
}
