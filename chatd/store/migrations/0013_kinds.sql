-- What somebody says may be an action or a notice as well. A text that was stored before as a message stays one.
DROP INDEX log_messages;
DROP INDEX log_events;
DROP INDEX log_about;
CREATE INDEX log_messages ON log (conversation, id, actor) WHERE kind IN ('message', 'image', 'action', 'notice');
CREATE INDEX log_events ON log (conversation) WHERE kind NOT IN ('message', 'image', 'action', 'notice');
CREATE INDEX log_about ON log (subject)
    WHERE subject IS NOT NULL AND kind NOT IN ('message', 'image', 'action', 'notice');
