//! The input decks of examples/decks, as jobs have them.

use std::path::Path;

use store_core::{Code, InputDeck};

use crate::failure::{Context, Failure, Result};

/// One input deck.
#[derive(Debug, Clone)]
pub struct Deck {
    /// What it is called: `mgo_bulk`.
    pub name: String,
    /// The code that reads it.
    pub code: Code,
    /// Its files.
    pub input: InputDeck,
}

/// Reads all decks below `root`: a folder for each code, and in it a file for each deck of one file
/// and a folder for each deck of several.
pub fn read(root: &Path) -> Result<Vec<Deck>> {
    let mut decks = Vec::new();
    for folder in entries(root)? {
        if !folder.is_dir() {
            continue;
        }
        let code: Code = name(&folder)
            .parse()
            .doing(|| format!("take {} for the name of a code", folder.display()))?;
        for entry in entries(&folder)? {
            decks.push(deck(&entry, code.clone())?);
        }
    }
    if decks.is_empty() {
        let shown = root.display();
        return Err(Failure::new(format!("{shown} has no input decks: restore examples/decks")));
    }
    Ok(decks)
}

fn deck(path: &Path, code: Code) -> Result<Deck> {
    let files = if path.is_dir() { entries(path)? } else { vec![path.to_path_buf()] };
    let contents = files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file)
                .doing(|| format!("read the input deck {}", file.display()))?;
            Ok((name(file), text))
        })
        .collect::<Result<Vec<_>>>()?;
    let input =
        InputDeck::set(contents).doing(|| format!("use the input deck {}", path.display()))?;
    let stem = path.file_stem().unwrap_or_default();
    Ok(Deck { name: stem.to_string_lossy().into_owned(), code, input })
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let reading = || format!("list {}", folder.display());
    let mut entries = std::fs::read_dir(folder)
        .doing(reading)?
        .map(|entry| Ok(entry.doing(reading)?.path()))
        .collect::<Result<Vec<_>>>()?;
    // Editors leave files that begin with a dot.
    entries.retain(|path| !name(path).starts_with('.'));
    entries.sort();
    Ok(entries)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_has_decks_of_every_known_code() -> Result<()> {
        let decks = read(&crate::workspace::decks())?;
        for code in Code::KNOWN {
            assert!(decks.iter().any(|deck| deck.code == *code), "{code}");
        }
        let vasp = decks.iter().find(|deck| deck.code == Code::Vasp).expect("a VASP set");
        assert!(vasp.input.files().any(|(name, _)| name == "INCAR"));
        Ok(())
    }

    #[test]
    fn a_folder_without_decks_is_named() {
        let empty = tempfile::tempdir().expect("a folder");
        let refused = read(empty.path()).expect_err("no decks").to_string();
        assert!(refused.contains("no input decks"), "{refused}");
    }
}
