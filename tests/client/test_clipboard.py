"""What is said of a text that the terminal may have taken."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.clipboard import copy_result_text
from tests.support.languages import speak


class Copied(SynchronousTestCase):
    def test_no_more_is_claimed_than_is_known(self) -> None:
        speak(self, "en")
        told = "sent to the terminal for its clipboard, if it takes that: 3 characters"
        self.assertEqual(copy_result_text("abc", {}), told)
        in_tmux = copy_result_text("abc", {"TMUX": "/tmp/tmux-1000/default,1,0"})
        self.assertEqual(in_tmux, f"{told}. tmux takes it after: tmux set -s set-clipboard on")
