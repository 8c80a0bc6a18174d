-- Results of jobs, one an attempt, and the history of every change.

CREATE TABLE job_results (
    job_id           INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt          INTEGER NOT NULL CHECK (attempt >= 1),
    -- SQLite stores a NaN as NULL; the bounds are those of a finite double, so infinities fail too.
    energy           REAL    CHECK (energy BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
    energy_unit      TEXT    CHECK (energy_unit IN ('hartree', 'electron_volt', 'rydberg')),
    -- CODATA 2022: one hartree is 27.211 386 245 981 eV, one rydberg half of it.
    energy_ev        REAL    GENERATED ALWAYS AS (
                         energy * CASE energy_unit
                             WHEN 'hartree' THEN 27.211386245981
                             WHEN 'rydberg' THEN 13.6056931229905
                             WHEN 'electron_volt' THEN 1.0
                         END) VIRTUAL,
    convergence      TEXT    NOT NULL CHECK (convergence IN ('converged', 'not_converged', 'unknown')),
    scf_cycles       INTEGER CHECK (scf_cycles BETWEEN 0 AND 4294967295),
    cpu_seconds      REAL    CHECK (cpu_seconds BETWEEN 0 AND 1.7976931348623157e308),
    wall_seconds     REAL    CHECK (wall_seconds BETWEEN 0 AND 1.7976931348623157e308),
    document_version INTEGER NOT NULL CHECK (document_version BETWEEN 1 AND 4294967295),
    document         TEXT    NOT NULL CHECK (json_valid(document)),
    -- {"code_version": …, "input_sha256": …, "parents": […]}, each where known.
    provenance       TEXT    NOT NULL CHECK (json_valid(provenance) AND json_type(provenance) = 'object'),
    recorded_at      INTEGER NOT NULL,
    PRIMARY KEY (job_id, attempt),
    CHECK ((energy IS NULL) = (energy_unit IS NULL))
) STRICT;

-- Jobs by energy, whatever its unit.
CREATE INDEX job_results_by_energy ON job_results (energy_ev) WHERE energy_ev IS NOT NULL;

-- One row for each change, written in the transaction of the change. `sequence` is the order in which
-- they were committed: there is one writer at a time.
CREATE TABLE job_events (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL CHECK (attempt >= 1),
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64 AND kind GLOB '[a-z]*' AND kind NOT GLOB '*[^a-z_]*'),
    from_status TEXT,
    to_status   TEXT,
    actor       TEXT    NOT NULL CHECK (length(actor) BETWEEN 1 AND 255),
    detail      TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(detail) AND json_type(detail) = 'object')
) STRICT;

-- The history of a job, oldest first.
CREATE INDEX job_events_by_job ON job_events (job_id);

-- Jobs from before there was a history begin theirs with the status that they have now.
INSERT INTO job_events (job_id, attempt, at, kind, from_status, to_status, actor)
SELECT id, attempt, updated_at, 'imported', NULL, status, 'migration V3' FROM jobs ORDER BY id;
