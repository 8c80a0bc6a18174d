//! Energies that carry their unit.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::words::words;

words! {
    /// The unit in which a code reported an energy.
    pub enum EnergyUnit as "energy unit" {
        /// Atomic units; what CRYSTAL prints.
        Hartree = "hartree",
        /// What VASP prints.
        ElectronVolt = "electron_volt",
        /// Half a hartree; what Quantum ESPRESSO prints.
        Rydberg = "rydberg",
    }
}

impl EnergyUnit {
    /// One of this unit in electronvolts: CODATA 2022, E_h = 27.211 386 245 981(30) eV. The SQL of
    /// a backend's comparable column uses the same numbers, so that both sides agree to the bit.
    pub const fn in_electron_volts(self) -> f64 {
        match self {
            Self::Hartree => 27.211_386_245_981,
            Self::ElectronVolt => 1.0,
            Self::Rydberg => 13.605_693_122_990_5,
        }
    }
}

/// A finite energy in the unit in which it was reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Energy {
    value: f64,
    unit: EnergyUnit,
}

impl Energy {
    /// Takes a value and its unit.
    ///
    /// # Errors
    /// [`Invalid`] for a NaN or an infinity, by name, also where only the value in electronvolts
    /// would be infinite.
    pub fn new(value: f64, unit: EnergyUnit) -> Result<Self, Invalid> {
        // Not every storage tells the two zeros apart; this makes minus zero the other one.
        let value = value + 0.0;
        let electron_volts = value * unit.in_electron_volts();
        if value.is_nan() {
            Err(Invalid::new("energy", "is NaN: record no energy where there is none".to_owned()))
        } else if electron_volts.is_infinite() {
            let reason = format!("{value} {unit} is not a finite number of electronvolts");
            Err(Invalid::new("energy", reason))
        } else {
            Ok(Self { value, unit })
        }
    }

    /// The number, in [`unit`](Self::unit).
    pub const fn value(self) -> f64 {
        self.value
    }

    /// The unit of [`value`](Self::value).
    pub const fn unit(self) -> EnergyUnit {
        self.unit
    }

    /// The energy in electronvolts, for comparing.
    pub fn electron_volts(self) -> f64 {
        self.value * self.unit.in_electron_volts()
    }
}

impl std::fmt::Display for Energy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.value, self.unit)
    }
}

#[derive(Serialize, Deserialize)]
struct Parts {
    value: f64,
    unit: EnergyUnit,
}

impl TryFrom<Parts> for Energy {
    type Error = Invalid;

    fn try_from(Parts { value, unit }: Parts) -> Result<Self, Invalid> {
        Self::new(value, unit)
    }
}

impl From<Energy> for Parts {
    fn from(Energy { value, unit }: Energy) -> Self {
        Self { value, unit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_finite_energy_is_refused_by_name() {
        let nan = Energy::new(f64::NAN, EnergyUnit::Hartree).expect_err("NaN");
        assert!(nan.to_string().contains("NaN"), "{nan}");
        for value in [f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            let refused = Energy::new(value, EnergyUnit::Hartree).expect_err("infinite");
            assert!(refused.to_string().contains("finite"), "{refused}");
        }
        assert!(Energy::new(f64::MAX, EnergyUnit::ElectronVolt).is_ok());
    }

    #[test]
    fn there_is_one_zero() -> Result<(), Invalid> {
        let zero = Energy::new(-0.0, EnergyUnit::Hartree)?;
        assert_eq!(zero.value().to_bits(), 0.0_f64.to_bits());
        Ok(())
    }

    #[test]
    fn two_rydberg_are_one_hartree() {
        let energy = |value, unit| Energy::new(value, unit).expect("finite").electron_volts();
        assert_eq!(energy(2.0, EnergyUnit::Rydberg), energy(1.0, EnergyUnit::Hartree));
    }
}
