//! The comparator sees what counts and nothing else.

use schema::inspect::Structure;

use crate::{TestResult, empty};

const ORIGINAL: &str = "
    CREATE TABLE parents (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, b TEXT) STRICT;
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE CHECK (length(name) > 0),
        priority INTEGER DEFAULT 0,
        parent_id INTEGER REFERENCES parents (id) ON DELETE CASCADE,
        doubled INTEGER GENERATED ALWAYS AS (priority * 2) VIRTUAL,
        note TEXT,
        CHECK (priority < 10)
    ) STRICT;
    CREATE TABLE counts (status TEXT NOT NULL, jobs INTEGER NOT NULL, PRIMARY KEY (status))
        STRICT, WITHOUT ROWID;
    CREATE INDEX jobs_by_priority ON jobs (priority, name) WHERE priority > 0;
    CREATE UNIQUE INDEX jobs_by_note ON jobs (lower(note));
    CREATE TRIGGER counted AFTER INSERT ON jobs WHEN NEW.priority > 0 BEGIN
        UPDATE counts SET jobs = jobs + 1 WHERE status = 'NEW';
    END;
    CREATE VIEW urgent AS SELECT id, name FROM jobs WHERE priority > 5;";

fn structure(sql: &str) -> TestResult<Structure> {
    let connection = empty()?;
    connection.execute_batch(sql)?;
    Ok(Structure::of(&connection)?)
}

fn told(here: &str, there: &str) -> TestResult<Vec<String>> {
    let (here, there) = (structure(here)?, structure(there)?);
    let differences = here.differences(&there);
    assert_eq!(differences.is_empty(), here == there, "one says equal, and the other does not");
    Ok(differences.iter().map(ToString::to_string).collect())
}

