-- Jobs in every status, several attempts, one and many input files, some put away.
INSERT INTO jobs (id, uuid, name, work_dir, status, attempt, code, runner, workflow, priority, nodes, mpi_ranks,
                  threads, pid, host, idempotency_key, created_at, queued_at, started_at, finished_at, updated_at,
                  archived_at) VALUES
    (1, x'018bcfe56800700080000000000000a1', 'MgO bulk', '/scratch/0001_mgo_bulk', 'PENDING', 1, 'crystal', 'local',
     NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, 1700000000000001, NULL, NULL, NULL, 1700000000000001, NULL),
    (2, x'018bcfe56800700080000000000000a2', 'MgO slab', '/scratch/0002_mgo_slab', 'QUEUED', 1, 'crystal', 'slurm',
     'mgo surfaces', 5, 2, 64, 1, NULL, NULL, 'mgo-slab-1', 1700000001000000, 1700000002000000, NULL, NULL,
     1700000002000000, NULL),
    (3, x'018bcfe56800700080000000000000a3', 'Fe₂O₃ "hématite"', '/scratch/0003_hematite', 'RUNNING', 2, 'vasp', 'ssh',
     'oxides', -3, 1, 4294967295, 8, 4711, 'node07', NULL, 1700000003000000, 1700000004000000, 1700000005000000, NULL,
     1700000005000000, NULL),
    (4, x'018bcfe56800700080000000000000a4', 'Si diamond', '/scratch/0004_si', 'COMPLETED', 1, 'quantum_espresso',
     'local', NULL, 2147483647, NULL, 4, NULL, 4712, 'workstation', 'si-1', 1700000006000000, 1700000007000000,
     1700000008000000, 1700000009000000, 1700000009000000, NULL),
    (5, x'018bcfe56800700080000000000000a5', 'NaCl', '/scratch/0005_nacl', 'FAILED', 3, 'cp2k', 'local', 'salts',
     -2147483648, NULL, NULL, NULL, 4713, 'workstation', NULL, 1700000010000000, 1700000011000000, 1700000012000000,
     1700000013000000, 1700000013000000, NULL),
    (6, x'018bcfe56800700080000000000000a6', 'TiO2', '/scratch/0006_tio2', 'CANCELLED', 1, 'crystal', 'local', NULL, 0,
     NULL, NULL, NULL, NULL, NULL, NULL, 1700000014000000, NULL, NULL, 1700000015000000, 1700000015000000, NULL),
    (7, x'018bcfe56800700080000000000000a7', 'old Si', '/archive/si', 'COMPLETED', 2, 'crystal', 'local', NULL, 0, NULL,
     NULL, NULL, NULL, NULL, NULL, 1600000000000000, 1600000001000000, 1600000002000000, 1600000003000000,
     1700000016000000, 1700000016000000),
    (8, x'018bcfe56800700080000000000000a8', 'old NaCl', '/archive/nacl', 'FAILED', 1, 'vasp', 'slurm', 'salts', 0, 1,
     16, 1, NULL, NULL, NULL, 1600000004000000, 1600000005000000, NULL, 1600000006000000, 1700000017000000,
     1700000017000000),
    (9, x'018bcfe56800700080000000000000a9', 'a mistake', '/scratch/0009', 'PENDING', 1, 'crystal', 'local', NULL, 0,
     NULL, NULL, NULL, NULL, NULL, NULL, 1700000018000000, NULL, NULL, NULL, 1700000018000000, NULL);

-- The newest id was given out and must not come back.
DELETE FROM jobs WHERE id = 9;

-- Hashes as `sha256sum` prints them of the file, or of its list of the files.
INSERT INTO job_inputs (job_id, sha256, updated_at) VALUES
    (1, x'f9d328339337866834d6fb921d6cca07afc9f09c6b7e99e19e843a93f5d2b0cf', 1700000000000001),
    (3, x'3a3571c34cea62f586e0e4596b84b932278b19631bf0609db222d5585dc551cf', 1700000003000000),
    (7, x'f2deb27345be91b2f711f2f5f4bf3e3a5ccaa6fd6e1b7976b83c9442a5d15796', 1600000000000000);

INSERT INTO job_input_files (job_id, name, content) VALUES
    (1, 'mgo.d12', 'MgO bulk' || char(10) || 'CRYSTAL' || char(10) || '0 0 0' || char(10) || '225' || char(10)),
    (3, 'INCAR', 'SYSTEM = hématite' || char(10) || 'ENCUT = 520' || char(10)),
    (3, 'KPOINTS', '0' || char(10) || 'Gamma' || char(10)),
    (3, 'POSCAR', ''),
    (7, 'si.d12', 'Si ''quoted''' || char(10));
