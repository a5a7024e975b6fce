"""Databases that hold a given number of messages, written straight through chatd's own schema.

500 people, 200 groups, 2,000 direct conversations. A third of the messages is in the lobby, half are in
groups, the rest is private; of the groups, as of the direct conversations, the n-th is 1/n as large and
as busy as the first. The same number always gives the same messages.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from chatd.core.colours import nick_colour_of
from chatd.core.events import LOBBY
from chatd.store.schema import create_or_migrate, load_migrations

PEOPLE: Final = 500
GROUPS: Final = 200
DIRECTS: Final = 2000

LARGEST: Final = 250
"""Members of the first group; the smallest have `SMALLEST`."""

SMALLEST: Final = 5

TOPICS: Final = 400
"""Messages until somebody gives some group a topic."""

REFS: Final = 4
"""One message in this many has a ref."""

BACK: Final = 10_000
"""Everybody left when the log had so many entries less."""

UNSAVED: Final = 500_000
"""Messages that `killed` leaves in the WAL."""

VOCABULARY: Final = 30_000
"""The number of words of which the messages of `spoken` are made."""

SINCE: Final = 1_700_000_000_000
"""When the first entry was made, in ms since 1970; each is a second after the one before."""

Row = tuple[int, int, int, int, str, int, int | None, str, str | None]
"""A row of the log."""


class Place(NamedTuple):
    """A conversation: its id, who talks there (ids, a group's owner first), and how busy it is."""

    id: int
    there: list[int]
    weight: float


class Town:
    """Everybody, and where they talk."""

    def __init__(self) -> None:
        self.chance = Random(1)
        people = range(1, PEOPLE + 1)
        ids = itertools.count(LOBBY.id + 1)
        self.lobby = Place(LOBBY.id, list(people), 1 / 3)
        self.groups = [
            Place(next(ids), self.chance.sample(people, max(SMALLEST, LARGEST // rank)), weight / 2)
            for rank, weight in enumerate(_shares(GROUPS), 1)
        ]
        pairs = self.chance.sample(list(itertools.combinations(people, 2)), DIRECTS)
        self.directs = [
            Place(next(ids), list(pair), weight / 6)
            for pair, weight in zip(pairs, _shares(DIRECTS), strict=True)
        ]

    def log(self, messages: int) -> Iterator[Row]:
        """How the groups were made, then so many messages, and topics between them."""
        chance = self.chance
        ids = itertools.count(1)
        seqs: Counter[int] = Counter()
        letters = "".join(chance.choices("etaoin shrdlu", k=10_000))

        def row(place: Place, kind: str, actor: int, body: str = "") -> Row:
            id = next(ids)
            seqs[place.id] += 1
            return id, place.id, seqs[place.id], SINCE + 1000 * id, kind, actor, None, body, None

        for group in self.groups:
            owner, *others = group.there
            yield row(group, "created", owner, "public")
            for member in others:
                yield row(group, "joined", member)
        places = [self.lobby, *self.groups, *self.directs]
        chosen = chance.choices(places, [place.weight for place in places], k=messages)
        for number, place in enumerate(chosen):
            if number % TOPICS == 0:
                (group,) = chance.choices(self.groups, [group.weight for group in self.groups])
                yield row(group, "topic", group.there[0], f"topic {number}")
            start, length = chance.randrange(9000), chance.randrange(20, 200)
            actor = chance.choice(place.there)
            said = row(place, "message", actor, f"#{letters[start : start + length]}")
            subject = sum(place.there) - actor if place.id > self.groups[-1].id else None
            yield (*said[:6], subject, said[7], str(number) if number % REFS == 0 else None)


@cache
def stored(messages: int) -> Path:
    """A database with so many messages, made when first asked for; it is to be copied, not changed."""
    path = Path(_folder().name) / f"{messages}.db"
    create_or_migrate(path, load_migrations())
    town = Town()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO users (id, nick, key, colour) VALUES (?, ?, ?, ?)",
            [(id, f"p{id}", f"p{id}", nick_colour_of(id)) for id in town.lobby.there],
        )
        connection.executemany(
            "INSERT INTO conversations (id, kind, name) VALUES (?, 'group', ?)",
            [(group.id, f"g{rank}") for rank, group in enumerate(town.groups, 1)],
        )
        connection.executemany(
            "INSERT INTO conversations (id, kind, low, high) VALUES (?, 'direct', ?, ?)",
            [(direct.id, *direct.there) for direct in town.directs],
        )
        connection.executemany(
            "INSERT INTO log (id, conversation, seq, at, kind, actor, subject, body, ref)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            town.log(messages),
        )
        connection.execute("UPDATE users SET seen = max(0, (SELECT max(id) FROM log) - ?)", (BACK,))
        connection.execute("COMMIT")
    return path


@cache
def spoken(messages: int) -> Path:
    """The same with words in place of letters: the n-th of `VOCABULARY` is 1/n as frequent as the first."""
    path = Path(_folder().name) / f"{messages}-spoken.db"
    shutil.copyfile(stored(messages), path)
    chance = Random(1)
    words = [f"{chance.choice('bcdfglmnprst')}{syllables}" for syllables in _vocabulary(chance)]
    shares = list(itertools.accumulate(_shares(len(words))))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        ids = [id for (id,) in connection.execute("SELECT id FROM log WHERE kind = 'message'")]
        connection.executemany(
            "UPDATE log SET body = ? WHERE id = ?",
            (
                (" ".join(chance.choices(words, cum_weights=shares, k=chance.randrange(3, 20))), id)
                for id in ids
            ),
        )
        # A rare word, in the lobby where all find it.
        connection.execute(
            "UPDATE log SET body = ? WHERE conversation = ? AND kind = 'message' AND seq % 10000 = 1",
            (f"{words[0]} needle", LOBBY.id),
        )
        connection.execute("COMMIT")
    return path


def _vocabulary(chance: Random) -> list[str]:
    syllables = [f"{vowel}{consonant}" for vowel in "aeiou" for consonant in "bdklmnrstv"]
    return ["".join(chance.choices(syllables, k=chance.randrange(1, 5))) for _ in range(VOCABULARY)]


@cache
def killed(messages: int) -> Path:
    """The same as ``kill -9`` leaves it at a bad moment: with `UNSAVED` more in the lobby, all in the WAL."""
    path = Path(_folder().name) / "killed.db"
    live = path.with_name("live.db")
    shutil.copyfile(stored(messages), live)
    with closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        ((id, seq),) = connection.execute(
            "SELECT (SELECT max(id) FROM log), (SELECT max(seq) FROM log WHERE conversation = ?)", (LOBBY.id,)
        )
        connection.execute(
            "INSERT INTO log (id, conversation, seq, at, kind, actor, body)"
            " SELECT ? + id, ?, ? + id, at, 'message', actor, body FROM log WHERE id <= ?",
            (id, LOBBY.id, seq, UNSAVED),
        )
        # Taken while it is open, as closing would move everything into the database.
        shutil.copyfile(live, path)
        shutil.copyfile(f"{live}-wal", f"{path}-wal")
    live.unlink()
    return path


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    # Cached, it goes when the process does.
    return tempfile.TemporaryDirectory(prefix="chatd-bench-")


def _shares(count: int) -> list[float]:
    """What each of ``count`` has of the whole, the n-th 1/n as much as the first."""
    whole = sum(1 / rank for rank in range(1, count + 1))
    return [1 / rank / whole for rank in range(1, count + 1)]
