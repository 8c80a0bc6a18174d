//! The program that calculates a job, and what starts it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::words::words;

/// The electronic-structure code of a job: one word of lowercase letters, digits and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Code {
    /// CRYSTAL (`crystal`).
    Crystal,
    /// Quantum ESPRESSO (`quantum_espresso`).
    QuantumEspresso,
    /// VASP (`vasp`).
    Vasp,
    /// Any other code, by its word.
    Other(CodeName),
}

/// The word of a code that has no variant of its own in [`Code`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeName(String);

impl Code {
    /// The codes that have a variant of their own.
    pub const KNOWN: &'static [Self] = &[Self::Crystal, Self::QuantumEspresso, Self::Vasp];

    /// The word that stands for it in databases, JSON and messages.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Crystal => "crystal",
            Self::QuantumEspresso => "quantum_espresso",
            Self::Vasp => "vasp",
            Self::Other(CodeName(word)) => word,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Code {
    type Err = Invalid;

    /// Takes the word of a code; one that is not known becomes [`Code::Other`].
    fn from_str(word: &str) -> Result<Self, Invalid> {
        if let Some(known) = Self::KNOWN.iter().find(|code| code.as_str() == word) {
            return Ok(known.clone());
        }
        let starts_well = word.starts_with(|first: char| first.is_ascii_lowercase());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !starts_well || !word.chars().all(plain) || word.len() > 64 {
            let reason = format!(
                "{word:?} is not a word of at most 64 lowercase letters, digits and _ that begins \
                 with a letter: write for example crystal, quantum_espresso, vasp, cp2k"
            );
            return Err(Invalid::new("code", reason));
        }
        Ok(Self::Other(CodeName(word.to_owned())))
    }
}

impl TryFrom<String> for Code {
    type Error = Invalid;

    fn try_from(word: String) -> Result<Self, Invalid> {
        word.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.as_str().to_owned()
    }
}

words! {
    /// What starts the code.
    pub enum Runner as "runner" {
        /// A process on this machine.
        Local = "local",
        /// A process on another machine, by ssh.
        Ssh = "ssh",
        /// A Slurm batch job.
        Slurm = "slurm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_nobody_foresaw_needs_no_new_variant() -> Result<(), Invalid> {
        let code: Code = "cp2k".parse()?;
        assert_eq!(code.as_str(), "cp2k");
        assert_eq!("vasp".parse::<Code>()?, Code::Vasp);
        for bad in ["", "CP2K", "2k", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<Code>().is_err(), "{bad:?}");
        }
        Ok(())
    }
}
