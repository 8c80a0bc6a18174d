//! Conditions on the document of a result.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde_json::Value;

use crate::error::Invalid;
use crate::words::{LONGEST_NAME, check_text};

/// One step of a [`DocumentPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathStep {
    /// Into the member of an object that has this name.
    Member(String),
    /// Into the item of an array at this place, from 0.
    Item(u32),
}

/// Where a value is in a JSON document, in the words of SQLite's JSON functions: `$.band_gap_ev`,
/// `$.cell.a`, `$.bands[0]`, `$."Fermi level"`.
///
/// A name that has other characters than letters, digits and `_` stands in double quotes. A name that
/// is empty, or has a double quote, a backslash or a control character, cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPath(Vec<PathStep>);

impl DocumentPath {
    /// The steps from the document's root.
    pub fn steps(&self) -> &[PathStep] {
        &self.0
    }

    /// The value at this path of a document, if there is one; `null` is one.
    pub fn find<'d>(&self, document: &'d Value) -> Option<&'d Value> {
        self.0.iter().try_fold(document, |value, step| match (step, value) {
            (PathStep::Member(name), Value::Object(members)) => members.get(name),
            (PathStep::Item(place), Value::Array(items)) => items.get(*place as usize),
            _ => None,
        })
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|one| one.is_ascii_alphanumeric())
}

impl fmt::Display for DocumentPath {
    /// Every name but those of letters and digits stands in double quotes, so that equal paths print alike,
    /// and as SQLite's `json_tree` spells them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('$')?;
        for step in &self.0 {
            match step {
                PathStep::Member(name) if is_plain(name) => write!(f, ".{name}")?,
                PathStep::Member(name) => write!(f, ".\"{name}\"")?,
                PathStep::Item(place) => write!(f, "[{place}]")?,
            }
        }
        Ok(())
    }
}

impl FromStr for DocumentPath {
    type Err = Invalid;

    fn from_str(path: &str) -> Result<Self, Invalid> {
        let refused = |what: &str| {
            let reason = format!("{path:?} {what}: write it as $.cell.a, $.bands[0] or $.\"a b\"");
            Invalid::new("document path", reason)
        };
        let mut rest = path.strip_prefix('$').ok_or_else(|| refused("does not begin with $"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(quoted) = rest.strip_prefix(".\"") {
                let (name, after) =
                    quoted.split_once('"').ok_or_else(|| refused("has an open quote"))?;
                if name.is_empty() || name.chars().any(|one| one == '\\' || one.is_control()) {
                    return Err(refused("has a name that cannot be said"));
                }
                steps.push(PathStep::Member(name.to_owned()));
                rest = after;
            } else if let Some(named) = rest.strip_prefix('.') {
                let (name, after) = named.split_at(named.find(['.', '[']).unwrap_or(named.len()));
                if !name.chars().all(|one| one.is_alphanumeric() || one == '_') || name.is_empty() {
                    return Err(refused("has a name that needs double quotes"));
                }
                steps.push(PathStep::Member(name.to_owned()));
                rest = after;
            } else {
                let item = rest.strip_prefix('[').and_then(|item| item.split_once(']'));
                let (place, after) = item.ok_or_else(|| refused("has neither name nor place"))?;
                let digits = place.chars().all(|one| one.is_ascii_digit());
                let place = if digits { place.parse().ok() } else { None };
                steps.push(PathStep::Item(place.ok_or_else(|| refused("has no number in []"))?));
                rest = after;
            }
        }
        Ok(Self(steps))
    }
}

/// What a value of a document is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A number; compared with numbers alone, both as double precision numbers.
    Number(f64),
    /// A text; compared with texts alone, character by character in the order of Unicode.
    Text(String),
}

impl From<f64> for Operand {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Operand {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// What is asked of a value of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// It is there, whatever it is; `null` too.
    Exists,
    /// It is equal.
    Equal(Operand),
    /// It is less.
    Below(Operand),
    /// It is less or equal.
    AtMost(Operand),
    /// It is greater.
    Above(Operand),
    /// It is greater or equal.
    AtLeast(Operand),
}

impl Comparison {
    /// What is compared with; nothing for [`Exists`](Self::Exists).
    pub const fn operand(&self) -> Option<&Operand> {
        match self {
            Self::Exists => None,
            Self::Equal(operand)
            | Self::Below(operand)
            | Self::AtMost(operand)
            | Self::Above(operand)
            | Self::AtLeast(operand) => Some(operand),
        }
    }

