//! Between rows and domain types. A value that the domain does not know is an error that says where it
//! stands; it becomes [`Error::Corrupt`](store_core::Error::Corrupt).

use std::error::Error as StdError;
use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, Type, ValueRef};
use rusqlite::{Result, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store_core::Timestamp;

/// What is made of a text where it stands in the row.
struct Word<T>(T);

impl<T: FromStr<Err: StdError + Send + Sync + 'static>> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse();
        parsed.map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// The columns of a row, taken one after the other in the order of the SELECT.
pub(crate) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    pub(crate) const fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    /// The next column as SQLite stores it.
    pub(crate) fn plain<T: FromSql>(&mut self) -> Result<T> {
        let column = self.next;
        self.next += 1;
        self.row.get(column)
    }

    fn refused(
        &self,
        stored: Type,
        error: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(self.next - 1, stored, error.into())
    }

    /// The next column as an id.
    pub(crate) fn id<T>(&mut self, new: impl Fn(i64) -> T) -> Result<T> {
        self.plain().map(new)
    }

    /// The next column as an id, or nothing.
    pub(crate) fn optional_id<T>(&mut self, new: impl Fn(i64) -> T) -> Result<Option<T>> {
        Ok(self.plain::<Option<i64>>()?.map(new))
    }

    /// The next column as one of the words of an enum, or another text with rules.
    pub(crate) fn word<T>(&mut self) -> Result<T>
    where
        T: FromStr<Err: StdError + Send + Sync + 'static>,
    {
        self.plain().map(|Word(value)| value)
    }

    /// As [`word`](Self::word), or nothing.
    pub(crate) fn optional_word<T>(&mut self) -> Result<Option<T>>
    where
        T: FromStr<Err: StdError + Send + Sync + 'static>,
    {
        Ok(self.plain::<Option<Word<T>>>()?.map(|Word(value)| value))
    }

    /// The next column as a text that a constructor checks.
    pub(crate) fn checked<T, E>(
        &mut self,
        new: impl FnOnce(String) -> std::result::Result<T, E>,
    ) -> Result<T>
    where
        E: StdError + Send + Sync + 'static,
    {
        let text: String = self.plain()?;
        new(text).map_err(|error| self.refused(Type::Text, error))
    }

    /// What a constructor made of the last columns.
    pub(crate) fn accept<T, E>(&self, made: std::result::Result<T, E>) -> Result<T>
    where
        E: StdError + Send + Sync + 'static,
    {
        made.map_err(|error| self.refused(Type::Null, error))
    }

    /// The next column as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.checked(|text| serde_json::from_str(&text))
    }

    /// The next column as JSON, or nothing.
    pub(crate) fn optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let text: Option<String> = self.plain()?;
        let read = |text: String| serde_json::from_str(&text);
        text.map(read).transpose().map_err(|error| self.refused(Type::Text, error))
    }

    /// The next column as a moment.
    pub(crate) fn time(&mut self) -> Result<Timestamp> {
        self.plain().map(Timestamp::from_micros)
    }

    /// The next column as a moment, or nothing.
    pub(crate) fn optional_time(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.plain::<Option<i64>>()?.map(Timestamp::from_micros))
    }
}

/// The JSON of a value whose keys are texts.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a value with text keys has a JSON form")
}

/// A moment as stored.
pub(crate) const fn micros(time: Timestamp) -> i64 {
    time.as_micros()
}

/// A moment as stored, or nothing.
pub(crate) fn optional_micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}
