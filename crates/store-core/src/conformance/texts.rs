//! What texts promise: they come back as they were, whatever they are made of.

use crate::cluster::{ClusterKind, NewCluster};
use crate::job::{JobPatch, NewJob};
use crate::patch::{Edit, Patch};
use crate::query::{JobFilter, Page};
use crate::remote_job::NewRemoteJob;
use crate::repo::{ClusterRead, ClusterWrite, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite};
use crate::status::{JobStatus, StatusChange};
use crate::work_dir::Placement;

use super::fixture::Fixture;
use super::outcome::Outcome;
use super::samples::{dir, open, sample_job};

/// Names that a store might take for something else.
fn difficult_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "'; DROP TABLE jobs; --",
        "\"quoted\" 'twice' `thrice`",
        "back\\slash \\' \\\" \\n",
        "100%_[a-z]*?^$",
        "?1 :name @p $1 {} {0}",
        "NULL",
        "0",
        "1e999",
        "0x10",
        " leading and trailing ",
        "Größe MgO · 氧化镁 · أكسيد · ꙮ",
        "e\u{301} is not é",
        "🧪👩\u{200d}🔬",
        "\u{feff}mark",
        "\u{202e}turned",
        "line\u{2028}separator",
        "\u{10ffff}\u{e000}",
        "ﬁ ß İ ı",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(255));
    names.push("🧪".repeat(255));
    names
}

/// Every text of a job comes back as it was, created or edited in, and finds the job again.
pub fn difficult_texts_of_jobs_come_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for (index, name) in difficult_names().into_iter().enumerate() {
        let path = dir(&format!("/scratch/{index}/{name}"));
        let new = NewJob {
            placement: Placement::At(path.clone()),
            workflow: Some(name.clone()),
            idempotency_key: Some(name.clone()),
            ..sample_job(&name)
        };
        let job = store.create_job(&new)?;
        assert_eq!((&job.name, &job.work_dir), (&name, &path));
        assert_eq!(store.job(job.id)?, job);
        assert_eq!(store.find_job_by_work_dir(&path)?.as_ref(), Some(&job));
        assert_eq!(store.find_job_by_idempotency_key(&name)?.as_ref(), Some(&job));
        let filter = JobFilter::all().workflow(name.as_str());
        assert_eq!(store.jobs(&filter, Page::first(10)?)?.jobs, std::slice::from_ref(&job));

        let plain = JobPatch {
            name: Edit::Set("plain".to_owned()),
            workflow: Patch::Clear,
            ..JobPatch::default()
        };
        store.update_job(job.id, &plain)?;
        let back = JobPatch {
            name: Edit::Set(name.clone()),
            workflow: Patch::Set(name.clone()),
            ..JobPatch::default()
        };
        assert_eq!(store.update_job(job.id, &back)?, job);
        let running = StatusChange::to(JobStatus::Running).on(name.as_str(), 1);
        store.change_status(job.id, &running)?;
        assert_eq!(store.job(job.id)?.host, Some(name));
    }
    Ok(())
}

/// Every text of a cluster and of a submission comes back as it was.
pub fn difficult_texts_of_clusters_come_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let job = store.create_job(&sample_job("MgO"))?.id;
    for name in difficult_names() {
        let new = NewCluster {
            username: Some(name.clone()),
            setup_commands: vec![name.clone(), format!("echo '{name}'\n\t# \u{1}")],
            code_roots: [(crate::Code::Vasp, name.clone())].into(),
            ..NewCluster::new(name.as_str(), ClusterKind::Ssh, name.as_str())
        };
        let cluster = store.create_cluster(&new)?;
        assert_eq!(cluster.config, new);
        assert_eq!(store.cluster(cluster.id)?, cluster);
        assert_eq!(store.find_cluster_by_name(&name)?.as_ref(), Some(&cluster));

        let text = || Some(format!("{name}\n\t\u{1b}"));
        let submission = NewRemoteJob {
            queue: Some(name.clone()),
            node_list: text(),
            work_dir: text(),
            stdout_path: text(),
            stderr_path: text(),
            scheduler_state: Some(name.clone()),
            metadata: [(name.clone(), name.clone().into())].into_iter().collect(),
            ..NewRemoteJob::new(job, cluster.id, name.as_str())
        };
        let remote = store.record_submission(&submission)?;
        assert_eq!(remote.submission, submission);
        assert_eq!(store.remote_job(remote.id)?, remote);
    }
    Ok(())
}
