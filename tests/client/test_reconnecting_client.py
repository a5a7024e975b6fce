"""The client's connection: nothing lost and nothing doubled, however often it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatd.client import codec
from chatd.client.chatd_session import REF_OF_PROBE_REQUEST
from chatd.client.connection import MAX_VALUE_BYTES, Address
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.reconnecting_client import ReconnectingClient
from chatd.client.scripts import run_with_client
from chatd.core import commands as c
from chatd.json_wire import objects
from tests.support.daemon_process import PATIENCE, Daemon

TS = "2026-11-21T10:00:00.000Z"


class Connection:
    """The daemon's end of a connection, as far as a test plays it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def hears(self) -> dict[str, Any]:
        """The next request, but for those of the client's own, which are answered."""
        while True:
            found: dict[str, Any] = json.loads(await self._reader.readline())
            if found.get("ref") != REF_OF_PROBE_REQUEST:
                return found
            self.greets(0, REF_OF_PROBE_REQUEST)

    async def is_asked(self) -> None:
        """Hear the client ask whether one is there."""
        found = json.loads(await self._reader.readline())
        assert found == {"action": "client-hello", "ref": REF_OF_PROBE_REQUEST}, found

    async def hears_rest(self) -> None:
        """Everything until the client closes."""
        await self._reader.read()

    def says(self, action: str, **fields: Any) -> None:
        """Send an object; ``from`` may be spelt ``from_``."""
        said = {"action": f"server-{action}", **{key.rstrip("_"): value for key, value in fields.items()}}
        self.writer.write(json.dumps(said).encode() + b"\n")

    async def welcomes(self, cursor: int = 0, seen: int | None = None) -> dict[str, Any]:
        """Hear a hello and answer it, as a returning user's with ``seen``."""
        hello = await self.hears()
        self.greets(cursor, hello["ref"], seen)
        return hello

    def greets(self, cursor: int, ref: str, seen: int | None = None) -> None:
        """Answer a hello."""
        self.says(
            "hello",
            from_="server",
            msg="Hello alice",
            user={"id": 1, "nick": "alice", "colour": "#112233"},
            cursor=cursor,
            seen=cursor if seen is None else seen,
            returning=seen is not None,
            ref=ref,
        )

    def broadcasts(self, id: int, nick: str = "bob") -> None:
        """Tell a message to everyone."""
        self.says("broadcast", from_=nick, msg=f"m{id}", id=id, seq=id, ts=TS)

    def acks(self, request: dict[str, Any], id: int) -> None:
        """Say that it is on disk."""
        self.says("ack", ref=request["ref"], request=request["action"], id=id, seq=id, ts=TS)


def item(id: int) -> dict[str, Any]:
    """A message on a page."""
    return {"id": id, "seq": id, "ts": TS, "from": "bob", "msg": f"m{id}", "kind": "message"}


class Ear:
    """Who uses the client, and keeps what it is told."""

    shows_typing = False

    def __init__(self) -> None:
        self.heard_of: list[int] = []
        self.why: list[str] = []
        self.pages: list[objects.Page] = []
        self.listed: list[objects.ConversationSummary] = []
        self.marks: list[tuple[str, int]] = []

    def logged_in(self, welcome: objects.Welcome) -> None:
        """Nothing."""

    def disconnected(self, why: str) -> None:
        """Keep it."""
        self.why.append(why)

    def typing_received(self, typing: objects.Typing) -> None:
        """Ignore who types."""

    def news_received(self, news: codec.News) -> None:
        """Keep the id."""
        assert isinstance(news, objects.Message | objects.GroupEvent)
        self.heard_of.append(news.id)

    def login_backlog_received(self, page: codec.LoginBacklog) -> None:
        """Keep it."""
        if isinstance(page, objects.Page):
            self.pages.append(page)
        else:
            self.listed += page.conversations

    def read_mark_moved(self, mark: objects.ReadMark) -> None:
        """Keep it."""
        self.marks.append((mark.group or mark.friend, mark.id))

    async def hears(self, count: int) -> None:
        """Wait until so many entries were heard."""
        while len(self.heard_of) < count:
            await asyncio.sleep(0)


Script = Callable[[Connection], Coroutine[Any, Any, None]]
Work = Callable[[ReconnectingClient, Ear], Coroutine[Any, Any, None]]


