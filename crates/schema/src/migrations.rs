//! The migrations of this program, in order.

use refinery_core::Runner;

use crate::error::{Error, Result};

pub use refinery_core::Migration;

// The macro's output has an `unwrap` and no documentation; it only fails for a malformed file name.
#[allow(missing_docs, clippy::unwrap_used)]
mod generated {
    refinery::embed_migrations!("migrations/sqlite");
}

/// The migrations that this program was built with.
#[must_use]
pub fn embedded() -> MigrationSet {
    let mut migrations = generated::migrations::runner().get_migrations().clone();
    // The macro sorts by path, which puts V10 before V2.
    migrations.sort();
    MigrationSet { migrations }
}

/// Migrations in ascending order of version.
#[derive(Clone, Debug)]
pub struct MigrationSet {
    migrations: Vec<Migration>,
}

impl MigrationSet {
    /// The newest version, or 0 where there is none.
    #[must_use]
    pub fn newest(&self) -> i32 {
        self.migrations.last().map_or(0, Migration::version)
    }

    /// The migrations, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Migration> {
        self.migrations.iter()
    }

    /// The versions, oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = i32> {
        self.iter().map(Migration::version)
    }

    /// The names as files have them without `.sql` (`V1__jobs`), oldest first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = String> {
        self.iter().map(ToString::to_string)
    }

    /// The migration of a version.
    #[must_use]
    pub fn get(&self, version: i32) -> Option<&Migration> {
        self.iter().find(|migration| migration.version() == version)
    }

    /// The set as it was when `version` was the newest; 0 gives an empty one.
    #[must_use]
    pub fn up_to(&self, version: i32) -> Self {
        let migrations = self.iter().filter(|one| one.version() <= version).cloned().collect();
        Self { migrations }
    }

    /// The set with one more migration at its end, to try it out before it becomes a file.
    ///
    /// # Errors
    /// [`Error::InvalidMigration`] unless `version` follows the newest one and `name` is snake
    /// case.
    pub fn with(&self, version: i32, name: &str, sql: &str) -> Result<Self> {
        let refuse =
            |reason: String| Error::InvalidMigration { version, name: name.to_owned(), reason };
        let next = self.newest().saturating_add(1);
        if version != next {
            return Err(refuse(format!("the next version is {next}")));
        }
        if !is_snake_case(name) {
            return Err(refuse("a name has lowercase letters, digits and underscores".to_owned()));
        }
        let migration = Migration::unapplied(&format!("V{version}__{name}"), sql)
            .map_err(|error| refuse(error.to_string()))?;
        let mut migrations = self.migrations.clone();
        migrations.push(migration);
        Ok(Self { migrations })
    }

    /// A set that was not checked, to plant faults.
    #[cfg(test)]
    pub(crate) fn planted(files: &[(&str, &str)]) -> Self {
        let migration = |(name, sql): &(&str, &str)| {
            Migration::unapplied(name, sql).expect("the planted name is one that refinery takes")
        };
        Self { migrations: files.iter().map(migration).collect() }
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner::new(&self.migrations)
    }
}

pub(crate) fn is_snake_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_set_is_a_prefix() {
        let set = embedded();
        assert_eq!(set.up_to(2).versions().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(set.up_to(0).newest(), 0);
        assert_eq!(set.up_to(i32::MAX).newest(), set.newest());
    }

    #[test]
    fn a_tried_migration_must_follow_the_newest() {
        let set = embedded();
        let next = set.newest() + 1;
        let with = set.with(next, "one_more", "SELECT 1;").expect("the next version is accepted");
        assert_eq!(with.newest(), next);
        assert_eq!(with.names().last().as_deref(), Some(&*format!("V{next}__one_more")));
        for (version, name) in
            [(next - 1, "x"), (next + 1, "x"), (next, ""), (next, "a-b"), (next, "A"), (next, "1a")]
        {
            let refused = set.with(version, name, "SELECT 1;");
            assert!(matches!(refused, Err(Error::InvalidMigration { .. })), "{version} {name}");
        }
    }
}