    fn admits(&self, value: &Value) -> bool {
        let ordering = match (self.operand(), value) {
            (None, _) => return true,
            (Some(Operand::Number(wanted)), Value::Number(number)) => {
                number.as_f64().and_then(|number| number.partial_cmp(wanted))
            }
            (Some(Operand::Text(wanted)), Value::String(text)) => Some(text.cmp(wanted)),
            _ => None,
        };
        ordering.is_some_and(|ordering| match self {
            Self::Exists => true,
            Self::Equal(_) => ordering.is_eq(),
            Self::Below(_) => ordering.is_lt(),
            Self::AtMost(_) => ordering.is_le(),
            Self::Above(_) => ordering.is_gt(),
            Self::AtLeast(_) => ordering.is_ge(),
        })
    }
}

/// A condition on one value of the document of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentCondition {
    path: DocumentPath,
    comparison: Comparison,
}

impl DocumentCondition {
    /// Takes a path as text, see [`DocumentPath`], and what is asked of the value there.
    ///
    /// # Errors
    /// [`Invalid`] for a path that cannot be read, for a number that is not finite, and for a text of
    /// more than 255 characters or with a NUL.
    pub fn new(path: &str, comparison: Comparison) -> Result<Self, Invalid> {
        match comparison.operand() {
            Some(Operand::Number(number)) if !number.is_finite() => {
                let reason = format!("is {number}: compare with a finite number");
                return Err(Invalid::new("document value", reason));
            }
            Some(Operand::Text(text)) => {
                check_text("document value", text)?;
                let length = text.chars().count();
                if length > LONGEST_NAME {
                    let reason = format!(
                        "has {length} characters: compare with a text of {LONGEST_NAME} or fewer"
                    );
                    return Err(Invalid::new("document value", reason));
                }
            }
            _ => {}
        }
        Ok(Self { path: path.parse()?, comparison })
    }

    /// Where the value is.
    pub const fn path(&self) -> &DocumentPath {
        &self.path
    }

    /// What is asked of it.
    pub const fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// Whether a document meets it.
    pub fn admits(&self, document: &Value) -> bool {
        self.path.find(document).is_some_and(|value| self.comparison.admits(value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_read_and_printed() -> Result<(), Invalid> {
        for path in ["$", "$.a", "$.a.b2[0][17]", "$.\"a b\".\"é.[\"[4294967295]", "$.\"_\""] {
            assert_eq!(path.parse::<DocumentPath>()?.to_string(), path);
        }
        assert_eq!("$.\"a\".é.b_2".parse::<DocumentPath>()?.to_string(), "$.a.\"é\".\"b_2\"");
        for wrong in [
            "",
            "a",
            "$a",
            "$.",
            "$..a",
            "$.a b",
            "$.\"\"",
            "$.\"a",
            "$[]",
            "$[-1]",
            "$[+1]",
            "$[#-1]",
            "$[4294967296]",
            "$.\"a\\\"b\"",
            "$.a-b",
            "$.\"a\n\"",
            "$[0",
        ] {
            let refused = wrong.parse::<DocumentPath>().expect_err(wrong);
            assert_eq!(refused.field, "document path");
        }
        Ok(())
    }

    #[test]
    fn numbers_and_texts_are_compared_with_their_like() -> Result<(), Invalid> {
        let document = json!({"gap": 7.8, "n": 8, "code": "pbe0", "no": null, "yes": true});
        let meets = |path, comparison| {
            DocumentCondition::new(path, comparison).map(|one| one.admits(&document))
        };
        assert!(meets("$.gap", Comparison::Above(7.0.into()))?);
        assert!(meets("$.n", Comparison::Equal(8.0.into()))?);
        assert!(meets("$.n", Comparison::AtMost(8.0.into()))?);
        assert!(!meets("$.n", Comparison::Below(8.0.into()))?);
        assert!(meets("$.code", Comparison::AtLeast("pbe".into()))?);
        assert!(!meets("$.code", Comparison::Equal("PBE0".into()))?);
        assert!(!meets("$.code", Comparison::AtLeast(0.0.into()))?);
        assert!(!meets("$.yes", Comparison::Equal(1.0.into()))?, "true is no number");
        assert!(meets("$.no", Comparison::Exists)? && !meets("$.nowhere", Comparison::Exists)?);
        assert!(DocumentCondition::new("$", Comparison::Equal(f64::NAN.into())).is_err());
        let long = "x".repeat(256);
        assert!(DocumentCondition::new("$", Comparison::Equal(long.as_str().into())).is_err());
        Ok(())
    }
}
