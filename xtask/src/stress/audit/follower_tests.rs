//! Controls of what is checked of a follower: what it saw of a small run passes, and each planted fault is named.

use std::collections::BTreeSet;

use super::check::Check;
use super::control::small_run;
use super::follower::{self, Followed};
use crate::failure::Result;
use crate::stress::sights::{Look, Sight};

#[test]
fn each_planted_fault_of_what_a_follower_saw_is_named() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path())?;
    let followed = Followed::read(&run.plan, run.plan.last(), &BTreeSet::new())?;
    assert!(followed.looks.len() > 20, "{} looks", followed.looks.len());
    let checks = |followed: &Followed| {
        let (first, second) = (&run.connection, Some(&run.second));
        follower::checks(first, second, &run.plan, &run.acknowledged, followed).expect("examines")
    };
    let said = |checks: &[Check]| {
        let lines = checks.iter().flat_map(|check| &check.examples);
        lines.map(String::as_str).collect::<Vec<_>>().join("\n")
    };
    for check in checks(&followed) {
        assert!(check.ok() && check.looked_at > 0, "{}: {:?}", check.holds, check.examples);
    }

    let here = |job: i64| {
        let mut there = run.connection.prepare("SELECT 1 FROM jobs WHERE id = ?1").expect("asks");
        there.exists([job]).expect("answers")
    };
    let is_departure = |event: &Sight| event.kind == "deleted";
    let was_known = |event: &Sight| {
        let mut all = followed.looks.iter().flat_map(|look| &look.events);
        all.any(|other| other.job == event.job && other.sequence < event.sequence)
    };
    let remove = |wanted: &dyn Fn(&Sight) -> bool| {
        let mut other = followed.clone();
        let mut looks = other.looks.iter_mut().rev();
        let removed = looks.find_map(|look| {
            let place = look.events.iter().position(wanted)?;
            Some(look.events.remove(place))
        });
        assert!(removed.is_some());
        other
    };
    let changed = |change: &dyn Fn(&mut Vec<Look>)| {
        let mut other = followed.clone();
        change(&mut other.looks);
        other
    };
    let last_with_events = |looks: &mut Vec<Look>| {
        looks.iter().rposition(|look| !look.events.is_empty()).expect("events")
    };
    for (name, planted, words) in [
        (
            "an event that it did not see",
            remove(&|event: &Sight| event.job.is_some_and(here)),
            vec![" was not seen"],
        ),
        (
            "a departure that it did not see",
            remove(&|event: &Sight| is_departure(event) && was_known(event)),
            vec![" was not seen", " was known, and is gone unseen"],
        ),
        (
            "an event of a cluster that it did not see",
            remove(&|event: &Sight| event.cluster.is_some()),
            vec![" was not seen"],
        ),
        (
            "an event that it saw otherwise",
            changed(&|looks| {
                let last = last_with_events(looks);
                looks[last].events[0].at += 1;
            }),
            vec![" was seen as Sight"],
        ),
        (
            "a page that it saw twice",
            changed(&|looks| {
                let last = last_with_events(looks);
                let again = looks[last].clone();
                looks.insert(last, again);
            }),
            vec!["a page begins after event ", " comes after event "],
        ),
        (
            "a page that was lost between one follower and the next",
            changed(&|looks| {
                let last = last_with_events(looks);
                looks.remove(last);
            }),
            vec!["a page begins after event ", " was not seen"],
        ),
        (
            "an end that it did not wait for",
            changed(&|looks| looks.retain(|look| !look.is_last)),
            vec!["ended before it saw the end"],
        ),
        (
            "an event that was undone",
            changed(&|looks| {
                let last = last_with_events(looks);
                let mut undone = looks[last].events[0].clone();
                (undone.sequence, undone.job) = (i64::MAX, Some(1_000_000));
                (undone.cluster, undone.kind) = (None, "created".to_owned());
                undone.attempt = Some(1);
                looks[last].events.push(undone);
                for look in &mut looks[last + 1..] {
                    look.after = i64::MAX;
                }
            }),
            vec![
                "job 1000000 was known, and is gone unseen",
                "was seen 1 times, and acknowledged 0",
            ],
        ),
        (
            "an event of a job that had gone",
            changed(&|looks| {
                let gone = looks.iter().flat_map(|look| &look.events).find(|one| is_departure(one));
                let mut late = gone.expect("a departure").clone();
                (late.sequence, late.kind) = (i64::MAX, "noted".to_owned());
                let last = last_with_events(looks);
                looks[last].events.push(late);
            }),
            vec![" was seen after job "],
        ),
        (
            "a page that lacked what was committed before",
            changed(&|looks| {
                // The call seems to have begun long after it did.
                for look in looks.iter_mut() {
                    look.begin += 3_600_000_000;
                }
                looks[0].up_to_now = true;
            }),
            vec![" was acknowledged at "],
        ),
    ] {
        let told = said(&checks(&planted));
        for words in words {
            assert!(told.contains(words), "{name}: {words}\nfound:\n{told}");
        }
    }
    for fault in [
        "UPDATE job_events SET at = at + 1",
        "UPDATE job_events SET actor = 'nobody'",
        "UPDATE job_events SET sequence = -sequence",
    ] {
        run.second.execute_batch(&format!("BEGIN; {fault}")).expect(fault);
        let told = said(&checks(&followed));
        run.second.execute_batch("ROLLBACK").expect("rolls back");
        assert!(told.contains(" was seen, and did not move with its job"), "{fault}: {told}");
    }
    // One that was killed may have seen less, and nothing else.
    let mut cut_off = followed.clone();
    cut_off.looks.truncate(followed.looks.len() / 2);
    cut_off.cut_off = true;
    assert!(checks(&cut_off).iter().all(Check::ok), "{}", said(&checks(&cut_off)));
    cut_off.cut_off = false;
    assert!(said(&checks(&cut_off)).contains("ended before it saw the end"));
    Ok(())
}
