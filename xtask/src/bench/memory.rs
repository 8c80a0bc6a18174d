//! How much memory this process uses, as the kernel counts it.

/// The largest resident size so far, in bytes; mapped files count.
pub fn peak() -> u64 {
    field("VmHWM:")
}

/// The resident size at this moment without mapped files, in bytes.
pub fn own() -> u64 {
    field("RssAnon:")
}

fn field(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse(&status, name).unwrap_or(0)
}

fn parse(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells() {
        assert_eq!(parse("VmPeak:\t 9 kB\nVmHWM:\t   12 kB\n", "VmHWM:"), Some(12 * 1024));
        assert!(peak() > 0 && own() > 0);
    }
}