#[test]
fn each_kind_of_difference_is_seen() -> TestResult {
    for (from, to, expected) in [
        ("note TEXT,", "note BLOB,", "jobs.note: type TEXT here, BLOB there"),
        ("note TEXT,", "note TEXT NOT NULL,", "jobs.note: not null false here, true there"),
        (
            "note TEXT,",
            "note TEXT COLLATE NOCASE,",
            "jobs.note: collation absent here, NOCASE there",
        ),
        ("DEFAULT 0", "DEFAULT 1", "jobs.priority: default 0 here, 1 there"),
        ("DEFAULT 0", "", "jobs.priority: default 0 here, absent there"),
        (
            "CHECK (priority < 10)",
            "CHECK (priority < 11)",
            "jobs: check `priority < 10` present here, absent there",
        ),
        (
            "CHECK (length(name) > 0)",
            "",
            "jobs: check `length(name) > 0` present here, absent there",
        ),
        (
            "CHECK (priority < 10)",
            "CONSTRAINT low CHECK (priority < 10)",
            "jobs: check `low: priority < 10` absent here, present there",
        ),
        (
            "AS (priority * 2) VIRTUAL",
            "AS (priority * 3) VIRTUAL",
            "jobs.doubled: generated as `priority * 2` virtual here, `priority * 3` virtual there",
        ),
        (
            "AS (priority * 2) VIRTUAL",
            "AS (priority * 2) STORED",
            "jobs.doubled: generated as `priority * 2` virtual here, `priority * 2` stored there",
        ),
        (
            "ON DELETE CASCADE",
            "ON DELETE RESTRICT",
            "jobs: foreign key (parent_id) to parents (id) on update NO ACTION on delete CASCADE \
             here, parents (id) on update NO ACTION on delete RESTRICT there",
        ),
        (
            "ON DELETE CASCADE",
            "ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
            "jobs: foreign key (parent_id) to parents (id) on update NO ACTION on delete CASCADE \
             here, parents (id) on update NO ACTION on delete CASCADE deferred there",
        ),
        (
            " REFERENCES parents (id) ON DELETE CASCADE",
            "",
            "jobs: foreign key (parent_id) to parents (id) on update NO ACTION on delete CASCADE \
             here, absent there",
        ),
        (
            "(priority, name)",
            "(name, priority)",
            "jobs_by_priority: columns (priority, name) here, (name, priority) there",
        ),
        (
            "(priority, name)",
            "(priority DESC, name COLLATE NOCASE)",
            "jobs_by_priority: columns (priority, name) here, \
             (priority DESC, name COLLATE NOCASE) there",
        ),
        (
            "(lower(note))",
            "(upper(note))",
            "jobs_by_note: columns (lower(note)) here, (upper(note)) there",
        ),
        (
            "WHERE priority > 0;",
            "WHERE priority > 1;",
            "jobs_by_priority: where priority > 0 here, priority > 1 there",
        ),
        ("WHERE priority > 0;", ";", "jobs_by_priority: where priority > 0 here, absent there"),
        ("CREATE UNIQUE INDEX", "CREATE INDEX", "jobs_by_note: unique true here, false there"),
        ("NOT NULL UNIQUE", "NOT NULL", "jobs: unique (name) present here, absent there"),
        (
            "NOT NULL UNIQUE",
            "NOT NULL ON CONFLICT IGNORE UNIQUE",
            "jobs: clause `not null (name) on conflict ignore` absent here, present there",
        ),
        (
            "CHECK (priority < 10)\n    ) STRICT",
            "CHECK (priority < 10)\n    )",
            "jobs: strict true here, false there",
        ),
        ("STRICT, WITHOUT ROWID", "STRICT", "counts: without rowid true here, false there"),
        (" AUTOINCREMENT", "", "parents: autoincrement true here, false there"),
        (
            "PRIMARY KEY (status)",
            "PRIMARY KEY (jobs)",
            "counts: primary key (jobs) absent here, present there",
        ),
        (
            "a TEXT, b TEXT",
            "b TEXT, a TEXT",
            "parents: column order (id, a, b) here, (id, b, a) there",
        ),
        ("a TEXT, b TEXT", "a TEXT", "parents.b: column present here, absent there"),
        (
            "jobs + 1",
            "jobs + 2",
            "counted: trigger `after insert on jobs when new.priority > 0 begin update counts set \
             jobs = jobs + 1 where status = 'NEW'; end` here, `after insert on jobs when \
             new.priority > 0 begin update counts set jobs = jobs + 2 where status = 'NEW'; end` \
             there",
        ),
        (
            "priority > 5",
            "priority > 6",
            "urgent: view `as select id, name from jobs where priority > 5` here, \
             `as select id, name from jobs where priority > 6` there",
        ),
        ("CREATE VIEW urgent", "CREATE VIEW pressing", "urgent: view present here, absent there"),
        (
            "CREATE TRIGGER counted",
            "CREATE TRIGGER kept",
            "counted: trigger present here, absent there",
        ),
        ("INDEX jobs_by_note", "INDEX by_note", "jobs_by_note: index present here, absent there"),
    ] {
        assert!(ORIGINAL.contains(from), "nothing to change: {from}");
        let found = told(ORIGINAL, &ORIGINAL.replacen(from, to, 1))?;
        assert!(found.iter().any(|one| one == expected), "{from} to {to}: {found:#?}");
    }
    Ok(())
}

#[test]
fn one_change_is_told_once_and_from_both_sides() -> TestResult {
    let changed = ORIGINAL.replace("DEFAULT 0", "DEFAULT 1");
    assert_eq!(told(ORIGINAL, &changed)?, ["jobs.priority: default 0 here, 1 there"]);
    assert_eq!(told(&changed, ORIGINAL)?, ["jobs.priority: default 1 here, 0 there"]);
    Ok(())
}

#[test]
fn a_table_that_is_absent_is_told_without_its_columns() -> TestResult {
    let with_one_more = format!("{ORIGINAL} CREATE TABLE extra (a TEXT, b TEXT) STRICT;");
    assert_eq!(told(ORIGINAL, &with_one_more)?, ["extra: table absent here, present there"]);
    assert_eq!(told(&with_one_more, ORIGINAL)?, ["extra: table present here, absent there"]);
    Ok(())
}

