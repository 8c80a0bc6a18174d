//! Where a program may not write, a store is refused or only read, and no byte is changed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use store_core::{Error, prelude::*};
use store_sqlite::{OpenError, Options, SqliteStore};
use tests::child::{self, Child, NOBODY, Stage};
use tests::{TestResult, jobs, raw};

/// What a child says who was refused for want of permission: at opening by the store, with the name of
/// the file; at opening by SQLite; or not before it wrote.
const REFUSED: &str = "refused: ";
const REFUSED_BY_SQLITE: &str = "refused by SQLite";
const REFUSED_TO_WRITE: &str = "refused to write";

fn opened(path: &str, read_only: bool) -> Result<SqliteStore, String> {
    Options::new(path).read_only(read_only).open().map_err(|error| match error {
        OpenError::Access { path, .. } => {
            format!("{REFUSED}{}", path.file_name().unwrap_or_default().display())
        }
        OpenError::Sqlite { source: Error::Access(_), .. } => REFUSED_BY_SQLITE.to_owned(),
        OpenError::Missing { .. } => "missing".to_owned(),
        other => format!("{other:?}"),
    })
}

/// A part: opens the store for reading alone and tells how many jobs are there, or what came of it.
fn read(stage: &Stage) -> TestResult {
    match opened(&stage.argument(0), true) {
        Ok(store) => stage.say(&format!("{} jobs", store.counts_by_status()?.total())),
        Err(refused) => stage.say(&refused),
    }
    Ok(())
}

/// A part: opens the store, writes, and tells what came of it.
fn write(stage: &Stage) -> TestResult {
    let store = match opened(&stage.argument(0), false) {
        Ok(store) => store,
        Err(refused) => {
            stage.say(&refused);
            return Ok(());
        }
    };
    match store.create_job(&jobs::sample("of the child")) {
        Ok(_) => stage.say("written"),
        Err(Error::Access(_)) => stage.say(REFUSED_TO_WRITE),
        Err(other) => stage.say(&format!("{other:?}")),
    }
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("read", read), ("write", write)])
}

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a folder, with all that is in them.
fn files_of(folder: &Path) -> TestResult<Files> {
    let mut files = Files::new();
    for name in raw::files_in(folder)? {
        let path = folder.join(&name);
        if path.is_file() {
            files.insert(name, fs::read(path)?);
        }
    }
    Ok(files)
}

/// The files of a store of one job: after it was closed, and as a killed process leaves them.
struct Stored {
    closed: Files,
    killed: Files,
}

impl Stored {
    fn new() -> TestResult<Self> {
        let scratch = tempfile::tempdir()?;
        let store = Options::new(scratch.path().join("project.db")).open()?;
        store.create_job(&jobs::sample("MgO"))?;
        let killed = files_of(scratch.path())?;
        store.close()?;
        let closed = files_of(scratch.path())?;
        assert!(killed.contains_key("project.db-shm") && !closed.contains_key("project.db-shm"));
        Ok(Self { closed, killed })
    }

    /// The closed store without its gate, as a copy would be.
    fn bare(&self) -> Files {
        let mut bare = self.closed.clone();
        bare.retain(|name, _| name == "project.db");
        bare
    }

    /// What is left by a killed process and a restart of the machine.
    fn without_shared_memory(&self) -> Files {
        let mut files = self.killed.clone();
        files.remove("project.db-shm");
        files
    }
}

/// A folder with these files, and a child that may do with them what their permissions say.
struct Scene {
    scratch: tempfile::TempDir,
    before: Files,
}

impl Scene {
    fn new(files: &Files, of_files: u32, of_folder: u32) -> TestResult<Self> {
        let scratch = child::open_to_all()?;
        let scene = Self { scratch, before: files.clone() };
        let folder = scene.folder();
        fs::create_dir(&folder)?;
        for (name, bytes) in files {
            let path = folder.join(name);
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, Permissions::from_mode(of_files))?;
            give_away(&path)?;
        }
        fs::set_permissions(&folder, Permissions::from_mode(of_folder))?;
        give_away(&folder)?;
        Ok(scene)
    }

    fn folder(&self) -> PathBuf {
        self.scratch.path().join("folder")
    }

    /// What the child says.
    fn play(&self, part: &str) -> TestResult<String> {
        let path = self.folder().join("project.db");
        let path = path.to_str().ok_or("a temporary path is text")?;
        let said = Child::begin_without_privileges(part, &[path])?.finish()?;
        Ok(said.join("\n"))
    }

    /// The files that are not what they were, or were not there, or are not there any more.
    fn changed(&self) -> TestResult<Vec<String>> {
        let after = files_of(&self.folder())?;
        let mut names: Vec<_> = self.before.keys().chain(after.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names.retain(|name| self.before.get(name) != after.get(name));
        Ok(names)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Who is not root cannot empty the folder otherwise.
        let _allowed = fs::set_permissions(self.folder(), Permissions::from_mode(0o700));
    }
}

