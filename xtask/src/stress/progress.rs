//! Progress bars, for those who wait at a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of a length, as the template says.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    // It draws on a terminal alone.
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
