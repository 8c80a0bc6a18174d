//! What a migration must not say.

use crate::migrations::{MigrationSet, is_snake_case};
use crate::sql::{Token, tokens};

/// These would end the transaction around all migrations, or do nothing inside it.
const CONTROL: [&str; 10] = [
    "pragma",
    "begin",
    "commit",
    "end",
    "rollback",
    "savepoint",
    "release",
    "vacuum",
    "attach",
    "detach",
];

/// The same migration must give the same database, whenever it runs.
const CLOCKS: [&str; 3] = ["current_date", "current_time", "current_timestamp"];

/// Something that a migration must not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A statement that does not belong into the one transaction of all migrations.
    #[error("{migration} has a {statement} statement: opening and transactions are the backend's")]
    Control {
        /// The migration.
        migration: String,
        /// The statement's first word, in upper case.
        statement: String,
    },
    /// The time of the machine.
    #[error("{migration} asks for the time ({word}): a migration takes times from rows alone")]
    Clock {
        /// The migration.
        migration: String,
        /// What was said.
        word: String,
    },
    /// A version is left out or is there twice.
    #[error("{migration} should be version {expected}")]
    Sequence {
        /// The migration.
        migration: String,
        /// The version that comes next.
        expected: i32,
    },
    /// A name that is not `V1__snake_case`.
    #[error("{migration} should be named V1__snake_case.sql")]
    Name {
        /// The migration.
        migration: String,
    },
}

/// Everything that the migrations of a set must not say.
#[must_use]
pub fn faults(set: &MigrationSet) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut expected = 0;
    for one in set.iter() {
        expected += 1;
        let migration = one.to_string();
        if one.version() != expected {
            faults.push(Fault::Sequence { migration: migration.clone(), expected });
            expected = one.version();
        }
        // Refinery also takes U1__name, which it applies out of order.
        if !migration.starts_with('V') || !is_snake_case(one.name()) {
            faults.push(Fault::Name { migration: migration.clone() });
        }
        let tokens = tokens(one.sql().unwrap_or_default());
        faults.extend(control_statements(&tokens).map(|statement| Fault::Control {
            migration: migration.clone(),
            statement: statement.to_ascii_uppercase(),
        }));
        faults.extend(
            clocks(&tokens).map(|word| Fault::Clock { migration: migration.clone(), word }),
        );
    }
    faults
}

fn control_statements(tokens: &[Token]) -> impl Iterator<Item = &str> {
    let mut in_trigger = false;
    tokens.split(|token| token.is_symbol(";")).filter_map(move |statement| {
        let Some(Token::Word(first)) = statement.first() else {
            return None;
        };
        if in_trigger && first == "end" {
            in_trigger = false;
            return None;
        }
        // A trigger's body begins in the statement that names it and has semicolons of its own.
        in_trigger |=
            first == "create" && statement.iter().take(3).any(|token| token.is_word("trigger"));
        CONTROL.contains(&first.as_str()).then_some(first.as_str())
    })
}

fn clocks(tokens: &[Token]) -> impl Iterator<Item = String> {
    tokens.iter().filter_map(|token| match token {
        Token::Word(word) if CLOCKS.contains(&word.as_str()) => Some(word.clone()),
        Token::Literal(text) if text.eq_ignore_ascii_case("'now'") => Some(text.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(files: &[&str]) -> Vec<Fault> {
        let files: Vec<_> = files.iter().map(|name| (*name, "SELECT 1;")).collect();
        faults(&MigrationSet::planted(&files))
    }

    #[test]
    fn a_version_that_is_left_out_or_there_twice_is_seen() {
        assert_eq!(faults_of(&["V1__a", "V2__b"]), []);
        let migration = "V3__c".to_owned();
        assert_eq!(
            faults_of(&["V1__a", "V3__c", "V4__d"]),
            [Fault::Sequence { migration, expected: 2 }]
        );
        let migration = "V1__b".to_owned();
        assert_eq!(
            faults_of(&["V1__a", "V1__b", "V2__c"]),
            [Fault::Sequence { migration, expected: 2 }]
        );
    }

    #[test]
    fn a_name_that_is_not_snake_case_or_not_versioned_is_seen() {
        for name in ["U1__a", "V1__CamelCase", "V1__é", "V1___a"] {
            let migration = name.to_owned();
            assert_eq!(faults_of(&[name]), [Fault::Name { migration }]);
        }
    }
}
