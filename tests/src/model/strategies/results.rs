//! Results of calculations.

use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use store_core::{Convergence, Energy, EnergyUnit, NewResult, ResultDocument};

pub(super) fn result() -> BoxedStrategy<NewResult> {
    let value = select(vec![-0.0, -1.0, -2.0, -0.1 - 0.2, 1e-300, f64::MAX / 30.0]);
    let energy = (value, select(EnergyUnit::ALL))
        .prop_map(|(value, unit)| Energy::new(value, unit).expect("finite"));
    let good = select(vec![0.0, 0.1 + 0.2, 3600.0]);
    let seconds = option::of(prop_oneof![20 => good, 1 => Just(-1.0)]);
    let good = select(vec![(1, "{}"), (3, r#"{"gap":7.8,"bands":[[1,-2],[]]}"#), (u32::MAX, "7")]);
    let document = prop_oneof![20 => good, 1 => Just((0, "null"))];
    (option::of(energy), select(Convergence::ALL), option::of(any::<u32>()), seconds, document)
        .prop_map(|(energy, convergence, scf_cycles, cpu_seconds, (version, body))| NewResult {
            energy,
            scf_cycles,
            cpu_seconds,
            document: ResultDocument {
                version,
                body: serde_json::from_str(body).expect("a document"),
            },
            ..NewResult::new(convergence)
        })
        .boxed()
}
