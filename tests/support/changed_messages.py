"""A daemon that is killed while users edit messages, answer them and react to them.

In the end the messages must be as the last answered commands have left them: in the pages, for a client that
listened between the kills, and for one that gets the whole log in a replay.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from tests.support.crash_scenarios import Outcome, end, started
from tests.support.daemon_process import PATIENCE, Client, Daemon
from tests.support.ledger import DISORDER, GAPS, LOST, UNSTORED, WINDOW, Tally, log_in, read_log

PASSWORD: Final = "correct horse battery"
"""Of the editors: without one, a user can edit only what it has written since it logged in."""

REACTIONS: Final = ("+1", "👍", "bravo")

IS_THERE: Final = {"edit": "same_text", "react": "already_reacted", "unreact": "no_such_reaction"}
"""Action -> the refusal of a command that was carried out and sent again, because its ack was lost."""

EARLIER_TEXTS: Final = "earlier texts still in the database"

EDITED, REACTED, UNREACTED = "edited", "reacted", "unreacted"
EVENTS: Final = {"edit": EDITED, "react": REACTED, "unreact": UNREACTED}

PAGES: Final = ({"action": "history"}, {"action": "msgs", "group": "wob"})


class Message(NamedTuple):
    """A message as a client shows it. ``reactions`` are pairs of a nick and its reaction."""

    text: str
    reply_to: int | None = None
    reactions: frozenset[tuple[str, str]] = frozenset()


class Messages:
    """The messages that a client has, by id, made from all that it was sent."""

    def __init__(self) -> None:
        self.by_id: dict[int, Message] = {}

    def take(self, said: dict[str, Any]) -> None:
        """Take in the delivery or the event ``said``."""
        if "msg" in said and "event" not in said:
            self.by_id[said["id"]] = Message(said["msg"], said.get("reply_to"))
        elif said.get("event") == EDITED and "msg" in said:
            self._change(said["edited"], text=said["msg"])
        elif said.get("event") in (REACTED, UNREACTED):
            one = frozenset({(said["actor"], said["reaction"])})
            before = self.by_id[said["message"]].reactions
            after = before | one if said["event"] == REACTED else before - one
            self._change(said["message"], reactions=after)

    def _change(self, id: int, **changed: Any) -> None:
        self.by_id[id] = self.by_id[id]._replace(**changed)

    @classmethod
    def on_pages(cls, client: Client) -> Self:
        """What the daemon shows in pages."""
        found = cls()
        for asked in PAGES:
            after, more = 0, True
            while more:
                client.asks(**asked, after=after, limit=500, ref=f"after {after}")
                page = client.object(ref=f"after {after}")
                more = page.get("more", False)
                for item in page["messages"]:
                    after = item["id"]
                    reactions = frozenset(
                        (nick, one["reaction"]) for one in item.get("reactions", ()) for nick in one["nicks"]
                    )
                    found.by_id[after] = Message(item["msg"], item.get("reply_to"), reactions)
        return found


class Follower:
    """A client that only listens, and resumes after the last id that it was sent. ``ids`` are all of them."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.messages = Messages()
        self.ids: list[int] = []

    def follow(self, daemon: Daemon) -> None:
        """Resume, and listen until the daemon is gone."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.connect("json") as client:
            self._resume(client)
            while True:
                self._take(client.object())

    def catch_up(self, client: Client) -> None:
        """Resume, and listen until there is no more."""
        self._resume(client)
        client.asks(action="client-list-clients", ref="caught up")
        while (said := client.object()).get("ref") != "caught up":
            self._take(said)

    def _resume(self, client: Client) -> None:
        log_in(client, from_=self.nick, since=self.ids[-1] if self.ids else 0)

    def _take(self, said: dict[str, Any]) -> None:
        if "id" in said and said["action"] != "server-history":
            self.ids.append(said["id"])
            self.messages.take(said)


class Editor:
    """A user who writes, answers, edits its own messages and reacts to those of everybody.

    ``own`` are its messages, and ``reactions`` (message id, reaction) its reactions, as its commands leave
    them. ``acked`` are the acked commands with their ids. ``there`` counts the commands that were sent again
    and found to be carried out. ``everybody`` has the ids of all messages and is shared.
    """

    def __init__(self, nick: str, everybody: list[int], chance: random.Random) -> None:
        self.nick = nick
        self.own: dict[int, Message] = {}
        self.reactions: set[tuple[int, str]] = set()
        self.earlier_texts: list[str] = []
        self.acked: list[tuple[dict[str, Any], int]] = []
        self.there = 0
        self._everybody = everybody
        self._chance = chance
        self._unanswered: deque[dict[str, Any]] = deque()
        self._count = 0

    def work(self, daemon: Daemon, tally: Tally) -> None:
        """Send again what was not answered, then go on until the daemon is gone or ``tally`` is over."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.connect("json") as client:
            log_in(client, from_=self.nick, password=PASSWORD)
            again = len(self._unanswered)
            while True:
                if self._unanswered:
                    client.says("\n".join(map(json.dumps, self._unanswered)))
                while self._unanswered:
                    self._hear_answer(client, again > 0)
                    again -= 1
                    tally.add()
                if tally.over:
                    return
                self._unanswered.extend(self._decide() for _ in range(WINDOW))

    def _hear_answer(self, client: Client, is_again: bool) -> None:
        asked = self._unanswered[0]
        said = client.object(ref=asked["ref"])
        if said["action"] == "server-error":
            assert is_again, f"{asked} got {said}"
            assert said["code"] == IS_THERE[asked["action"]], said
            self.there += 1
        else:
            id = said["id"]
            self.acked.append((asked, id))
            if asked["action"] not in EVENTS:
                self.own[id] = Message(asked["msg"], asked.get("reply_to"))
                self._everybody.append(id)
        self._unanswered.popleft()

    def _decide(self) -> dict[str, Any]:
        """Return the next command, whose effect on ``own`` and ``reactions`` counts from now on."""
        self._count += 1
        ref = f"{self.nick} {self._count}"
        text = f"{ref} by {self.nick} ends here"
        what = self._chance.random()
        if not self.own or what < 0.2:
            place = {"action": "gbroadcast", "group": "wob"} if what < 0.1 else {"action": "client-broadcast"}
            return {**place, "msg": text, "ref": ref}
        if what < 0.6:
            id = self._chance.choice([*self.own])
            self.earlier_texts.append(self.own[id].text)
            self.own[id] = self.own[id]._replace(text=text)
            return {"action": "edit", "id": id, "msg": text, "ref": ref}
        id = self._chance.choice(self._everybody)
        if what < 0.7:
            return {"action": "reply", "id": id, "msg": text, "ref": ref, "reply_to": id}
        reaction = (id, self._chance.choice(REACTIONS))
        action = "unreact" if reaction in self.reactions else "react"
        self.reactions ^= {reaction}
        return {"action": action, "id": id, "reaction": reaction[1], "ref": ref}


