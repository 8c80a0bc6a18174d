//! What is made of the list of promises: a test of each, and values that can be passed round.

use super::fixture::Fixture;
use super::outcome::Outcome;

/// Makes a test of each promise: `conformance_tests!(fixture)`, where `fixture` is an expression that
/// makes a [`Fixture`](crate::conformance::Fixture). It is evaluated for each test anew.
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:expr) => {
        fn conformance_fixture() -> impl $crate::conformance::Fixture {
            $fixture
        }

        $crate::each_promise! { $crate::tests_of_promises }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! tests_of_promises {
    ($($subject:ident { $($promise:ident)+ })+) => {
        $(
            mod $subject {
                $(
                    #[test]
                    fn $promise() -> $crate::conformance::Outcome {
                        $crate::conformance::$subject::$promise(&super::conformance_fixture())
                    }
                )+
            }
        )+
    };
}

/// One promise of the suite.
#[derive(Debug)]
pub struct Promise<F> {
    /// What it is about: the module that it is in.
    pub subject: &'static str,
    /// What is promised.
    pub name: &'static str,
    /// Tries a backend.
    pub run: fn(&F) -> Outcome,
}

macro_rules! list_of_promises {
    ($($subject:ident { $($promise:ident)+ })+) => {
        /// All promises of the suite.
        pub fn promises<F: Fixture>() -> Vec<Promise<F>> {
            vec![$($(
                Promise {
                    subject: stringify!($subject),
                    name: stringify!($promise),
                    run: super::$subject::$promise::<F>,
                },
            )+)+]
        }

        /// How many promises the suite has.
        pub const PROMISES: usize = [$($( stringify!($promise), )+)+].len();

        /// What is listed of each subject, and the file that it is in.
        #[cfg(test)]
        const LISTED: &[(&str, &str, &[&str])] = &[$((
            stringify!($subject),
            include_str!(concat!(stringify!($subject), ".rs")),
            &[$( stringify!($promise), )+],
        ),)+];
    };
}
crate::each_promise! { list_of_promises }

#[cfg(test)]
mod tests {
    use super::LISTED;

    #[test]
    fn no_promise_is_forgotten() {
        for (subject, source, listed) in LISTED {
            let written: Vec<&str> = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub fn ")?.split(['<', '(']).next())
                .collect();
            assert_eq!(&written, listed, "{subject}.rs and the list differ");
        }
        let contents = include_str!("mod.rs");
        let subjects: Vec<&str> = contents
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
            .collect();
        let listed: Vec<&str> = LISTED.iter().map(|(subject, ..)| *subject).collect();
        assert_eq!(subjects, listed, "mod.rs and the list differ");
    }
}
