"""What chatctl shows."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.ctl.render import format_duration, render_answer_lines


class Lines(SynchronousTestCase):
    def test_durations(self) -> None:
        self.assertEqual(
            [format_duration(seconds) for seconds in (0, 59, 3661, 90_061)],
            ["00:00:00", "00:00:59", "01:01:01", "1d 01:01:01"],
        )

    def test_acts(self) -> None:
        act = {"id": 1, "ts": "T", "operator": "@console", "act": "mute", "target": "bob"}
        answer = {
            "action": "server-modlog",
            "acts": [{**act, "until": "U", "reason": "loud\x1b[2J"}, act],
            "more": True,
        }
        self.assertEqual(
            list(render_answer_lines(answer)),
            [
                "1 T @console mute bob until U: loud\ufffd[2J",
                "1 T @console mute bob",
                "further acts follow: see --skip",
            ],
        )

    def test_tokens(self) -> None:
        token = {"token": "deploy", "scope": "read", "groups": ["lobby", "wob"], "made": "T"}
        answer = {"action": "server-tokens", "nick": "bob", "tokens": [{**token, "expires": "E"}, token]}
        self.assertEqual(
            [" ".join(line.split()) for line in render_answer_lines(answer)],
            ["deploy read lobby,wob made T expires E", "deploy read lobby,wob made T expires never"],
        )

    def test_an_answer_that_is_not_known(self) -> None:
        self.assertEqual(list(render_answer_lines({"action": "new", "x": 1})), ['{"action": "new", "x": 1}'])

    def test_a_reload(self) -> None:
        answer = {"action": "control-reload", "changed": [], "needs_restart": ["database", "listen"]}
        self.assertEqual(
            list(render_answer_lines(answer)),
            ["changed: no key of chatd.toml", "needs a restart: database, listen"],
        )

    def test_an_erasure(self) -> None:
        done = {"name": "erased~1", "entries": 7, "complete": True, "outside": "not erased: backups"}
        said = list(render_answer_lines({"action": "control-erase", **done}))
        self.assertEqual(
            said,
            [
                "erased: 7 entries are without their text now; the author is erased~1",
                "not erased: backups",
            ],
        )
        said = list(render_answer_lines({"action": "control-erase", **done, "complete": False}))
        self.assertIn("write-ahead log", said[1])

    def test_operators(self) -> None:
        both = {"nick": "carol", "configured": True, "appointed": True, "registered": True}
        one = {"nick": "dave", "configured": False, "appointed": True, "registered": False}
        self.assertEqual(
            list(render_answer_lines({"action": "control-operators", "operators": [both, one]})),
            [
                "carol           chatd.toml, appointed  registered",
                "dave            appointed       not registered: not in force",
            ],
        )
