-- Nothing came with this version: it made `jobs` anew. A job of all columns goes through upgrades after it.
UPDATE jobs SET memory_mib = 512 WHERE id = 1;
