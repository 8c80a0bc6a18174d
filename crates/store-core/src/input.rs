//! Input decks and their hashes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Invalid;
use crate::words::{check_name, check_text};

/// What a code reads: one file (a CRYSTAL `.d12`, a Quantum ESPRESSO `.in`) or a set of files by
/// name (VASP's INCAR, POSCAR, KPOINTS). Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct InputDeck {
    files: BTreeMap<String, String>,
    /// Kept, so that no write has to work it out while others wait for their turn.
    hash: InputHash,
}

impl InputDeck {
    /// A deck of one file.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn file(name: impl Into<String>, content: impl Into<String>) -> Result<Self, Invalid> {
        Self::set([(name.into(), content.into())])
    }

    /// A deck of several files, by name; their order does not matter.
    ///
    /// # Errors
    /// [`Invalid`] if there is no file, if a name is empty, too long, twice there, has a `/` or is
    /// `.` or `..`, or if a content has a NUL.
    pub fn set<N, C>(files: impl IntoIterator<Item = (N, C)>) -> Result<Self, Invalid>
    where
        N: Into<String>,
        C: Into<String>,
    {
        let mut set = BTreeMap::new();
        for (name, content) in files {
            let (name, content) = (name.into(), content.into());
            check_name("input file name", &name)?;
            check_text("input file", &content)?;
            if name.contains('/') || name == "." || name == ".." {
                let reason = format!("{name:?} is not a plain file name: leave directories out");
                return Err(Invalid::new("input file name", reason));
            }
            if let Some(earlier) = set.insert(name, content) {
                let reason = format!("is there twice, first with {} bytes", earlier.len());
                return Err(Invalid::new("input file name", reason));
            }
        }
        if set.is_empty() {
            return Err(Invalid::new("input", "has no file: give it at least one".to_owned()));
        }
        Ok(Self { hash: hash_of(&set), files: set })
    }

    /// The files, by name.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.files.iter().map(|(name, content)| (name.as_str(), content.as_str()))
    }

    /// The identity of the deck. Of one file it is what `sha256sum` prints; of a set it is the
    /// SHA-256 of what `sha256sum` prints for its files in order of their names, so that anybody can
    /// check it: `LC_ALL=C; sha256sum * | sha256sum`.
    pub const fn hash(&self) -> InputHash {
        self.hash
    }
}

fn hash_of(files: &BTreeMap<String, String>) -> InputHash {
    let mut contents = files.values();
    match (contents.next(), contents.next()) {
        (Some(only), None) => InputHash(Sha256::digest(only).into()),
        _ => {
            let mut listing = Sha256::new();
            for (name, content) in files {
                let line = format!("{}  {name}\n", InputHash(Sha256::digest(content).into()));
                listing.update(line);
            }
            InputHash(listing.finalize().into())
        }
    }
}

impl TryFrom<BTreeMap<String, String>> for InputDeck {
    type Error = Invalid;

    fn try_from(files: BTreeMap<String, String>) -> Result<Self, Invalid> {
        Self::set(files)
    }
}

impl From<InputDeck> for BTreeMap<String, String> {
    fn from(deck: InputDeck) -> Self {
        deck.files
    }
}

/// The SHA-256 of an input deck; see [`InputDeck::hash`]. Text is 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InputHash([u8; 32]);

impl InputHash {
    /// Takes one from its 32 bytes, as stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for InputHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for InputHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InputHash({self})")
    }
}

impl TryFrom<String> for InputHash {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let refuse = || {
            Invalid::new(
                "input hash",
                format!("{text:?} is not 64 hexadecimal digits of a SHA-256"),
            )
        };
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte =
                u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| refuse())?;
        }
        Ok(Self(bytes))
    }
}

impl std::str::FromStr for InputHash {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.to_owned().try_into()
    }
}

impl From<InputHash> for String {
    fn from(hash: InputHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_deck_is_what_sha256sum_prints() -> Result<(), Invalid> {
        let one = InputDeck::file("mgo.d12", "abc")?;
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(one.hash().to_string(), abc);
        assert_eq!(abc.parse::<InputHash>()?, one.hash());
        // printf abc >INCAR; printf abc >KPOINTS; sha256sum INCAR KPOINTS | sha256sum
        let set = InputDeck::set([("KPOINTS", "abc"), ("INCAR", "abc")])?;
        let listing = format!("{abc}  INCAR\n{abc}  KPOINTS\n");
        assert_eq!(set.hash(), InputDeck::file("listing", listing)?.hash());
        Ok(())
    }

    #[test]
    fn a_deck_has_files_with_plain_names() {
        assert!(InputDeck::set(Vec::<(String, String)>::new()).is_err());
        assert!(InputDeck::set([("INCAR", "a"), ("INCAR", "b")]).is_err());
        for bad in ["", "a/b", ".", "..", "a\0"] {
            assert!(InputDeck::file(bad, "x").is_err(), "{bad:?}");
        }
        assert!(InputDeck::file("a", "x\0y").is_err());
    }
}
