//! Clusters: a person pauses, resumes and limits them, the scheduler makes some that nobody needs and removes them.

use store_core::prelude::*;
use store_core::{
    Cluster, ClusterId, ClusterKind, ClusterLimits, ClusterPatch, Edit, Intake, NewCluster,
};

use crate::stress::effect::Effect;
use crate::stress::kind::Kind;
use crate::stress::session::Session;

/// How many clusters that nobody needs there are, before one is removed.
const SPARE: usize = 4;

/// Pauses or resumes one of the clusters of the run, or says how many jobs it may run.
pub fn edit<S: Store>(session: &mut Session<'_, S>) {
    let Some(&cluster) = session.random.pick(&session.shared.plan.clusters) else {
        return;
    };
    let reason = session.unique();
    let most = session.random.below(16) as u32;
    let limited = session.random.chance(30);
    let why = reason.clone();
    session.write(
        Kind::EditCluster,
        |store| {
            store.write(move |w| {
                let before = w.cluster(cluster)?;
                let patch = if limited {
                    let limits = ClusterLimits { max_running: Some(most), ..before.config.limits };
                    ClusterPatch { limits: Edit::Set(limits), ..ClusterPatch::default() }
                } else {
                    ClusterPatch::intake(other(before.config.intake))
                };
                let after = w.update_cluster(cluster, &patch.because(why))?;
                Ok((before, after))
            })
        },
        |(before, after)| edited(before, after, &reason),
    );
}

/// Makes a cluster that nobody needs, or removes one, whoever made it.
pub fn come_and_go<S: Store>(session: &mut Session<'_, S>) {
    let clusters = session.read(Kind::ListClusters, |store| store.clusters()).unwrap_or_default();
    let ordered = clusters.windows(2).all(|pair| pair[0].config.name < pair[1].config.name);
    session.expect(ordered, "the clusters are out of order", || {
        format!("{:?}", clusters.iter().map(|one| &one.config.name).collect::<Vec<_>>())
    });
    let begins = format!("{}/", session.shared.plan.run);
    let spare: Vec<ClusterId> = clusters
        .iter()
        .filter(|one| one.config.name.starts_with(&begins))
        .map(|one| one.id)
        .collect();
    if spare.len() < SPARE {
        create_spare(session);
    } else if let Some(&cluster) = session.random.pick(&spare) {
        session.write(
            Kind::DeleteCluster,
            |store| store.delete_cluster(cluster),
            |()| vec![Effect::ClusterDeleted { cluster }],
        );
    }
}

/// Creates a cluster.
pub fn create<S: Store>(session: &mut Session<'_, S>, new: &NewCluster) -> Option<Cluster> {
    session.write(
        Kind::CreateCluster,
        |store| store.create_cluster(new),
        |created| {
            let name = created.config.name.clone();
            vec![Effect::ClusterCreated { cluster: created.id, name }]
        },
    )
}

fn create_spare<S: Store>(session: &mut Session<'_, S>) {
    let new = NewCluster::new(session.unique(), ClusterKind::Ssh, "spare.example.org");
    let Some(before) = create(session, &new) else { return };
    // Nobody else edits it, so that a call alone tells what it has changed.
    let reason = session.unique();
    let pause = ClusterPatch::intake(Intake::Paused).because(&reason);
    session.write(
        Kind::EditCluster,
        |store| store.update_cluster(before.id, &pause),
        |after| edited(&before, after, &reason),
    );
}

const fn other(intake: Intake) -> Intake {
    match intake {
        Intake::Open => Intake::Paused,
        Intake::Paused | Intake::Draining => Intake::Open,
    }
}

/// What an edit acknowledges: nothing where it has changed nothing.
fn edited(before: &Cluster, after: &Cluster, reason: &str) -> Vec<Effect> {
    let values = |of: &Cluster| {
        let most = of.config.limits.max_running.map(|most| most.to_string());
        [Some(of.config.intake.to_string()), most]
    };
    let reason = Some(reason.to_owned());
    let changed = values(before).into_iter().zip(values(after)).filter(|(from, to)| from != to);
    changed
        .map(|(from, to)| {
            let reason = reason.clone();
            Effect::ClusterEdited { cluster: before.id, from, to, reason }
        })
        .collect()
}
