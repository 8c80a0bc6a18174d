//! What the numbers were measured on. No name of a host and no path is in it.

use std::path::Path;
use std::process::Command;

use super::optimised;

/// The machine, as far as it bears on the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    lines: Vec<(&'static str, String)>,
}

impl Machine {
    /// Looks around; `folder` is where the databases are.
    pub fn look(folder: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let processor = read("/proc/cpuinfo");
        let processor = processor.lines().find_map(|line| line.strip_prefix("model name"));
        let processor =
            processor.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim());
        let kernel = read("/proc/sys/kernel/osrelease");
        // What follows the version names a distribution's or a machine's own build.
        let kernel = kernel.split('-').next().unwrap_or_default();
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().unwrap_or_default();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let file_system = file_system(&read("/proc/self/mounts"), &folder);
        let build = if optimised::is_optimised() {
            "optimised"
        } else {
            "not optimised: these numbers say nothing about speed"
        };
        Self {
            lines: vec![
                ("processor", format!("{cores} cores, {}", processor.unwrap_or("unknown"))),
                ("kernel", format!("{} {}", std::env::consts::OS, kernel.trim())),
                ("file system", file_system.unwrap_or_else(|| "unknown".to_owned())),
                ("compiler", rustc()),
                ("SQLite", rusqlite::version().to_owned()),
                ("build", build.to_owned()),
                ("load before", load.to_owned()),
            ],
        }
    }

    /// What and its value, line by line.
    pub fn lines(&self) -> &[(&'static str, String)] {
        &self.lines
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn rustc() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(rustc).arg("--version").output();
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned());
    told.ok().filter(|told| !told.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// The type of the file system that has the longest part of the path.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = mounts.filter(|(place, _)| folder.starts_with(place));
    above.max_by_key(|(place, _)| place.len()).map(|(_, sort)| sort.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nproc /proc proc rw 0 0\n";
        let of = |path: &str| file_system(mounts, Path::new(path));
        assert_eq!(of("/tmp/x").as_deref(), Some("tmpfs"));
        assert_eq!(of("/tmpx").as_deref(), Some("ext4"));
        assert_eq!(file_system("", Path::new("/tmp")), None);
    }

    #[test]
    fn every_line_says_something() {
        let machine = Machine::look(&std::env::temp_dir());
        assert!(machine.lines().iter().all(|(what, value)| !what.is_empty() && !value.is_empty()));
    }
}
