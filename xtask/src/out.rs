//! Standard output, whose reader may have seen enough.

use std::io::{ErrorKind, Write};

use crate::failure::{Context, Result};

/// Prints text. A reader that is gone (`| head`) is no fault: the exit status still tells the outcome.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.doing(|| "write to standard output".to_owned()),
    }
}
