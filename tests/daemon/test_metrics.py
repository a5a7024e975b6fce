"""Every metric says what has happened, and nothing of who said what."""

from __future__ import annotations

import sqlite3

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.limits import Limits
from chatd.core.refusals import REFUSAL_SENTENCES
from chatd.daemon.metrics import METRICS, REACTOR_LAG_MEASUREMENT_INTERVAL_SECONDS, ReactorLag
from tests.support.in_memory_daemon import UNTHROTTLED
from tests.support.monitoring_case import WIRES, MonitoringTestCase

FULL = sqlite3.OperationalError("database or disk is full")


class Values(MonitoringTestCase):
    def test_connections_and_users(self) -> None:
        """By wire, before the wire is known as well, and gone when they are gone."""
        alice = self.stage.json("alice")
        self.stage.text("bob"), self.stage.connect("tp6").says(b"/help\n"), self.stage.connect("tp6-bonus")
        undetected = self.stage.connect("auto")
        metrics = self.metrics()
        self.assertEqual(
            {wire: metrics[f'chatd_connections{{wire="{wire}"}}'] for wire in (*WIRES, "undetected")},
            {"json": 1, "text": 1, "tp6": 1, "tp6-bonus": 0, "undetected": 2},
        )
        self.assertEqual((metrics["chatd_sessions"], metrics["chatd_users_online"]), (2, 2))
        undetected.says("IAM carol")
        alice.hangs_up()
        metrics = self.metrics()
        self.assertEqual(metrics['chatd_connections{wire="text"}'], 2)
        self.assertEqual(metrics['chatd_connections{wire="json"}'], 0)
        self.assertEqual(metrics["chatd_users_online"], 2)

    def test_sessions_of_one_user(self) -> None:
        alice = self.stage.json("alice")
        alice.asks(action="register", password="correct horse battery")
        self.stage.json("alice", password="correct horse battery")
        metrics = self.metrics()
        self.assertEqual((metrics["chatd_sessions"], metrics["chatd_users_online"]), (2, 1))

    def test_messages_by_wire_and_kind(self) -> None:
        """Actions and notices are messages; events, what is refused, and what is sent twice are none."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        for _ in range(2):
            alice.asks(action="client-broadcast", msg="1", ref="a")
        alice.asks(action="client-broadcast", msg="2", kind="notice").asks(action="cgroupe", group="wob")
        alice.asks(action="gbroadcast", group="wob", msg="3").asks(action="client-broadcast", msg=" ")
        bob.says("s;alice;/me waves").says("PRV alice 5").says("bg;wob;6")
        carol = self.stage.connect("tp6").says(b"Hello|carol\n")
        self.stage.wait(0.1)
        carol.says(b"salut\n")
        self.stage.wait(0.1)
        counted = {
            name.partition("{")[2]: value
            for name, value in self.metrics().items()
            if name.startswith("chatd_messages_total") and value
        }
        self.assertEqual(
            counted,
            {
                'kind="lobby",wire="json"}': 2,
                'kind="group",wire="json"}': 1,
                'kind="direct",wire="text"}': 2,
                'kind="lobby",wire="tp6"}': 1,
            },
        )

    def test_refusals_and_logins_that_were_refused(self) -> None:
        """A refused login is a refusal, too, also one that another command has brought along."""
        self.stage.json("alice").asks(action="leave", group="wob")
        self.stage.connect("json").asks(action="client-hello", from_="alice")
        self.stage.connect("json").asks(action="client-broadcast", from_="alice", msg="x")
        self.stage.text("bob").says("j;wob")
        metrics = self.metrics()
        codes = ("no_such_group", "nick_taken")
        self.assertEqual([metrics[f'chatd_refusals_total{{code="{code}"}}'] for code in codes], [2, 2])
        self.assertEqual(metrics['chatd_refused_logins_total{code="nick_taken"}'], 2)
        self.assertEqual(sum(value for name, value in metrics.items() if "refused_logins" in name), 2)

    def test_a_wrong_password_is_a_refused_login(self) -> None:
        alice = self.stage.json("alice")
        alice.asks(action="register", password="correct horse battery")
        self.stage.connect("json").asks(action="client-hello", from_="alice", password="wrong password")
        metrics = self.metrics()
        self.assertEqual(metrics['chatd_refused_logins_total{code="wrong_password"}'], 1)
        self.assertEqual(metrics['chatd_refusals_total{code="wrong_password"}'], 1)

    def test_transactions(self) -> None:
        alice = self.stage.json("alice")
        before = self.metrics()
        alice.says(b"".join(b'{"action":"broadcast","msg":"%d"}\n' % number for number in range(3)))
        metrics = self.metrics()
        for name, more in (
            ("chatd_commit_seconds_count", 1),
            ("chatd_commit_tasks_count", 1),
            ("chatd_commit_tasks_sum", 3),
            ('chatd_commit_tasks_bucket{le="2"}', 0),
            ('chatd_commit_tasks_bucket{le="4"}', 1),
            ('chatd_commit_tasks_bucket{le="+Inf"}', 1),
            ("chatd_failed_commits_total", 0),
        ):
            self.assertEqual(metrics[name] - before[name], more, name)
        self.stage.writer.error = FULL
        alice.asks(action="broadcast", msg="lost")
        self.assertEqual(self.metrics()["chatd_failed_commits_total"], 1)

    def test_what_waits(self) -> None:
        """For a transaction, for a client that does not read, and for a hash."""
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        bob.wire.stuck = True
        alice.asks(action="broadcast", msg="x" * 1_000).asks(action="broadcast", msg="y" * 1_000)
        self.stage.passwords.held = True
        bob.asks(action="register", password="correct horse battery")
        self.stage.writer.held = True
        for _ in range(3):
            alice.asks(action="broadcast", msg="z")
        metrics = self.metrics()
        self.assertGreater(metrics["chatd_outbox_bytes"], 1_000)
        self.assertEqual((metrics["chatd_journal_queue"], metrics["chatd_password_queue"]), (2, 1))
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
        self.stage.writer.held = False
        self.assertEqual(self.metrics()["chatd_journal_queue"], 0)

    def test_the_database(self) -> None:
        metrics = self.metrics()
        self.assertEqual(metrics["chatd_database_bytes"], self.stage.journal.database_bytes)
        self.assertEqual(metrics["chatd_database_limit_bytes"], Limits().database_size)

    def test_a_client_that_is_cut_because_it_does_not_read(self) -> None:
        bob = self.stage.json("bob")
        bob.wire.stuck = True
        alice = self.stage.json("alice")
        for _ in range(UNTHROTTLED.outbox // 8_000 + 2):
            alice.asks(action="broadcast", msg="x" * 8_000)
        self.assertEqual(self.metrics()['chatd_refusals_total{code="slow_consumer"}'], 1)


class Page(MonitoringTestCase):
    def test_prometheus_can_read_it(self) -> None:
        """And each metric of the table is there, with its help."""
        self.stage.text("alice").says("MSG hello")
        families = {
            family.name: family for family in text_string_to_metric_families(self.get("/metrics").body)
        }
        for declared in METRICS:
            family = families[declared.name.removesuffix("_total")]
            self.assertEqual((family.type, family.documentation), (declared.kind, declared.help))
            labels = {name for sample in family.samples for name in sample.labels} - {"le"}
            self.assertEqual(labels, set(declared.labels), declared.name)
        self.assertIn("process_resident_memory_bytes", families)

    def test_every_refusal_is_there_before_it_happens(self) -> None:
        """So that its first occurrence is an increase."""
        metrics = self.metrics()
        self.assertEqual(
            {metrics[f'chatd_refusals_total{{code="{code}"}}'] for code in REFUSAL_SENTENCES}, {0}
        )

    def test_it_says_nothing_of_who_said_what_to_whom(self) -> None:
        """Nor from where, on any wire, whether it was done or refused."""
        alice, bob = self.stage.json("aurelia"), self.stage.text("balthasar")
        alice.asks(action="register", password="quokka-wombat-numbat")
        alice.asks(action="cgroupe", group="conspiracy", visibility="private")
        alice.asks(action="invite", group="conspiracy", dest="balthasar")
        bob.says("j;conspiracy").says("bg;conspiracy;dagger").says("s;aurelia;poison")
        alice.asks(action="gbroadcast", group="conspiracy", msg="dagger")
        alice.asks(action="topic", group="conspiracy", topic="ides")
        alice.asks(action="broadcast", msg="friends", ref="romans")
        room = self.stage.connect("tp6", "192.0.2.77").says(b"Hello|calpurnia\n")
        self.stage.wait(0.5)
        room.says(b"/msg aurelia omen\n")
        self.stage.wait(0.5)
        guesser = self.stage.connect("json", "2001:db8::77")
        guesser.asks(action="client-hello", from_="aurelia", password="guess-guess")
        self.stage.connect("text").says("IAM dolabella").says("MSG et tu").says("nonsense;aurelia")
        page = self.get("/metrics").body + self.get("/healthz").body
        people = ("aurelia", "balthasar", "calpurnia", "dolabella", "192.0.2", "2001:", "127.0.0.1")
        talk = ("conspiracy", "dagger", "poison", "ides", "friends", "romans", "omen", "et tu", "nonsense")
        for word in (*people, *talk, "quokka", "guess-guess"):
            self.assertNotIn(word, page)
        self.assertIn('chatd_messages_total{kind="direct",wire="text"} 1.0', page)

    def test_labels_are_words_that_the_daemon_has_chosen(self) -> None:
        """Whatever clients send: their number is bounded."""
        before = self.metrics().keys()
        for number in range(30):
            peer = self.stage.json(f"user{number}")
            peer.asks(action=f"action{number}").asks(action="send", dest=f"nobody{number}", msg="x")
        self.assertEqual(self.metrics().keys(), before)


class Lag(SynchronousTestCase):
    def test_it_is_how_late_a_timer_is(self) -> None:
        clock = Clock()
        lag = ReactorLag(clock)
        lag.start()
        clock.advance(REACTOR_LAG_MEASUREMENT_INTERVAL_SECONDS)
        clock.advance(REACTOR_LAG_MEASUREMENT_INTERVAL_SECONDS + 0.3)
        self.assertEqual(sum(lag.seconds.counts), 2)
        self.assertAlmostEqual(lag.seconds.total, 0.3)
        lag.stop()
        self.assertEqual(clock.getDelayedCalls(), [])