#[test]
fn layout_comments_quotes_and_case_are_not_seen() -> TestResult {
    let crowded = ORIGINAL.split_whitespace().collect::<Vec<_>>().join(" ");
    let commented = ORIGINAL.replace(",\n", ", -- it's here, (and) \"there\"\n /* so; */");
    let quoted = ORIGINAL
        .replace("(priority", "(\"priority\"")
        .replace("(note)", "([note])")
        .replace(".priority", ".[priority]")
        .replace(" jobs ", " `jobs` ");
    let shouted = ORIGINAL.to_uppercase();
    let whispered = ORIGINAL.to_lowercase().replace("'new'", "'NEW'");
    for same in [crowded, commented, quoted, shouted, whispered] {
        assert_ne!(same, ORIGINAL);
        assert_eq!(told(ORIGINAL, &same)?, [""; 0], "{same}");
    }
    Ok(())
}

#[test]
fn a_string_keeps_its_case_and_spaces() -> TestResult {
    for other in ["'new'", "'NEW '", "'--NEW'"] {
        assert_eq!(told(ORIGINAL, &ORIGINAL.replace("'NEW'", other))?.len(), 1, "{other}");
    }
    Ok(())
}

#[test]
fn a_column_that_was_added_later_equals_one_that_was_declared() -> TestResult {
    let declared = "
        CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE jobs (
            a INTEGER,
            parent_id INTEGER DEFAULT NULL CHECK (parent_id > 0)
                REFERENCES parents (id) ON DELETE SET NULL,
            tripled INTEGER AS (a * 3) VIRTUAL,
            CHECK (a > 1)
        ) STRICT;";
    let added = "
        CREATE TABLE jobs (a INTEGER, CHECK (a > 1)) STRICT;
        CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT;
        ALTER TABLE jobs ADD COLUMN parent_id INTEGER DEFAULT NULL
            REFERENCES parents (id) ON DELETE SET NULL CHECK (parent_id > 0);
        ALTER TABLE jobs ADD COLUMN tripled INTEGER AS (a * 3);";
    assert_eq!(told(declared, added)?, [""; 0]);
    Ok(())
}

#[test]
fn a_rebuilt_and_renamed_table_equals_the_original() -> TestResult {
    let rebuilt = "
        CREATE TABLE parents (id INTEGER PRIMARY KEY, wrong TEXT) STRICT;
        CREATE TABLE jobs (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parents) STRICT;
        CREATE TABLE new_parents (id INTEGER PRIMARY KEY CHECK (\"id\" > 0), a TEXT UNIQUE) STRICT;
        DROP TABLE parents;
        ALTER TABLE new_parents RENAME TO parents;
        CREATE INDEX parents_by_a ON parents (a, id);";
    let written = "
        CREATE TABLE parents (id INTEGER PRIMARY KEY CHECK (id > 0), a TEXT UNIQUE) STRICT;
        CREATE TABLE jobs (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parents) STRICT;
        CREATE INDEX parents_by_a ON parents (a, id);";
    assert_eq!(told(rebuilt, written)?, [""; 0]);
    Ok(())
}

#[test]
fn virtual_tables_are_compared_by_their_definition() -> TestResult {
    let one = "CREATE VIRTUAL TABLE search USING fts5(name, content='')";
    assert_eq!(told(one, "create virtual table Search using FTS5(name, content = '')")?, [""; 0]);
    let found = told(one, "CREATE VIRTUAL TABLE search USING fts5(name)")?;
    assert_eq!(found.len(), 1, "{found:?}");
    // The tables that the module keeps its index in go without saying, rows and all.
    let found = structure(&format!("{one}; INSERT INTO search (rowid, name) VALUES (1, 'MgO')"))?;
    assert_eq!(found.tables.keys().collect::<Vec<_>>(), ["search"]);
    Ok(())
}

#[test]
fn the_ledger_and_sqlites_own_tables_are_left_out() -> TestResult {
    let found = structure(
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY);
         CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT);
         CREATE INDEX a_by_b ON a (b);
         ANALYZE;",
    )?;
    assert_eq!(found.tables.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(found.indexes.keys().collect::<Vec<_>>(), ["a_by_b"]);
    Ok(())
}
