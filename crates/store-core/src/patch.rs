//! Changes that say per field what happens to it.

/// What becomes of a field that always has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edit<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It gets this value.
    Set(T),
}

/// What becomes of a field that may be empty. There is no `None` that could erase by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It gets this value.
    Set(T),
    /// It becomes empty.
    Clear,
}

/// The names of the fields that an edit has changed, as its event tells them.
pub(crate) fn changed<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter_map(|(field, changed)| changed.then_some(field)).collect()
}

impl<T: Clone> Edit<T> {
    /// Carries it out; says whether it was to change anything.
    pub fn apply(&self, field: &mut T) -> bool {
        match self {
            Self::Keep => false,
            Self::Set(value) => {
                field.clone_from(value);
                true
            }
        }
    }
}

impl<T> Edit<T> {
    /// The new value, if there is to be one.
    pub const fn new_value(&self) -> Option<&T> {
        match self {
            Self::Keep => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<T: Clone> Patch<T> {
    /// Carries it out; says whether it was to change anything.
    pub fn apply(&self, field: &mut Option<T>) -> bool {
        match self {
            Self::Keep => return false,
            Self::Set(value) => *field = Some(value.clone()),
            Self::Clear => *field = None,
        }
        true
    }
}

impl<T> Patch<T> {
    /// The new value, if there is to be one.
    pub const fn new_value(&self) -> Option<&T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_that_says_nothing_erases_nothing() {
        let mut field = Some(1);
        assert!(!Patch::default().apply(&mut field));
        assert_eq!(field, Some(1));
        assert!(Patch::Set(2).apply(&mut field));
        assert_eq!(field, Some(2));
        assert!(Patch::Clear.apply(&mut field));
        assert_eq!(field, None);
    }
}
