-- A message that answers another one, and a reaction, has the id of that one, and the id of its author. A message whose text was changed
-- has the id of the last `edited` event about it. The body of such an event is the id of the message: the log has a text
-- only once, with the message.
ALTER TABLE log ADD COLUMN answered INTEGER;
ALTER TABLE log ADD COLUMN answered_author INTEGER REFERENCES users (id);
ALTER TABLE log ADD COLUMN edited INTEGER;

-- The reactions that were not taken back. `entry` is the id of the event.
CREATE TABLE reactions (
    message   INTEGER NOT NULL,
    reaction  TEXT    NOT NULL,
    user      INTEGER NOT NULL REFERENCES users (id),
    entry     INTEGER NOT NULL,
    PRIMARY KEY (message, reaction, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX reactions_of_user ON reactions (user);
