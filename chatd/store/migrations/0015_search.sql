-- The blocks of the search index: consecutive ranges of log ids, from 1 on without a gap, each with an FTS5 table of
-- its own, `search_` and the first id. The text of a block's messages up to the id `indexed` is in that table. `size` is
-- what the messages count for: a block that is full gets no more of them, and the next one begins.
CREATE TABLE search_blocks (
    first    INTEGER PRIMARY KEY,
    last     INTEGER NOT NULL,
    indexed  INTEGER NOT NULL,
    size     INTEGER NOT NULL
) STRICT;

CREATE INDEX search_blocks_behind ON search_blocks (first) WHERE indexed < last;
