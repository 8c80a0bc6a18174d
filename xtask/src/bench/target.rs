//! What is to be reached, and whether it is.

/// A bound on a number or on its ratio to a reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The ratio.
    RatioAtLeast(f64),
    /// The ratio.
    RatioAtMost(f64),
    /// The number itself.
    AtLeast(f64),
    /// The number itself.
    Below(f64),
}

impl Target {
    /// Whether these reach it.
    pub fn reached(self, value: f64, ratio: f64) -> bool {
        match self {
            Self::RatioAtLeast(bound) => ratio >= bound,
            Self::RatioAtMost(bound) => ratio <= bound,
            Self::AtLeast(bound) => value >= bound,
            Self::Below(bound) => value < bound,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RatioAtLeast(bound) => write!(f, "at least {bound}x"),
            Self::RatioAtMost(bound) => write!(f, "at most {bound}x"),
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::Below(bound) => write!(f, "below {bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_itself_is_reached_except_where_it_is_to_be_undercut() {
        assert!(Target::RatioAtLeast(0.85).reached(0.0, 0.85));
        assert!(!Target::RatioAtLeast(0.85).reached(9.0, 0.84));
        assert!(Target::RatioAtMost(0.1).reached(9.0, 0.1));
        assert!(Target::AtLeast(0.5).reached(0.5, 0.0));
        assert!(!Target::Below(64.0).reached(64.0, 0.0));
        assert_eq!(Target::RatioAtLeast(0.8).to_string(), "at least 0.8x");
        // What cannot be measured reaches nothing.
        assert!(!Target::RatioAtLeast(0.1).reached(f64::NAN, f64::NAN));
        assert!(!Target::Below(64.0).reached(f64::NAN, f64::NAN));
    }
}