async def farewell(daemon: Connection) -> None:
    """The end of a script: hear the client say goodbye, and answer."""
    goodbye = await daemon.hears()
    assert goodbye["action"] == "client-quit", goodbye
    daemon.says("quit", ref=goodbye["ref"])


class LinkTestCase(SynchronousTestCase):
    """A client of a daemon that the test plays."""

    def play(self, work: Work, *scripts: Script, **more: Any) -> Ear:
        """Do ``work`` with a client whose connections are answered by a script each; then the port is closed.

        Raises what the client or the work does.
        """
        mistakes: list[Exception] = []
        heard: list[Ear] = []

        async def run() -> None:
            left = list(scripts)

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                script = left.pop(0)
                if not left:
                    server.close()
                try:
                    await script(Connection(reader, writer))
                    if not writer.is_closing():
                        await writer.drain()
                except Exception as mistake:
                    mistakes.append(mistake)
                finally:
                    writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            ear = Ear()
            heard.append(ear)
            client = ReconnectingClient(
                Address("127.0.0.1", port), "alice", ear, pause=lambda longest: 0.0, **more
            )
            try:
                await run_with_client(client, work(client, ear))
            finally:
                server.close()

        try:
            asyncio.run(asyncio.wait_for(run(), PATIENCE))
        finally:
            self.assertEqual(mistakes, [])
        return heard[0]


async def nothing(client: ReconnectingClient, ear: Ear) -> None:
    """Only be there."""
    await asyncio.Event().wait()


