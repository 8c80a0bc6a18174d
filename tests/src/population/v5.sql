-- A job that was completed from an earlier one.
UPDATE jobs SET cached_from = x'018bcfe56800700080000000000000a7' WHERE id = 4;
