-- Tags, of which a key has two values; a result whose document has members at several depths.
INSERT INTO job_tags (job_id, key, value, created_at)
SELECT id, 'project', iif(id < 3, 'surfaces', 'oxides «2»'), created_at FROM jobs WHERE id <= 4;

INSERT INTO job_tags (job_id, key, value, created_at) SELECT id, 'owner', 'Ada', created_at FROM jobs WHERE id = 1;

UPDATE job_results SET document = '{"gap":{"direct":1.5,"kind":"indirect"},"bands":[1,2],"ok":true}' WHERE job_id = 4;

UPDATE jobs SET name = 'NaCl, again' WHERE id = 5;
