//! Pieces of lists.

use crate::error::Invalid;
use crate::job::Job;
use crate::query::{Cursor, Order};

/// A piece of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    limit: u32,
    order: Order,
    start: Start,
}

#[derive(Debug, Clone, PartialEq)]
enum Start {
    First,
    After(Cursor),
    Before(Cursor),
}

impl Page {
    /// The most jobs that a page can have.
    pub const LARGEST: u32 = 10_000;

    /// The newest `limit` jobs.
    ///
    /// # Errors
    /// [`Invalid`] unless `limit` is from 1 to [`LARGEST`](Self::LARGEST).
    pub fn first(limit: u32) -> Result<Self, Invalid> {
        if limit == 0 || limit > Self::LARGEST {
            let reason = format!("is {limit}: give 1 to {}, and go on page by page", Self::LARGEST);
            return Err(Invalid::new("page limit", reason));
        }
        Ok(Self { limit, order: Order::NEWEST, start: Start::First })
    }

    /// The same of a list in another order.
    #[must_use]
    pub fn ordered(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The page of the same size and order that follows `cursor`, without the job that it was made of.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.start = Start::After(cursor);
        self
    }

    /// The page of the same size and order that ends just before `cursor`. Its jobs are in the order
    /// of the list, as on any page.
    #[must_use]
    pub fn before(mut self, cursor: Cursor) -> Self {
        self.start = Start::Before(cursor);
        self
    }

    /// The most jobs that it has.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// The order of the list.
    pub const fn order(&self) -> Order {
        self.order
    }

    /// Where it begins or, read backwards, ends; at the list's beginning where there is none.
    pub const fn cursor(&self) -> Option<&Cursor> {
        match &self.start {
            Start::First => None,
            Start::After(cursor) | Start::Before(cursor) => Some(cursor),
        }
    }

    /// Whether it is read from its cursor towards the list's beginning.
    pub const fn is_backwards(&self) -> bool {
        matches!(self.start, Start::Before(_))
    }

    /// The order in which its jobs are met on the way from the cursor.
    pub const fn walked(&self) -> Order {
        let Order { key, descending } = self.order;
        Order { key, descending: descending != self.is_backwards() }
    }

    /// Refuses a cursor of another order.
    ///
    /// # Errors
    /// [`Invalid`], as [`Cursor::check`].
    pub fn check(&self) -> Result<(), Invalid> {
        self.cursor().map_or(Ok(()), |cursor| cursor.check(self.order))
    }
}

/// Jobs of one page, in the order of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// [`Page::after`] this comes what follows; none where nothing did.
    pub next: Option<Cursor>,
    /// [`Page::before`] this comes what precedes; none where nothing did. On a page that was reached
    /// by a cursor, what lies on the cursor's side is not looked for: it may have been deleted since,
    /// and that page then be empty.
    pub previous: Option<Cursor>,
}

impl JobPage {
    /// Makes a page of jobs with their places, in the order of [`Page::walked`] from the cursor on. One
    /// job more than the page's limit says that there is a page more on that side.
    pub fn from_walked(mut walked: Vec<(Cursor, Job)>, page: &Page) -> Self {
        let limit = page.limit() as usize;
        let more = walked.len() > limit;
        walked.truncate(limit);
        if page.is_backwards() {
            walked.reverse();
        }
        let came_from_a_cursor = page.cursor().is_some();
        let (has_next, has_previous) = match page.is_backwards() {
            false => (more, came_from_a_cursor),
            true => (came_from_a_cursor, more),
        };
        let end = |place: Option<&(Cursor, Job)>| {
            place
                .map(|(cursor, _)| Cursor { descending: page.order().descending, ..cursor.clone() })
        };
        Self {
            next: if has_next { end(walked.last()) } else { None },
            previous: if has_previous { end(walked.first()) } else { None },
            jobs: walked.into_iter().map(|(_, job)| job).collect(),
        }
    }
}
