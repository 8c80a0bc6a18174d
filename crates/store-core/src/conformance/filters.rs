//! What filters promise: exactly the jobs that `JobFilter::admits`.

use serde_json::json;

use crate::code::{Code, Runner};
use crate::error::Result;
use crate::ids::ClusterId;
use crate::job::{Job, NewJob};
use crate::query::{
    Archived, Comparison, DocumentCondition, EnergyRange, JobFilter, JobFindings, Page,
};
use crate::repo::{ClusterWrite, JobRead, JobWrite, ResultRead, ResultWrite, TagRead};
use crate::result::{Convergence, NewResult};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;
use crate::tag::Tags;
use crate::time::{TimeRange, Timestamp};
use crate::units::{Energy, EnergyUnit};

use super::dump::{all_jobs, listed};
use super::fixture::Fixture;
use super::outcome::Outcome;
use super::samples::{BEGINNING, open, sample_cluster, sample_job, tick};

/// A population in which every filter admits some and leaves out others.
struct Population {
    /// Every job, newest first, with its tags and the result of its present attempt.
    jobs: Vec<(Job, Tags, Option<NewResult>)>,
    clusters: [ClusterId; 2],
}

fn populate<F: Fixture>(fixture: &F) -> Result<(F::Store, Population)> {
    let (store, clock) = open(fixture);
    let clusters = [
        store.create_cluster(&sample_cluster("one"))?.id,
        store.create_cluster(&sample_cluster("other"))?.id,
    ];
    let codes = [Code::Crystal, Code::QuantumEspresso, Code::Vasp, "cp2k".parse()?];
    // One third of an energy in each unit, so that the units must be compared.
    let energies = [
        Energy::new(-275.5, EnergyUnit::Hartree)?,
        Energy::new(-275.5, EnergyUnit::Rydberg)?,
        Energy::new(-275.5, EnergyUnit::ElectronVolt)?,
        Energy::new(0.0, EnergyUnit::ElectronVolt)?,
    ];
    for n in 0..96_usize {
        if n % 4 == 0 {
            tick(&clock);
        }
        let pick = |step: usize| (n / step + n / 7) % 4;
        let new = NewJob {
            code: codes[pick(1)].clone(),
            runner: [Runner::Local, Runner::Ssh, Runner::Slurm][n % 3],
            workflow: [None, Some("a"), Some("A"), Some("%_'\"")][pick(2)].map(str::to_owned),
            cluster: [None, Some(clusters[0]), Some(clusters[1]), None][pick(3)],
            tags: [("campaign", n % 3), ("batch", n / 10)]
                .into_iter()
                .filter(|(_, value)| *value > 0)
                .map(|(key, value)| (key.to_owned(), format!("{value}%")))
                .collect(),
            ..sample_job(&format!("job {n}"))
        };
        let id = store.create_job(&new)?.id;
        let result = match n % 5 {
            0 => None,
            1 => Some(NewResult::new(Convergence::Unknown)),
            _ => Some(NewResult::new(Convergence::Converged).with_energy(energies[pick(1)])),
        };
        if let Some(mut result) = result {
            result.document.body = match n % 7 {
                0 => json!({"gap": n as f64 / 10.0, "cell": {"a": n, "name": "Fm-3m"}}),
                1 => json!({"gap": null, "cell": {"name": "P1", "a b": [1, "x"]}}),
                2 => json!({"gap": true, "cell": []}),
                3 => json!({"gap": "1.0", "cell": {"a": -0.5}}),
                4 => json!([n, "x"]),
                5 => json!("Fm-3m"),
                _ => json!({}),
            };
            store.record_result(id, &result)?;
        }
        let status = JobStatus::ALL[(n * 5 + n / 6) % 6];
        if n % 8 == 3 {
            tick(&clock);
        }
        if status != JobStatus::Pending {
            store.change_status(id, &StatusChange::to(status))?;
        }
        if status.is_terminal() && n % 2 == 0 {
            store.archive_job(id)?;
        }
        if status == JobStatus::Failed && n % 3 == 0 {
            // Its energy is of an earlier attempt now.
            store.retry_job(id, InitialStatus::Queued)?;
        }
    }
    let jobs = store.read(|r| {
        let with_findings = |job: Job| {
            let results = r.results_of(job.id)?;
            let present = results.into_iter().find(|result| result.attempt == job.attempt);
            let tags = r.tags_of(job.id)?;
            Ok((job, tags, present.map(|present| present.result)))
        };
        all_jobs(r)?.into_iter().map(with_findings).collect::<Result<_>>()
    })?;
    Ok((store, Population { jobs, clusters }))
}

