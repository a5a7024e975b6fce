-- The entry up to which a user has read a conversation, as the user's clients have said. It is written some seconds
-- after that. Unlike `users.seen` it never moves by itself.
CREATE TABLE read_marks (
    user          INTEGER NOT NULL REFERENCES users (id),
    conversation  INTEGER NOT NULL REFERENCES conversations (id),
    last          INTEGER NOT NULL,
    PRIMARY KEY (user, conversation)
) STRICT;
