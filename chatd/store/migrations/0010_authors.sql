-- Messages by conversation, with their authors, so that those of ignored users are passed over in the index; events
-- have an index of their own. And who joined which group when, for members who read only what came since.
DROP INDEX log_pages;
CREATE INDEX log_messages ON log (conversation, id, actor) WHERE kind IN ('message', 'image');
CREATE INDEX log_joins ON log (conversation, actor) WHERE kind IN ('created', 'joined');
