//! Enums that are one word in a database and in JSON, and the checks that texts share.

use serde_json::Value;

use crate::error::Invalid;

/// Declares an enum whose variants are fixed words: `as_str`, `ALL`, `Display`, `FromStr`, serde.
macro_rules! words {
    (
        $(#[$outer:meta])*
        pub enum $name:ident as $field:literal {
            $( $(#[$inner:meta])* $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[$outer])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            $( $(#[$inner])* #[serde(rename = $word)] $variant, )+
        }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The word that stands for it in databases, JSON and messages.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::Invalid;

            fn from_str(word: &str) -> ::std::result::Result<Self, Self::Err> {
                match word {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err($crate::words::unknown_word($field, word, &[ $( $word, )+ ])),
                }
            }
        }
    };
}
pub(crate) use words;

pub(crate) fn unknown_word(field: &'static str, word: &str, known: &[&str]) -> Invalid {
    Invalid::new(field, format!("{word:?} is not one of {}", known.join(", ")))
}

/// The longest text that names something, in characters: job names, hosts, keys.
pub(crate) const LONGEST_NAME: usize = 255;

/// Refuses a name that is empty, longer than 255 characters, or has control characters.
pub(crate) fn check_name(field: &'static str, text: &str) -> Result<(), Invalid> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        Err(Invalid::new(field, "is empty: give it at least one character".to_owned()))
    } else if length > LONGEST_NAME {
        let reason = format!("has {length} characters: shorten it to {LONGEST_NAME} or fewer");
        Err(Invalid::new(field, reason))
    } else if text.chars().any(char::is_control) {
        let reason = format!("{text:?} has a control character: remove it");
        Err(Invalid::new(field, reason))
    } else {
        Ok(())
    }
}

/// As [`check_name`], where there may be none.
pub(crate) fn check_optional_name(field: &'static str, text: Option<&str>) -> Result<(), Invalid> {
    text.map_or(Ok(()), |text| check_name(field, text))
}

/// Refuses a text with a NUL, which SQLite's own functions would cut short.
pub(crate) fn check_text(field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.contains('\0') {
        return Err(Invalid::new(field, "has a NUL character: remove it".to_owned()));
    }
    Ok(())
}

/// As [`check_text`], where there may be none.
pub(crate) fn check_optional_text(field: &'static str, text: Option<&str>) -> Result<(), Invalid> {
    text.map_or(Ok(()), |text| check_text(field, text))
}

/// Refuses a reason that says nothing, and one with a NUL.
pub(crate) fn check_reason(reason: &str) -> Result<(), Invalid> {
    if reason.trim().is_empty() {
        return Err(Invalid::new("reason", "is empty: say why, or what was seen".to_owned()));
    }
    check_text("reason", reason)
}

/// The deepest that arrays and objects may be nested. Parsers of JSON give up somewhat above 100, and
/// what is stored must be readable again.
const DEEPEST: usize = 100;

/// Refuses a JSON value that is nested too deeply to be read again.
pub(crate) fn check_depth<'v>(
    field: &'static str,
    values: impl IntoIterator<Item = &'v Value>,
) -> Result<(), Invalid> {
    fn fits(value: &Value, deeper: usize) -> bool {
        match value {
            Value::Array(items) => deeper > 0 && items.iter().all(|item| fits(item, deeper - 1)),
            Value::Object(members) => {
                deeper > 0 && members.values().all(|member| fits(member, deeper - 1))
            }
            _ => true,
        }
    }
    if values.into_iter().all(|value| fits(value, DEEPEST)) {
        return Ok(());
    }
    let reason = format!("is nested more than {DEEPEST} deep: make it flatter");
    Err(Invalid::new(field, reason))
}