/// Gives a file to the user as whom the child runs.
fn give_away(path: &Path) -> TestResult {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

#[test]
fn a_read_only_directory_is_refused_with_bytes_unchanged() -> TestResult {
    let stored = Stored::new()?;
    for files in [Files::new(), stored.bare()] {
        for mode in [0o600, 0o400] {
            let scene = Scene::new(&files, mode, 0o555)?;
            assert_eq!(scene.play("write")?, format!("{REFUSED}project.db-gate"));
            assert_eq!(scene.changed()?, [""; 0]);
        }
    }
    // With a gate that can be entered, it is SQLite that finds no room for its files.
    for files in [&stored.closed, &stored.without_shared_memory()] {
        let scene = Scene::new(files, 0o600, 0o555)?;
        let said = scene.play("write")?;
        assert!(said.starts_with(REFUSED) || said == REFUSED_BY_SQLITE, "{said}");
        assert_eq!(scene.changed()?, [""; 0]);
    }
    Ok(())
}

#[test]
fn the_same_directory_is_used_and_changed_where_that_is_allowed() -> TestResult {
    for files in [Files::new(), Stored::new()?.bare()] {
        let scene = Scene::new(&files, 0o600, 0o755)?;
        assert_eq!(scene.play("write")?, "written");
        let changed = scene.changed()?;
        assert!(changed.iter().any(|name| name == "project.db-gate"), "{changed:?}");
    }
    Ok(())
}

#[test]
fn a_file_that_may_not_be_written_is_not_written() -> TestResult {
    let stored = Stored::new()?;
    for files in [stored.bare(), stored.closed, stored.killed] {
        let scene = Scene::new(&files, 0o400, 0o755)?;
        let said = scene.play("write")?;
        assert!(said.starts_with("refused"), "{said}");
        let changed = scene.changed()?;
        // Beside it there may be new files, because the directory allows them.
        let kept = changed.iter().all(|name| !files.contains_key(name));
        assert!(kept, "{said}, but {changed:?} changed");
    }
    Ok(())
}

#[test]
fn in_a_read_only_directory_a_store_is_read_only_with_what_sqlite_needs_beside_it() -> TestResult {
    let stored = Stored::new()?;
    let none = Scene::new(&Files::new(), 0o400, 0o555)?;
    assert_eq!(none.play("read")?, "missing");
    assert_eq!(none.changed()?, [""; 0]);

    for files in [&stored.bare(), &stored.closed, &stored.without_shared_memory()] {
        for mode in [0o600, 0o400] {
            let scene = Scene::new(files, mode, 0o555)?;
            let said = scene.play("read")?;
            assert!(said.starts_with(REFUSED) || said == REFUSED_BY_SQLITE, "{said}");
            assert_eq!(scene.changed()?, [""; 0]);
        }
    }
    let scene = Scene::new(&stored.killed, 0o400, 0o555)?;
    assert_eq!(scene.play("read")?, "1 jobs");
    assert_eq!(scene.changed()?, [""; 0]);
    // Shared memory that may be written is where readers say what they read; it holds no data.
    let mut scene = Scene::new(&stored.killed, 0o600, 0o555)?;
    assert_eq!(scene.play("read")?, "1 jobs");
    scene.before.remove("project.db-shm");
    assert_eq!(scene.changed()?, ["project.db-shm"]);
    Ok(())
}

/// Tries to open a store beside which a directory has the place of a file, in this process: this holds
/// for root too.
fn refused_beside_a_directory(files: &Files, ending: &str) -> TestResult {
    let mut files = files.clone();
    let name = format!("project.db{ending}");
    files.remove(&name);
    let scene = Scene::new(&files, 0o600, 0o755)?;
    fs::create_dir(scene.folder().join(&name))?;
    match Options::new(scene.folder().join("project.db")).open() {
        Err(OpenError::Access { path, .. }) => assert!(path.ends_with(&name), "{path:?}"),
        other => panic!("a directory at {name}: {other:?}"),
    }
    assert_eq!(scene.changed()?, [""; 0]);
    Ok(())
}

#[test]
fn a_directory_in_the_place_of_the_gate_is_refused_with_bytes_unchanged() -> TestResult {
    let stored = Stored::new()?;
    for files in [&Files::new(), &stored.bare(), &stored.closed, &stored.killed] {
        refused_beside_a_directory(files, "-gate")?;
    }
    refused_beside_a_directory(&stored.closed, "-gate-queue")
}

#[test]
fn a_changed_a_new_and_a_missing_file_are_seen() -> TestResult {
    let scene = Scene::new(&Stored::new()?.closed, 0o600, 0o755)?;
    assert_eq!(scene.changed()?, [""; 0]);
    fs::write(scene.folder().join("project.db"), "planted")?;
    fs::write(scene.folder().join("planted"), "")?;
    fs::remove_file(scene.folder().join("project.db-gate"))?;
    assert_eq!(scene.changed()?, ["planted", "project.db", "project.db-gate"]);
    Ok(())
}
