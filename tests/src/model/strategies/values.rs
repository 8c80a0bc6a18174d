//! Values that are parts of others: few of each, so that calls often meet.

use proptest::option;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use store_core::{ClusterId, Code, DependencyKind, Edit, JobId, Patch, Timestamp};

use super::BEGINNING;

pub(super) fn job_id() -> impl Strategy<Value = JobId> + Clone {
    prop_oneof![16 => 1i64..5, 3 => 5i64..9, 1 => Just(99)].prop_map(JobId::new)
}

pub(super) fn cluster_id() -> impl Strategy<Value = ClusterId> + Clone {
    prop_oneof![12 => Just(1), 4 => Just(2), 1 => Just(9)].prop_map(ClusterId::new)
}

/// Moments before, at and after those that a sequence reaches.
pub(super) fn moment() -> impl Strategy<Value = Timestamp> {
    let micros = prop_oneof![Just(-1i64), 0i64..3, Just(2_000), Just(3_600_000_000)];
    micros.prop_map(|micros| Timestamp::from_micros(BEGINNING.as_micros() + micros))
}

/// Texts of which few are refused where a name is wanted.
pub(super) fn texts() -> impl Strategy<Value = String> + Clone {
    let good = select(vec!["MgO", "Fe₂O₃ 'x' \"y\"", "a%_b", " MgO"]);
    let bad = select(vec!["", "nul\0", "line\nend", " "]);
    prop_oneof![16 => good, 1 => bad].prop_map(str::to_owned)
}

pub(super) fn word() -> impl Strategy<Value = String> + Clone {
    let often = select(vec!["surfaces", "bulk", "SURFACES"]).prop_map(str::to_owned);
    prop_oneof![8 => often, 1 => texts()]
}

pub(super) fn code() -> impl Strategy<Value = Code> + Clone {
    select(vec![Code::Crystal, Code::Vasp, "cp2k".parse().expect("a code's word")])
}

pub(super) fn kind() -> impl Strategy<Value = DependencyKind> + Clone {
    select(DependencyKind::ALL)
}

pub(super) fn edit<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Edit<T>> {
    option::weighted(0.3, value).prop_map(|value| value.map_or(Edit::Keep, Edit::Set))
}

pub(super) fn patch<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Patch<T>> {
    prop_oneof![4 => Just(None), 2 => value.prop_map(|value| Some(Some(value))), 1 => Just(Some(None))]
        .prop_map(|choice| match choice {
            None => Patch::Keep,
            Some(Some(value)) => Patch::Set(value),
            Some(None) => Patch::Clear,
        })
}
