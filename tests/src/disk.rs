//! A disk whose power is cut: what is on it afterwards, of what a program gave it.
//!
//! What was written to a file before its last sync is there. Of what was written later, each change may
//! be there or not, in no order, and torn between sectors. A deleted file may be back until its folder
//! is synced. A new name of a file is taken to be on the disk at once, whatever there is of the file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::TestResult;
use crate::random::Random;

/// The bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What a program did to a file, or to the folder, whose name is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It wrote these bytes at this place.
    Write(u64, Vec<u8>),
    /// It made the file this long.
    Truncate(u64),
    /// It waited until everything was on the disk.
    Sync,
    /// It deleted the file.
    Unlink,
    /// It gave the file this name instead.
    Rename(String),
}

/// A deed, and the name of the file in the folder.
pub type Step = (String, Deed);

/// Reads what a child wrote down of the files in `folder`.
///
/// # Errors
/// Those of reading, and where the log is not what `shim/faults.c` writes.
pub fn read_log(log: &Path, folder: &Path) -> TestResult<Vec<Step>> {
    let text = std::fs::read(log)?;
    let mut rest = text.as_slice();
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let kind = take(&mut rest, 1)?[0];
        let name_length = u32::from_ne_bytes(take(&mut rest, 4)?.try_into()?);
        let place = u64::from_ne_bytes(take(&mut rest, 8)?.try_into()?);
        let length = u64::from_ne_bytes(take(&mut rest, 8)?.try_into()?);
        let path = std::str::from_utf8(take(&mut rest, usize::try_from(name_length)?)?)?;
        let bytes = take(&mut rest, usize::try_from(length)?)?.to_vec();
        let name = Path::new(path).strip_prefix(folder)?.display().to_string();
        let deed = match kind {
            b'w' => Deed::Write(place, bytes),
            b't' => Deed::Truncate(place),
            b's' => Deed::Sync,
            b'u' => Deed::Unlink,
            other => return Err(format!("{other} is no kind of deed").into()),
        };
        steps.push((name, deed));
    }
    Ok(steps)
}

/// How many calls of each kind, as [`Fault`](crate::faults::Fault) names them, are among these steps.
pub fn calls(steps: &[Step]) -> Vec<(&'static str, u64)> {
    let mut calls = BTreeMap::new();
    for (name, deed) in steps {
        let kind = match deed {
            // The folder's own syncs are not among the faults.
            Deed::Sync if name.is_empty() => continue,
            Deed::Sync => "fsync",
            Deed::Write(..) => "pwrite",
            Deed::Truncate(_) => "ftruncate",
            Deed::Unlink => "unlink",
            Deed::Rename(_) => continue,
        };
        *calls.entry(kind).or_insert(0) += 1;
    }
    calls.into_iter().collect()
}

fn take<'t>(rest: &mut &'t [u8], length: usize) -> TestResult<&'t [u8]> {
    let (taken, left) = rest.split_at_checked(length).ok_or("the log ends in a record")?;
    *rest = left;
    Ok(taken)
}

/// The files of a folder.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: BTreeMap<String, OnDisk>,
    /// Deleted, and not yet for good.
    deleted: BTreeMap<String, OnDisk>,
}

#[derive(Debug, Clone, Default)]
struct OnDisk {
    safe: Vec<u8>,
    later: Vec<Deed>,
}

/// How a disk treats what it need not keep.
#[derive(Debug, Clone, Copy)]
enum Luck {
    /// Nothing of it is there.
    None,
    /// All of it is there.
    All,
    /// It is there up to some change, in order, as journaling file systems often have it.
    UpTo(u64),
    /// Each change is there or not.
    Changes,
    /// Each sector of each change is there or not.
    Sectors,
}

impl Disk {
    /// A disk that has one file, safe.
    pub fn with(name: &str, bytes: Vec<u8>) -> Self {
        let mut disk = Self::default();
        disk.files.insert(name.to_owned(), OnDisk { safe: bytes, later: Vec::new() });
        disk
    }

    /// Does what the program did.
    pub fn take(&mut self, (name, deed): &Step) {
        match deed {
            Deed::Sync if name.is_empty() => self.deleted.clear(),
            Deed::Sync => {
                let file = self.files.entry(name.clone()).or_default();
                for deed in std::mem::take(&mut file.later) {
                    apply(&mut file.safe, &deed, |_| true);
                }
            }
            Deed::Unlink => {
                if let Some(file) = self.files.remove(name) {
                    self.deleted.insert(name.clone(), file);
                }
            }
            Deed::Rename(other) => {
                let file = self.files.remove(name).unwrap_or_default();
                self.files.insert(other.clone(), file);
            }
            Deed::Write(..) | Deed::Truncate(_) => {
                self.files.entry(name.clone()).or_default().later.push(deed.clone());
            }
        }
    }