class Resuming(LinkTestCase):
    """A connection that breaks and is made again."""

    def test_it_goes_on_behind_what_it_heard(self) -> None:
        """By its cursor: the welcome's, then the last entry's; and nothing is heard twice."""
        hellos = []

        async def first(daemon: Connection) -> None:
            hellos.append(await daemon.welcomes(cursor=7))
            daemon.broadcasts(8)

        async def second(daemon: Connection) -> None:
            hellos.append(await daemon.welcomes(cursor=9))
            daemon.broadcasts(8)
            daemon.broadcasts(9)

        async def third(daemon: Connection) -> None:
            hellos.append(await daemon.welcomes(cursor=10))
            daemon.broadcasts(10)
            await farewell(daemon)

        ear = self.play(lambda client, ear: ear.hears(3), first, second, third)
        self.assertEqual([hello.get("since") for hello in hellos], [None, 8, 9])
        self.assertEqual(ear.heard_of, [8, 9, 10])
        self.assertEqual(ear.why, ["it closed the connection"] * 2)

    def test_what_was_not_acked_is_sent_again_under_its_ref(self) -> None:
        """In order; and heard once, whether the replay or the ack brings it."""
        refs: list[list[str]] = []

        async def first(daemon: Connection) -> None:
            await daemon.welcomes()
            refs.append([(await daemon.hears())["ref"], (await daemon.hears())["ref"]])

        async def second(daemon: Connection) -> None:
            await daemon.welcomes()
            daemon.broadcasts(1, nick="alice")
            again = [await daemon.hears(), await daemon.hears()]
            refs.append([asked["ref"] for asked in again])
            daemon.acks(again[0], 1)
            daemon.acks(again[1], 2)
            await farewell(daemon)

        ids: list[int] = []

        async def talk(client: ReconnectingClient, ear: Ear) -> None:
            answers = await asyncio.gather(client.ask(c.SendToLobby("m1")), client.ask(c.SendToLobby("m2")))
            ids.extend(answer.id for answer in answers if isinstance(answer, objects.Ack))

        ear = self.play(talk, first, second)
        self.assertEqual(ids, [1, 2])
        self.assertEqual(refs[0], refs[1])
        self.assertEqual(ear.heard_of, [1, 2])

    def test_what_may_not_be_done_twice_is_left_open(self) -> None:
        """Whoever asked for it has to look; what only reads is asked again."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes()
            await daemon.hears()
            await daemon.hears()

        async def second(daemon: Connection) -> None:
            await daemon.welcomes()
            asked = await daemon.hears()
            assert asked["action"] == "groups", asked
            daemon.says("groups", ref=asked["ref"], groups=[])
            await farewell(daemon)

        async def ask(client: ReconnectingClient, ear: Ear) -> None:
            joining = asyncio.ensure_future(client.ask(c.Join("wob")))
            self.assertIsInstance(await client.ask(c.ListGroups()), objects.Groups)
            with self.assertRaises(ConnectionLost):
                await joining

        self.play(ask, first, second)

    def test_the_nick_may_still_be_held_by_the_lost_connection(self) -> None:
        """So the hello is tried again, and so is one to a daemon that goes down just now."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes()

        async def second(daemon: Connection) -> None:
            await daemon.hears()
            daemon.says("error", ref="hello", code="nick_taken", msg="alice is in use")

        async def third(daemon: Connection) -> None:
            await daemon.welcomes(cursor=1)
            daemon.broadcasts(1)
            await farewell(daemon)

        ear = self.play(lambda client, ear: ear.hears(1), first, second, third)
        self.assertEqual(ear.why, ["it closed the connection", "alice is in use"])

    def test_a_connection_that_was_reset_is_one_that_was_lost(self) -> None:
        """However it ends, patience begins anew."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes()
            daemon.broadcasts(1)
            await daemon.writer.drain()
            await daemon.hears()
            raw = daemon.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            daemon.writer.transport.abort()

        async def second(daemon: Connection) -> None:
            await daemon.welcomes(cursor=1)
            daemon.acks(await daemon.hears(), 2)
            await farewell(daemon)

        async def talk(client: ReconnectingClient, ear: Ear) -> None:
            await ear.hears(1)
            await client.ask(c.SendToLobby("m2"))

        ear = self.play(talk, first, second, patience=1.0)
        self.assertEqual(ear.heard_of, [1, 2])


class Missed(LinkTestCase):
    """What came since the last session, which the daemon sends once."""

    def test_it_is_heard_whole_and_not_again(self) -> None:
        async def first(daemon: Connection) -> None:
            hello = await daemon.welcomes(cursor=7, seen=2)
            self.assertEqual((hello.get("since"), hello.get("missed")), (None, None))
            daemon.says("history", messages=[item(3), item(6)])
            daemon.says("event", event="invited", group="wob", actor="bob", subject="alice", id=7, ts=TS)
            await daemon.is_asked()
            daemon.greets(8, REF_OF_PROBE_REQUEST)
            daemon.broadcasts(9)

        async def second(daemon: Connection) -> None:
            hello = await daemon.welcomes(cursor=9, seen=2)
            self.assertEqual(hello["since"], 9)
            await farewell(daemon)

        async def work(client: ReconnectingClient, ear: Ear) -> None:
            await ear.hears(2)
            while not ear.why:
                await asyncio.sleep(0)
            await client.quit()

        ear = self.play(work, first, second)
        self.assertEqual([[item.id for item in page.messages] for page in ear.pages], [[3, 6]])
        self.assertEqual(ear.heard_of, [7, 9])

    def test_pages_with_what_was_seen_and_a_list_of_the_rest(self) -> None:
        """Come behind the welcome, before what happened; then the session goes on behind all of it."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes(cursor=7, seen=4)
            daemon.says("history", messages=[item(3), item(6)], seen=4, more=True)
            daemon.says(
                "conversations", conversations=[{"kind": "group", "name": "wob", "last": 5, "unread": 1}]
            )
            daemon.says("event", event="invited", group="den", actor="bob", subject="alice", id=7, ts=TS)
            await daemon.is_asked()
            daemon.greets(7, REF_OF_PROBE_REQUEST)

        async def second(daemon: Connection) -> None:
            self.assertEqual((await daemon.welcomes(cursor=8))["since"], 7)
            daemon.broadcasts(8)
            await farewell(daemon)

        ear = self.play(lambda client, ear: ear.hears(2), first, second)
        ((page,), (one,)) = ear.pages, ear.listed
        self.assertEqual([codec.was_missed(item, page) for item in page.messages], [False, True])
        self.assertEqual(
            (page.seen, page.more, codec.conversation_of_summary(one), one.unread),
            (4, True, codec.ConversationRef("group", "wob"), 1),
        )
        self.assertEqual(ear.heard_of, [7, 8])

    def test_it_breaks_while_more_was_missed_than_a_page_holds(self) -> None:
        """All of it is asked for behind what was seen, and the pages that came are no part of it."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes(cursor=9, seen=2)
            daemon.says("history", messages=[item(8), item(9)], seen=2, more=True)
            daemon.says(
                "conversations", conversations=[{"kind": "direct", "name": "bob", "unread": 3}], more=True
            )

        async def second(daemon: Connection) -> None:
            self.assertEqual((await daemon.welcomes(cursor=9, seen=9))["since"], 2)
            for id in range(3, 10):
                daemon.broadcasts(id)
            await farewell(daemon)

        ear = self.play(lambda client, ear: ear.hears(7), first, second)
        self.assertEqual((ear.pages, ear.listed, ear.heard_of), ([], [], list(range(3, 10))))

    def test_the_connection_breaks_before_it_is_all_there(self) -> None:
        """Then all of it is asked for as what follows, once."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes(cursor=7, seen=2)
            daemon.says("history", messages=[item(3), item(6)])
            daemon.says("event", event="invited", group="wob", actor="bob", subject="alice", id=7, ts=TS)

        async def second(daemon: Connection) -> None:
            hello = await daemon.welcomes(cursor=7, seen=7)
            self.assertEqual(hello["since"], 2)
            for id in (3, 6, 7):
                daemon.broadcasts(id)
            await farewell(daemon)

        async def work(client: ReconnectingClient, ear: Ear) -> None:
            await ear.hears(3)
            await client.quit()

        ear = self.play(work, first, second)
        self.assertEqual((ear.pages, ear.heard_of), ([], [3, 6, 7]))

    def test_who_peeks_leaves_it(self) -> None:
        async def first(daemon: Connection) -> None:
            hello = await daemon.welcomes(cursor=7, seen=2)
            self.assertEqual(hello["missed"], "keep")
            daemon.broadcasts(8)

        async def second(daemon: Connection) -> None:
            hello = await daemon.welcomes(cursor=8, seen=2)
            self.assertEqual((hello["since"], hello["missed"]), (8, "keep"))
            await farewell(daemon)

        async def work(client: ReconnectingClient, ear: Ear) -> None:
            while not ear.why:
                await asyncio.sleep(0)
            await client.quit()

        self.assertEqual(self.play(work, first, second, peeks=True).heard_of, [8])

    def test_another_database(self) -> None:
        """Whoever was further than its log ends is somebody new to it, or has missed something in it."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes(cursor=100)
            await daemon.is_asked()

        async def second(daemon: Connection) -> None:
            await daemon.welcomes(cursor=5, seen=2)
            daemon.says("history", messages=[item(3), item(5)])
            await daemon.is_asked()
            daemon.greets(5, REF_OF_PROBE_REQUEST)

        async def third(daemon: Connection) -> None:
            self.assertEqual((await daemon.welcomes(cursor=3))["since"], 5)
            await daemon.is_asked()
            daemon.broadcasts(6)
            await farewell(daemon)

        async def work(client: ReconnectingClient, ear: Ear) -> None:
            await ear.hears(1)
            await client.quit()

        ear = self.play(work, first, second, third)
        self.assertEqual([[item.id for item in page.messages] for page in ear.pages], [[3, 5]])
        self.assertEqual(ear.heard_of, [6])


class CutAnywhere(SynchronousTestCase):
    """A real daemon, and a first connection that is cut after so many bytes."""

    def setUp(self) -> None:
        """Start the daemon, with alice in it."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        self.daemon = Daemon(folder, "--durability=process").__enter__()
        self.addCleanup(self.daemon.kill)
        self.alice = self.daemon.connect("text")
        self.addCleanup(self.alice.close)
        self.alice.says("IAM alice").says("cg;wob").hears_until(b"ACK cg wob 1 1\n")

    def test_what_was_missed_is_heard_once(self) -> None:
        for cut in range(300, 1_200, 30):  # the welcome has less than 300 bytes
            nick = f"bob{cut}"
            with self.daemon.connect("text") as bob:
                bob.says(f"IAM {nick}").says("BYE").hears_rest()
            self.alice.says(f"s;{nick};one").says(f"s;{nick};two").says(f"invite;wob;{nick}")
            for _ in range(2):
                self.alice.hears_until(f"ACK s {nick} ".encode())
            last = int(self.alice.hears_until(b"\n").split()[0])
            self.alice.hears_until(b"ACK invite wob ")
            ear = asyncio.run(asyncio.wait_for(self.listen(nick, cut, last + 1), PATIENCE))
            missed = [item.id for page in ear.pages if page.friend for item in page.messages]
            self.assertEqual([*missed, *filter(None, ear.heard_of)], [last - 1, last, last + 1], cut)

    async def listen(self, nick: str, cut: int, last: int) -> Ear:
        """Be there until the entry ``last`` is heard."""
        cuts = [cut]
        carrying: list[Any] = []

        async def until_then(client: ReconnectingClient, ear: Ear) -> None:
            while last not in ear.heard_of:
                await asyncio.sleep(0)

        async def carry(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
            carrying.append(asyncio.current_task())
            left = cuts.pop() if cuts else MAX_VALUE_BYTES
            far, forth = await asyncio.open_connection("127.0.0.1", self.daemon.port("json"))
            upstream = asyncio.create_task(pump(near, forth, MAX_VALUE_BYTES))
            await pump(far, back, left)
            forth.close()
            await upstream
            await forth.wait_closed()

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
            with contextlib.suppress(ConnectionError):
                while left and (data := await reader.read(left)):
                    left -= len(data)
                    writer.write(data)
            writer.close()

        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        ear = Ear()
        client = ReconnectingClient(
            Address(*server.sockets[0].getsockname()[:2]), nick, ear, pause=lambda longest: longest / 100
        )
        await run_with_client(client, until_then(client, ear))
        server.close()
        await asyncio.gather(*carrying)
        return ear


class Ending(LinkTestCase):
    """A client that can't go on."""

    def test_a_refused_hello_ends_it(self) -> None:
        """When nothing was there before."""

        async def refuse(daemon: Connection) -> None:
            await daemon.hears()
            daemon.says("error", ref="hello", code="nick_taken", msg="alice is in use")

        with self.assertRaises(RefusedByServer) as caught:
            self.play(nothing, refuse)
        self.assertEqual((caught.exception.code, str(caught.exception)), ("nick_taken", "alice is in use"))

    def test_no_daemon_ends_it(self) -> None:
        """At once if there never was one, with its last words if it is gone for good."""

        async def hang_up(daemon: Connection) -> None:
            await daemon.hears()

        async def last(daemon: Connection) -> None:
            await daemon.welcomes()
            daemon.says("error", code="shutting_down", msg="the daemon stops")

        with self.assertRaisesRegex(
            ConnectionLost, "no connection to 127.0.0.1:.*: it closed the connection"
        ):
            self.play(nothing, hang_up)
        with self.assertRaisesRegex(ConnectionLost, "no connection to 127.0.0.1:.*: the daemon stops"):
            self.play(nothing, last, patience=0.0)

    def test_a_daemon_that_is_of_no_use(self) -> None:
        """It welcomes, answers nothing and closes: that is as good as none."""

        async def close(daemon: Connection) -> None:
            await daemon.welcomes()
            await daemon.is_asked()

        with self.assertRaisesRegex(
            ConnectionLost, "no connection to 127.0.0.1:.*: it closed the connection"
        ):
            self.play(nothing, close, close, patience=0.3)

    def test_a_daemon_that_says_nothing_is_asked_and_then_left(self) -> None:
        """For another one, as one that is stopped, or cut off, does not say that it has gone."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes()
            await daemon.is_asked()
            daemon.greets(1, REF_OF_PROBE_REQUEST)
            await daemon.is_asked()
            await daemon.hears_rest()

        async def second(daemon: Connection) -> None:
            self.assertEqual((await daemon.welcomes(cursor=1))["since"], 1)
            daemon.broadcasts(2)
            await farewell(daemon)

        ear = self.play(lambda client, ear: ear.hears(1), first, second, quiet=0.2)
        self.assertEqual(ear.why, ["it takes too long"])

    def test_a_daemon_may_take_its_time_for_a_line(self) -> None:
        """As long as something comes, however little: the line may be slow."""

        async def slow(daemon: Connection) -> None:
            await daemon.welcomes()
            told = json.dumps({"action": "server-broadcast", "from": "bob", "msg": "m", "id": 1, "ts": TS})
            for piece in (told[:20], told[20:40], told[40:60], told[60:]):
                await daemon.is_asked()
                daemon.writer.write(piece.encode())
            await farewell(daemon)

        ear = self.play(lambda client, ear: ear.hears(1), slow, quiet=0.2)
        self.assertEqual((ear.heard_of, ear.why), ([1], []))

    def test_what_the_daemon_can_not_read_is_not_sent_again(self) -> None:
        """It closes the connection for it; what was asked before and behind it is done."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes()
            daemon.acks(await daemon.hears(), 1)
            await daemon.hears()
            await daemon.hears()
            daemon.says(
                "error",
                code="too_long",
                msg="a JSON value is longer than 4096 bytes: shorten it, or split it",
            )

        async def second(daemon: Connection) -> None:
            await daemon.welcomes(cursor=1)
            said = await daemon.hears()
            self.assertEqual(said["msg"], "three")
            daemon.acks(said, 2)
            await farewell(daemon)

        async def talk(client: ReconnectingClient, ear: Ear) -> None:
            one, two, three = (client.ask(c.SendToLobby(text)) for text in ("one", "two", "three"))
            await one
            with self.assertRaises(RefusedByServer) as caught:
                await two
            self.assertEqual(caught.exception.code, "too_long")
            await three

        self.assertEqual(self.play(talk, first, second).heard_of, [1, 2])

    def test_leaving_between_two_connections(self) -> None:
        """Ends it, without another one."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes()

        async def wait(client: ReconnectingClient, ear: Ear) -> None:
            while not ear.why:
                await asyncio.sleep(0)

        ear = self.play(wait, first)
        self.assertEqual(ear.why, ["it closed the connection"])

    def test_one_s_own_image_is_one(self) -> None:
        """An ack makes of it what the others are told."""
        self.own_kind_is(c.SendToLobby("##", "image"), "image")

    def test_one_s_own_action_is_one(self) -> None:
        self.own_kind_is(c.SendToLobby("/me waves"), "action")

    def own_kind_is(self, command: c.SendToLobby, kind: str) -> None:
        """Check of which kind the author sees what ``command`` has sent."""

        async def ack(daemon: Connection) -> None:
            await daemon.welcomes()
            daemon.acks(await daemon.hears(), 1)
            await farewell(daemon)

        async def talk(client: ReconnectingClient, ear: Ear) -> None:
            answer = await client.ask(command)
            assert isinstance(answer, objects.Ack)
            self.assertEqual(getattr(codec.entry_from_ack(command, answer, "alice"), "kind", ""), kind)

        self.play(talk, ack)

    def test_what_has_no_answer_then_is_lost(self) -> None:
        """Whoever waits is told."""

        async def first(daemon: Connection) -> None:
            await daemon.welcomes()
            await daemon.hears()

        lost = []

        async def talk(client: ReconnectingClient, ear: Ear) -> None:
            try:
                await client.ask(c.SendToLobby("m1"))
            except ConnectionLost as error:
                lost.append(str(error))
            await asyncio.Event().wait()

        with self.assertRaises(ConnectionLost):
            self.play(talk, first, patience=0.0)
        self.assertEqual(lost, ["the connection ended before the answer"])

    def test_something_else_at_that_port(self) -> None:
        """Whatever is no line of JSON means nothing; what never ends is no chatd."""

        async def chatter(daemon: Connection) -> None:
            daemon.writer.write(b"220 ready\n{}\n[1]\n\xff\n")
            await daemon.welcomes()
            await daemon.is_asked()
            daemon.writer.write(b"x" * (MAX_VALUE_BYTES + 1))
            await daemon.writer.drain()
            await asyncio.sleep(0)

        with self.assertRaisesRegex(ConnectionLost, "it is no chat$"):
            self.play(nothing, chatter)

    def test_pages_come_by_themselves(self) -> None:
        """What was said before one came is told apart from what one asked for."""

        async def history(daemon: Connection) -> None:
            await daemon.welcomes(cursor=3)
            item = {"id": 3, "seq": 1, "ts": TS, "from": "bob", "msg": "m3", "kind": "message"}
            daemon.says("history", messages=[item], more=True, **{"with": "bob"})
            daemon.broadcasts(4)
            await farewell(daemon)

        ear = self.play(lambda client, ear: ear.hears(1), history)
        self.assertEqual(
            [(codec.conversation_of_page(page), page.more) for page in ear.pages],
            [(codec.ConversationRef("direct", "bob"), True)],
        )
