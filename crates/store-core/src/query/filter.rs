//! Which jobs are meant.

use crate::code::{Code, Runner};
use crate::error::Invalid;
use crate::ids::ClusterId;
use crate::job::Job;
use crate::query::DocumentCondition;
use crate::result::NewResult;
use crate::status::JobStatus;
use crate::tag::{Tags, check_tag};
use crate::time::{TimeRange, Timestamp};
use crate::units::Energy;
use crate::words::check_text;

/// Whether jobs that were put away are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Archived {
    /// They are left out.
    #[default]
    Exclude,
    /// They are listed with the others.
    Include,
    /// They alone are listed.
    Only,
}

impl Archived {
    /// Whether a job that is `archived` or not is listed.
    pub const fn admits(self, archived: bool) -> bool {
        match self {
            Self::Exclude => !archived,
            Self::Include => true,
            Self::Only => archived,
        }
    }
}

/// Energies from `least` to `most`, both included, in whatever units; a side that is `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EnergyRange {
    /// The lowest energy in the range.
    pub least: Option<Energy>,
    /// The highest energy in the range.
    pub most: Option<Energy>,
}

impl EnergyRange {
    /// Whether `energy` lies in the range; compared in electronvolts.
    pub fn contains(&self, energy: Energy) -> bool {
        let energy = energy.electron_volts();
        self.least.is_none_or(|least| energy >= least.electron_volts())
            && self.most.is_none_or(|most| energy <= most.electron_volts())
    }
}

/// Which jobs are meant. Everything that is set must hold; a list that is empty admits all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobFilter {
    /// Jobs in one of these statuses.
    pub statuses: Vec<JobStatus>,
    /// Jobs of one of these codes.
    pub codes: Vec<Code>,
    /// Jobs of this runner.
    pub runner: Option<Runner>,
    /// Jobs meant for this cluster.
    pub cluster: Option<ClusterId>,
    /// Jobs of this workflow.
    pub workflow: Option<String>,
    /// Jobs that have each of these tags.
    pub tags: Tags,
    /// Jobs created in this range.
    pub created: TimeRange,
    /// Jobs whose present attempt was last queued in this range; one that was not is in none that is
    /// set.
    pub queued: TimeRange,
    /// Jobs whose present attempt first ran in this range, as for `queued`.
    pub started: TimeRange,
    /// Jobs whose present attempt ended in this range, as for `queued`.
    pub finished: TimeRange,
    /// Jobs whose present attempt has a result with an energy in this range.
    pub energy: Option<EnergyRange>,
    /// Jobs whose present attempt has a result whose document meets each of these conditions.
    pub documents: Vec<DocumentCondition>,
    /// Jobs that have this text in their name or their directory. The letters A to Z match their
    /// small ones; every other character means itself.
    pub text: Option<String>,
    /// Whether jobs that were put away are meant; not unless set.
    pub archived: Archived,
}

/// What a filter looks at besides the job's own row.
#[derive(Debug, Clone, Copy)]
pub struct JobFindings<'f> {
    /// The job's tags.
    pub tags: &'f Tags,
    /// The result of its present attempt.
    pub result: Option<&'f NewResult>,
}

impl JobFilter {
    /// Every job that was not put away.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only jobs in this status; called again, in either.
    #[must_use]
    pub fn status(mut self, status: JobStatus) -> Self {
        self.statuses.push(status);
        self
    }

    /// Only jobs of this code; called again, of either.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.codes.push(code);
        self
    }

    /// Only jobs of this workflow.
    #[must_use]
    pub fn workflow(mut self, workflow: impl Into<String>) -> Self {
        self.workflow = Some(workflow.into());
        self
    }

    /// Only jobs meant for this cluster.
    #[must_use]
    pub const fn cluster(mut self, cluster: ClusterId) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Only jobs with this tag; called again with another key, with both.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Only jobs whose result's document meets this condition; called again, both.
    #[must_use]
    pub fn document(mut self, condition: DocumentCondition) -> Self {
        self.documents.push(condition);
        self
    }

    /// Only jobs that have this text in their name or their directory.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Refuses what no job can meet because nothing like it can be stored.
    ///
    /// # Errors
    /// [`Invalid`] for a tag that no job can have, and a text that is empty or has a NUL.
    pub fn check(&self) -> Result<(), Invalid> {
        for (key, value) in &self.tags {
            check_tag(key, value)?;
        }
        if let Some(text) = &self.text {
            if text.is_empty() {
                let reason = "is empty: leave it out to list all jobs".to_owned();
                return Err(Invalid::new("text", reason));
            }
            check_text("text", text)?;
        }
        Ok(())
    }

    /// Whether it admits a job: the meaning of the filter, which a backend expresses in its own way.
    pub fn admits(&self, job: &Job, findings: JobFindings<'_>) -> bool {
        self.admits_row(job) && self.admits_findings(findings)
    }

    /// Whether it admits what the job's row says.
    pub fn admits_row(&self, job: &Job) -> bool {
        let listed = |is_empty: bool, contains: bool| is_empty || contains;
        let within = |range: TimeRange, moment: Option<Timestamp>| {
            range == TimeRange::default() || moment.is_some_and(|moment| range.contains(moment))
        };
        listed(self.statuses.is_empty(), self.statuses.contains(&job.status))
            && listed(self.codes.is_empty(), self.codes.contains(&job.code))
            && self.runner.is_none_or(|runner| job.runner == runner)
            && self.cluster.is_none_or(|cluster| job.cluster == Some(cluster))
            && self.workflow.as_ref().is_none_or(|w| job.workflow.as_ref() == Some(w))
            && self.created.contains(job.created_at)
            && within(self.queued, job.queued_at)
            && within(self.started, job.started_at)
            && within(self.finished, job.finished_at)
            && self.text.as_deref().is_none_or(|text| {
                has_text(&job.name, text) || has_text(job.work_dir.as_str(), text)
            })
            && self.archived.admits(job.archived_at.is_some())
    }

    fn admits_findings(&self, JobFindings { tags, result }: JobFindings<'_>) -> bool {
        let energy = result.and_then(|result| result.energy);
        self.tags.iter().all(|(key, value)| tags.get(key) == Some(value))
            && self.energy.is_none_or(|range| energy.is_some_and(|e| range.contains(e)))
            && self.documents.iter().all(|condition| {
                result.is_some_and(|result| condition.admits(&result.document.body))
            })
    }
}

fn has_text(whole: &str, part: &str) -> bool {
    whole.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}
