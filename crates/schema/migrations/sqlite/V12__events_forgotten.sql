-- How far the history has been forgotten, so that who follows it from an earlier place is told what was missed.
CREATE TABLE events_forgotten (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    newest INTEGER NOT NULL DEFAULT 0 CHECK (newest >= 0)
) STRICT;

INSERT INTO events_forgotten (id) VALUES (1);

-- An event that goes leaves its number here.
CREATE TRIGGER store_events_forgotten AFTER DELETE ON store_events
WHEN OLD.sequence > (SELECT newest FROM events_forgotten)
BEGIN
    UPDATE events_forgotten SET newest = OLD.sequence;
END;