def killed_editing(folder: Path, times: int, chance: random.Random) -> Outcome:
    """Kill the daemon ``times`` while three users change messages at once."""
    outcome = Outcome(LOST, DISORDER, GAPS, UNSTORED, EARLIER_TEXTS)
    everybody: list[int] = []
    editors = [Editor(nick, everybody, random.Random(chance.random())) for nick in ("alice", "bob", "carol")]
    follower = Follower("dave")
    with started(folder) as daemon:
        for nick in ("dave", *(editor.nick for editor in editors)):
            with daemon.connect("text") as client:
                client.says(f"IAM {nick}").says("cg;wob" if nick == "dave" else "j;wob")
                if nick != "dave":
                    client.says(f"register;{PASSWORD}")
                client.says("BYE").hears_until(f"LFT {nick}\n".encode())
        end(daemon)
    with ThreadPoolExecutor(len(editors) + 1) as threads:
        for kill in range(times + 1):
            tally = Tally()
            with started(folder) as daemon:
                working = [threads.submit(editor.work, daemon, tally) for editor in editors]
                following = threads.submit(follower.follow, daemon)
                with outcome.noticing():
                    tally.more(acks=chance.randrange(20, 200))
                tally.over = kill == times
                if not tally.over:
                    daemon.kill()
                for thread in working:
                    with outcome.noticing():
                        thread.result(2 * PATIENCE)
                with outcome.noticing():
                    if tally.over:
                        end(daemon)
                following.result(PATIENCE)
    outcome.wrong[EARLIER_TEXTS] += _count_earlier_texts(folder, editors)
    _compare(folder, editors, follower, outcome)
    outcome.counts("kill -9 while messages were changed", times)
    outcome.counts("commands acked", sum(len(editor.acked) for editor in editors))
    outcome.counts("commands carried out whose ack was lost", sum(editor.there for editor in editors))
    outcome.counts("earlier texts looked for in the database", sum(len(e.earlier_texts) for e in editors))
    return outcome


def _compare(folder: Path, editors: Sequence[Editor], follower: Follower, outcome: Outcome) -> None:
    """Compare the pages, the messages of ``follower`` and a whole replay with what ``editors`` have done."""
    due = {id: message for editor in editors for id, message in editor.own.items()}
    for editor in editors:
        for id, reaction in editor.reactions:
            due[id] = due[id]._replace(reactions=due[id].reactions | {(editor.nick, reaction)})
    log = read_log(folder)
    newcomer = Follower("dora")
    with outcome.noticing(), started(folder) as daemon:
        with daemon.connect("json") as client:
            follower.catch_up(client)
            pages = Messages.on_pages(client)
        with daemon.connect("text") as client:
            client.says("IAM dora").says("j;wob").hears_until(b"ACK j wob")
        with daemon.connect("json") as client:
            newcomer.catch_up(client)
        end(daemon)
    outcome.wrong[UNSTORED] += len(pages.by_id.keys() - due.keys())
    for id, message in due.items():
        outcome.wrong[LOST] += pages.by_id.get(id) != message
        outcome.wrong[GAPS] += follower.messages.by_id.get(id) != message
        outcome.wrong[GAPS] += newcomer.messages.by_id.get(id) != message
    outcome.wrong[GAPS] += follower.ids != [entry.id for entry in log if entry.id >= follower.ids[0]]
    outcome.wrong[DISORDER] += [entry.id for entry in log] != [*range(1, len(log) + 1)]
    kinds = {entry.id: (entry.kind, entry.actor) for entry in log}
    for editor in editors:
        outcome.wrong[LOST] += sum(
            kinds.get(id) != (EVENTS.get(asked["action"], "message"), editor.nick)
            for asked, id in editor.acked
        )


def _count_earlier_texts(folder: Path, editors: Sequence[Editor]) -> int:
    """Count the earlier texts of edited messages that are in a file of the database."""
    files = b"".join(file.read_bytes() for file in folder.glob("chat.db*"))
    return sum(text.encode() in files for editor in editors for text in editor.earlier_texts)