    /// The files as somebody finds them if the power is cut now.
    pub fn after_a_cut(&self, random: &mut Random) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for (name, file) in &self.deleted {
            if !self.files.contains_key(name) && random.below(2) == 0 {
                found.insert(name.clone(), file.after_a_cut(random));
            }
        }
        for (name, file) in &self.files {
            found.insert(name.clone(), file.after_a_cut(random));
        }
        found
    }
}

impl OnDisk {
    fn after_a_cut(&self, random: &mut Random) -> Vec<u8> {
        let luck = match random.below(6) {
            0 => Luck::None,
            1 => Luck::All,
            2 | 3 => Luck::UpTo(random.below(1 + self.later.len() as u64)),
            4 => Luck::Changes,
            _ => Luck::Sectors,
        };
        let mut bytes = self.safe.clone();
        for (place, deed) in (0..).zip(&self.later) {
            let whole = random.below(2) == 0;
            match luck {
                Luck::None => {}
                Luck::UpTo(last) if place > last => {}
                Luck::UpTo(last) if place == last => {
                    apply(&mut bytes, deed, |_| random.below(2) == 0);
                }
                Luck::All | Luck::UpTo(_) => apply(&mut bytes, deed, |_| true),
                Luck::Changes => apply(&mut bytes, deed, |_| whole),
                Luck::Sectors => apply(&mut bytes, deed, |_| random.below(2) == 0),
            }
        }
        bytes
    }
}

/// Does a deed to a file, as far as its sectors, which are numbered in the file, come to the disk. A
/// hole that is left is full of zeros.
fn apply(file: &mut Vec<u8>, deed: &Deed, mut comes: impl FnMut(usize) -> bool) {
    let place = |place: &u64| usize::try_from(*place).expect("a file fits into memory");
    match deed {
        Deed::Write(offset, bytes) => {
            let (mut at, mut rest) = (place(offset), bytes.as_slice());
            while !rest.is_empty() {
                let (sector, left) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                if comes(at / SECTOR) {
                    let end = at + sector.len();
                    file.resize(file.len().max(end), 0);
                    file[at..end].copy_from_slice(sector);
                }
                (at, rest) = (at + sector.len(), left);
            }
        }
        Deed::Truncate(length) if comes(0) => file.resize(place(length), 0),
        Deed::Truncate(_) | Deed::Sync | Deed::Unlink | Deed::Rename(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_is_there_and_what_was_not_may_be() {
        let mut disk = Disk::default();
        let step = |deed| ("file".to_owned(), deed);
        disk.take(&step(Deed::Write(0, vec![1; 2 * SECTOR])));
        disk.take(&step(Deed::Sync));
        disk.take(&step(Deed::Write(100, vec![2; SECTOR])));
        let mut random = Random::seeded(1);
        let mut outcomes = BTreeMap::new();
        for _ in 0..100 {
            let found = disk.after_a_cut(&mut random).remove("file").expect("it is there");
            assert!(found[..100].iter().all(|byte| *byte == 1));
            assert!(found[100 + SECTOR..].iter().all(|byte| *byte == 1));
            *outcomes.entry((found[100], found[SECTOR])).or_insert(0) += 1;
        }
        // Neither, one of the two, both.
        assert_eq!(outcomes.into_keys().collect::<Vec<_>>(), [(1, 1), (1, 2), (2, 1), (2, 2)]);
    }

    #[test]
    fn a_deleted_file_may_be_back_until_its_folder_is_synced() {
        let mut disk = Disk::default();
        disk.take(&("file".to_owned(), Deed::Write(0, vec![1])));
        disk.take(&("file".to_owned(), Deed::Unlink));
        let mut random = Random::seeded(2);
        let there = (0..50).filter(|_| !disk.after_a_cut(&mut random).is_empty()).count();
        assert!((1..50).contains(&there), "{there}");
        disk.take(&(String::new(), Deed::Sync));
        assert!((0..50).all(|_| disk.after_a_cut(&mut random).is_empty()));
    }
}