/// Asserts that a list under `filter` is what the filter admits, and so is the count; returns how many
/// those are.
fn check<S: Store>(store: &S, population: &Population, filter: &JobFilter) -> Result<usize> {
    let admitted = population.jobs.iter().filter(|(job, tags, result)| {
        filter.admits(job, JobFindings { tags, result: result.as_ref() })
    });
    let expected: Vec<&Job> = admitted.map(|(job, ..)| job).collect();
    for limit in [5, Page::LARGEST] {
        let found = store.read(|r| listed(r, filter, limit))?;
        assert!(
            found.iter().eq(expected.iter().copied()),
            "{filter:?}, {limit} a page: {:?} instead of {:?}",
            found.iter().map(|job| job.id.get()).collect::<Vec<_>>(),
            expected.iter().map(|job| job.id.get()).collect::<Vec<_>>(),
        );
    }
    assert_eq!(store.count_jobs(filter)?, expected.len() as u64, "{filter:?}");
    Ok(expected.len())
}

/// One condition of a filter.
type Condition = Box<dyn Fn(&mut JobFilter)>;

fn conditions(clusters: [ClusterId; 2]) -> Vec<Vec<Condition>> {
    fn condition(set: impl Fn(&mut JobFilter) + 'static) -> Condition {
        Box::new(set)
    }
    let energy = |least: Option<(f64, EnergyUnit)>, most: Option<(f64, EnergyUnit)>| {
        let energy = |(value, unit)| Energy::new(value, unit).expect("finite");
        let range = EnergyRange { least: least.map(energy), most: most.map(energy) };
        condition(move |filter| filter.energy = Some(range))
    };
    let range = |from: Option<i64>, until: Option<i64>| {
        let moment = |seconds| Timestamp::from_micros(BEGINNING.as_micros() + seconds * 1_000_001);
        TimeRange { from: from.map(moment), until: until.map(moment) }
    };
    let created = |from, until| condition(move |filter| filter.created = range(from, until));
    let tag = |key: &'static str, value: &'static str| {
        condition(move |filter| *filter = filter.clone().tag(key, value))
    };
    let document = |path, comparison| {
        let one = DocumentCondition::new(path, comparison).expect("a condition");
        condition(move |filter| *filter = filter.clone().document(one.clone()))
    };
    let text = |text: &'static str| condition(move |filter| filter.text = Some(text.to_owned()));
    let statuses = |statuses: &'static [JobStatus]| {
        condition(move |filter| filter.statuses = statuses.to_vec())
    };
    let workflow =
        |name: &'static str| condition(move |filter| filter.workflow = Some(name.to_owned()));
    let (hartree, rydberg, volts) =
        (EnergyUnit::Hartree, EnergyUnit::Rydberg, EnergyUnit::ElectronVolt);
    vec![
        vec![
            condition(|_| {}),
            statuses(&[JobStatus::Pending]),
            statuses(&[JobStatus::Completed]),
            statuses(&[JobStatus::Failed, JobStatus::Queued, JobStatus::Failed]),
            statuses(JobStatus::ALL),
        ],
        vec![
            condition(|_| {}),
            condition(|filter| filter.codes = vec![Code::Vasp]),
            condition(|filter| filter.codes = vec!["cp2k".parse().expect("a code"), Code::Crystal]),
            condition(|filter| filter.codes = vec!["nobody_has_it".parse().expect("a code")]),
        ],
        vec![condition(|_| {}), condition(|filter| filter.runner = Some(Runner::Slurm))],
        vec![
            condition(|_| {}),
            condition(move |filter| filter.cluster = Some(clusters[0])),
            condition(|filter| filter.cluster = Some(ClusterId::new(4_711))),
        ],
        vec![condition(|_| {}), workflow("a"), workflow("%_'\""), workflow("%")],
        vec![condition(|_| {}), created(Some(5), Some(15)), created(None, Some(5))],
        vec![
            condition(|_| {}),
            condition(move |filter| filter.queued = range(None, Some(30))),
            condition(move |filter| filter.started = range(Some(3), Some(20))),
            condition(move |filter| filter.finished = range(Some(10), None)),
        ],
        vec![
            condition(|_| {}),
            tag("campaign", "1%"),
            tag("batch", "2%"),
            tag("campaign", "%"),
            condition(|filter| *filter = filter.clone().tag("campaign", "1%").tag("batch", "1%")),
        ],
        vec![
            condition(|_| {}),
            document("$.gap", Comparison::Above(2.0.into())),
            document("$.gap", Comparison::Exists),
            document("$.cell.name", Comparison::AtLeast("Fm".into())),
            document("$.cell.\"a b\"[1]", Comparison::Equal("x".into())),
            document("$", Comparison::Equal("Fm-3m".into())),
        ],
        vec![condition(|_| {}), text("OB 1"), text("1"), text("/scratch/0"), text("b 2\"")],
        vec![
            condition(|_| {}),
            energy(None, None),
            energy(Some((-275.5, hartree)), Some((-137.75, hartree))),
            energy(Some((-275.5, rydberg)), Some((-1.0, volts))),
        ],
        vec![
            condition(|_| {}),
            condition(|filter| filter.archived = Archived::Include),
            condition(|filter| filter.archived = Archived::Only),
        ],
    ]
}

