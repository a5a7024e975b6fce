-- What somebody says may be an image as well; the other kinds are events.
DROP INDEX log_events;
DROP INDEX log_about;
CREATE INDEX log_events ON log (conversation) WHERE kind NOT IN ('message', 'image');
CREATE INDEX log_about ON log (subject) WHERE subject IS NOT NULL AND kind NOT IN ('message', 'image');
