//! A unit of work of a store with a fault.

use crate::memory::store::MemoryStore;
use crate::memory::unit::Unit;

use super::Fault;

/// A unit of work with a fault.
#[derive(Debug)]
pub(in crate::memory) struct FaultyUnit<'t, Mode> {
    pub(super) inner: &'t Unit<'t, Mode>,
    pub(super) store: &'t MemoryStore,
    pub(super) fault: Fault,
}

/// Implements a trait by the unit inside, but for the methods that are written out after `but`.
macro_rules! pass_on {
    (
        impl<$($generic:ident)?> $repository:ident for $mode:ident {
            $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
        } $(but { $($written:item)* })?
    ) => {
        impl<$($generic)?> $repository for $crate::memory::faulty::unit::FaultyUnit<'_, $mode> {
            $(
                fn $method(&self, $($argument: $type),*) -> $crate::error::Result<$answer> {
                    self.inner.$method($($argument),*)
                }
            )*
            $($($written)*)?
        }
    };
}
pub(super) use pass_on;