/// Each condition alone admits exactly what it says.
pub fn each_condition_admits_exactly_what_it_says<F: Fixture>(fixture: &F) -> Outcome {
    let (store, population) = populate(fixture)?;
    let all = check(&store, &population, &JobFilter::all())?;
    assert!(all > 50 && all < 96, "some are put away");
    for condition in conditions(population.clusters).into_iter().flatten() {
        let mut filter = JobFilter::all();
        condition(&mut filter);
        check(&store, &population, &filter)?;
    }
    Ok(())
}

/// Conditions together admit what each of them admits.
pub fn conditions_together_admit_what_each_admits<F: Fixture>(fixture: &F) -> Outcome {
    let (store, population) = populate(fixture)?;
    let conditions = conditions(population.clusters);
    let (mut some, mut tried) = (0, 0);
    // Every pair of conditions, and then mixtures of all.
    for (index, first) in conditions.iter().enumerate() {
        for second in &conditions[index + 1..] {
            for one in &first[1..] {
                for other in &second[1..] {
                    let mut filter = JobFilter::all();
                    one(&mut filter);
                    other(&mut filter);
                    some += usize::from(check(&store, &population, &filter)? > 0);
                    tried += 1;
                }
            }
        }
    }
    assert!(some * 3 > tried, "{some} of {tried} pairs admit any job: the population is too plain");
    let mut mixture = 1_usize;
    for _ in 0..150 {
        let mut filter = JobFilter::all();
        for choices in &conditions {
            // A step of a linear congruential generator, the same in each run.
            mixture = mixture.wrapping_mul(1_103_515_245).wrapping_add(12_345) % 2_147_483_648;
            choices[(mixture >> 16) % choices.len()](&mut filter);
        }
        check(&store, &population, &filter)?;
    }
    Ok(())
}

/// Both ends of an energy range are in it, in whatever unit it is given, and energies are compared
/// to the bit.
pub fn energy_ranges_include_their_ends<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    let energy = Energy::new(-275.123_456_789_012_3, EnergyUnit::Hartree)?;
    store.record_result(id, &NewResult::new(Convergence::Converged).with_energy(energy))?;
    let volts = energy.electron_volts();
    let lists = |least: f64, most: f64| -> Result<bool> {
        let filter = JobFilter {
            energy: Some(EnergyRange {
                least: Some(Energy::new(least, EnergyUnit::ElectronVolt)?),
                most: Some(Energy::new(most, EnergyUnit::ElectronVolt)?),
            }),
            ..JobFilter::all()
        };
        Ok(!store.jobs(&filter, Page::first(1)?)?.jobs.is_empty())
    };
    assert!(lists(volts, volts)?);
    assert!(!lists(volts.next_up(), 0.0)?);
    assert!(!lists(-1e9, volts.next_down())?);
    assert!(!lists(0.0, volts)?, "an empty range admits nothing");
    Ok(())
}

/// The energy that counts is that of the present attempt, also after it was replaced.
pub fn the_energy_of_the_present_attempt_counts<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    let any = JobFilter { energy: Some(EnergyRange::default()), ..JobFilter::all() };
    let listed = || Ok::<_, crate::Error>(store.jobs(&any, Page::first(1)?)?.jobs.len());
    let with = super::samples::sample_result;
    store.record_result(id, &with(-1.0))?;
    assert_eq!(listed()?, 1);
    store.replace_result(id, &NewResult::new(Convergence::Unknown))?;
    assert_eq!(listed()?, 0);
    store.replace_result(id, &with(-2.0))?;
    store.change_status(id, &StatusChange::to(JobStatus::Failed))?;
    store.retry_job(id, InitialStatus::Pending)?;
    assert_eq!(listed()?, 0, "the present attempt has none");
    store.record_result(id, &with(-3.0))?;
    assert_eq!(listed()?, 1);
    Ok(())
}
