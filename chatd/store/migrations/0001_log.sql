-- Everyone who was ever here. `seen` is the last log id that went to one of their sessions before they left.
CREATE TABLE users (
    id      INTEGER PRIMARY KEY,
    nick    TEXT    NOT NULL,
    key     TEXT    NOT NULL UNIQUE,
    colour  TEXT    NOT NULL,
    seen    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The lobby, the groups by name, the direct conversations by their two users (low.id <= high.id).
CREATE TABLE conversations (
    id    INTEGER PRIMARY KEY,
    kind  TEXT    NOT NULL CHECK (kind IN ('lobby', 'group', 'direct')),
    name  TEXT    NOT NULL DEFAULT '',
    low   INTEGER REFERENCES users (id),
    high  INTEGER REFERENCES users (id),
    CHECK ((kind = 'direct') = (low IS NOT NULL AND high IS NOT NULL))
) STRICT;

INSERT INTO conversations (id, kind) VALUES (1, 'lobby');

-- The truth: messages and events in one order. `at` is in milliseconds since 1970, UTC.
CREATE TABLE log (
    id            INTEGER PRIMARY KEY,
    conversation  INTEGER NOT NULL REFERENCES conversations (id),
    seq           INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    actor         INTEGER NOT NULL REFERENCES users (id),
    subject       INTEGER REFERENCES users (id),
    body          TEXT    NOT NULL,
    ref           TEXT,
    UNIQUE (conversation, seq)
) STRICT;

-- Every index ends with the row's id, so each of these is in the order of the log.
CREATE INDEX log_pages ON log (conversation);
CREATE INDEX log_events ON log (conversation) WHERE kind <> 'message';
CREATE INDEX log_about ON log (subject) WHERE subject IS NOT NULL AND kind <> 'message';
CREATE UNIQUE INDEX log_refs ON log (actor, ref) WHERE ref IS NOT NULL;
