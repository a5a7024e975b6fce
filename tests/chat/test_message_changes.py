"""Whatever happens to messages, all clients see the same in the end: live, by replays, and in pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

TEXTS = ("one", "two", "/me waves", "three\nlines")

ACTS = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 1), st.sampled_from(TEXTS)),
    st.tuples(st.just("reply"), st.integers(0, 1), st.integers(1, 12)),
    st.tuples(st.just("edit"), st.integers(0, 1), st.integers(1, 12), st.sampled_from(TEXTS)),
    st.tuples(st.just("delete"), st.integers(0, 1), st.integers(1, 12)),
    st.tuples(
        st.sampled_from(("react", "react", "unreact")),
        st.integers(0, 1),
        st.integers(1, 6),
        st.sampled_from(("+1", "ok")),
    ),
)
"""What one of two users does: to a message with some id, which may be none."""


class View:
    """What a client knows of the lobby, from what it was sent."""

    def __init__(self, messages: dict[int, dict[str, Any]] | None = None, cursor: int = 0) -> None:
        self.messages = dict(messages or {})
        self.cursor = cursor

    def take(self, told: list[dict[str, Any]]) -> None:
        """Take in what was delivered. Ids must increase."""
        for one in told:
            if one["action"] not in ("server-broadcast", "server-event") or "id" not in one:
                continue
            assert one["id"] > self.cursor, (one, self.cursor)
            self.cursor = one["id"]
            if one["action"] == "server-broadcast":
                self.messages[one["id"]] = shown(one)
            elif one["event"] == "edited" and "msg" in one:
                self.change(one["edited"], msg=one["msg"], kind=one["kind"], edited=True)
            elif one["event"] == "deleted":
                self.change(one["deleted"], msg="", edited=False, deleted=True, reactions={})
            elif "reaction" in one:
                reactions = dict(self.messages[one["message"]]["reactions"])
                others = [nick for nick in reactions.pop(one["reaction"], ()) if nick != one["actor"]]
                nicks = [*others, one["actor"]] if one["event"] == "reacted" else others
                if nicks:
                    reactions[one["reaction"]] = nicks
                self.change(one["message"], reactions=reactions)

    def change(self, id: int, **changes: Any) -> None:
        """Change what it knows of a message."""
        self.messages[id] = {**self.messages[id], **changes}

    def copy(self) -> View:
        """What it knows now."""
        return View(self.messages, self.cursor)


def shown(message: dict[str, Any]) -> dict[str, Any]:
    """What a view keeps of a message."""
    kept = {key: message.get(key, False) for key in ("from", "msg", "edited", "deleted", "reply_to")}
    reactions = {one["reaction"]: one["nicks"] for one in message.get("reactions", ())}
    return {**kept, "kind": message.get("kind", "message"), "reactions": reactions}


class AnySequence(StageTestCase):
    """Two users say, answer, edit, delete and react at random; others look on."""

    def act(self, peers: list[Peer], act: tuple[Any, ...]) -> None:
        """Do one of `ACTS`."""
        what, who, *rest = act
        if what == "say":
            peers[who].asks(action="client-broadcast", msg=rest[0])
        elif what == "reply":
            peers[who].asks(action="reply", id=rest[0], msg="a reply")
        elif what == "edit":
            peers[who].asks(action="edit", id=rest[0], msg=rest[1])
        elif what == "delete":
            peers[who].asks(action="delete", id=rest[0])
        else:
            peers[who].asks(action=what, id=rest[0], reaction=rest[1])

    def log_in(self, *nicks: str, **more: Any) -> list[Peer]:
        """JSON clients with these nicks, which have heard nothing yet."""
        return [self.stage.connect("json").asks(action="client-hello", from_=nick, **more) for nick in nicks]

    @settings(max_examples=effort(60), deadline=None)
    @given(st.lists(ACTS, min_size=1, max_size=14), st.integers(0, 13))
    def test_every_client_sees_the_same(self, acts: list[tuple[Any, ...]], restarts_after: int) -> None:
        self.restart_empty()
        peers = self.log_in("alice", "bob")
        (eve,) = self.log_in("eve")
        view, earlier = View(), [View()]
        for number, act in enumerate(acts):
            self.act(peers, act)
            view.take(eve.objects())
            earlier.append(view.copy())
            if number == restarts_after:
                self.restart()
                peers = self.log_in("alice", "bob")
                (eve,) = self.log_in("eve", since=view.cursor)
                view.take(eve.objects())
        self.restart()
        (reader,) = self.log_in("reader")
        reader.hears()
        (page,) = reader.asks(action="history", limit=500).objects()
        whole = {one["id"]: shown(one) for one in page["messages"]}
        self.assertEqual(view.messages, whole)
        for number, known in enumerate(earlier):
            (late,) = self.log_in(f"late{number}", since=known.cursor)
            known.take(late.objects())
            self.assertEqual(known.messages, whole, number)
        seqs = self.stage.rows("SELECT seq FROM log ORDER BY id")
        self.assertEqual(seqs, [(number,) for number in range(1, len(seqs) + 1)])
        texts = self.stage.rows("SELECT body FROM log WHERE kind = 'edited' AND body LIKE '% %'")
        self.assertEqual(texts, [])

    def restart_empty(self) -> None:
        """Begin with an empty database."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.stage.close()
        self.stage = Stage(folder / "chat.db")
