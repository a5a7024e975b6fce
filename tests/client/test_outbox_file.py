"""The file of unsent messages: what the next run finds in it."""

from __future__ import annotations

import stat
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY
from chatd.client.outbox import Outbox
from chatd.client.outbox_file import MAX_SETTLED_BYTES, OUTBOX_SUFFIX, Draft, OutboxFile, UnsentMessage
from chatd.core import commands as c


def message(ref: str, text: str = "hi", failure: str = "") -> UnsentMessage:
    """A message to the lobby."""
    return UnsentMessage(ref, "lobby", "", text, "message", float(ref), failure)


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        """A folder that does not exist yet."""
        self.folder = Path(self.mktemp()) / "state"

    def file(self, stem: str = "alice") -> OutboxFile:
        """One more run of the client."""
        return OutboxFile(self.folder, stem)

    def found(self, stem: str = "alice") -> list[str]:
        """What the next run finds; it finds nothing a second time."""
        file = self.file(stem)
        refs = [one.ref for one in file.take_over_earlier_messages()]
        for ref in refs:
            file.remove_message(ref)
        file.close()
        return refs

    def test_what_is_not_settled_is_found_once(self) -> None:
        file = self.file()
        for ref in ("1", "2", "3"):
            file.store_message(message(ref))
        file.remove_message("2")
        self.assertEqual(stat.S_IMODE(file.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)
        self.assertEqual(self.found(), [], "another client still runs")
        file.close()
        self.assertEqual(self.found("bob"), [])
        self.assertEqual(self.found(), ["1", "3"])
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_drafts_are_kept_beside_messages(self) -> None:
        """The last one of each conversation; those of two runs are put together."""
        runs = [self.file(), self.file()]
        for number, file in enumerate(runs):
            file.store_draft(Draft("group", "wob", f"begun {number}"))
            file.store_draft(Draft("lobby", "", "x"))
            file.store_draft(Draft("lobby", "", ""))
            file.store_message(message("1"))
            file.remove_message("1")
        for file in runs:
            self.assertEqual(stat.S_IMODE(file.path.stat().st_mode), 0o600)
            file.close()
        later = self.file()
        self.assertEqual(later.take_over_earlier_messages(), [])
        (draft,) = later.drafts
        self.assertEqual((draft.name, sorted(draft.text.split("\n"))), ("wob", ["begun 0", "begun 1"]))
        later.store_draft(Draft("group", "wob", ""))
        later.close()
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_file_with_a_draft_stays_small(self) -> None:
        file = self.file()
        file.store_draft(Draft("group", "wob", "begun"))
        for ref in ("1", "2"):
            file.store_message(message(ref, "x" * MAX_SETTLED_BYTES))
            file.remove_message(ref)
            self.assertLess(file.path.stat().st_size, 1024)
        file.close()
        later = self.file()
        self.assertEqual(
            (later.take_over_earlier_messages(), [one.text for one in later.drafts]), ([], ["begun"])
        )

    def test_a_file_with_nothing_in_it_goes(self) -> None:
        file = self.file()
        file.store_message(message("1"))
        file.remove_message("1")
        self.assertEqual(file.path.stat().st_size, 0)
        file.close()
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_what_is_damaged_is_skipped(self) -> None:
        """A line that was not written to its end, one of a later version, and none of JSON."""
        file = self.file()
        file.store_message(message("1"))
        file.close()
        with file.path.open("ab") as damaged:
            damaged.write(b'\xff\n[]\n{"message":7}\n{"settled":"9"}\n{"message":{"ref":"2"')
        self.assertEqual(self.found(), ["1"])

    def test_no_link_is_followed(self) -> None:
        """Somebody else's file is neither read nor deleted."""
        self.folder.mkdir(parents=True)
        target = self.folder / "target"
        target.write_text("mine")
        (self.folder / f"alice.x{OUTBOX_SUFFIX}").symlink_to(target)
        self.assertEqual(self.found(), [])
        self.assertEqual(target.read_text(), "mine")

    def test_a_folder_that_can_not_be_written(self) -> None:
        """Is told once, and the messages are kept in memory."""
        self.folder.parent.mkdir(parents=True)
        self.folder.write_text("a file")
        told: list[str] = []
        outbox = Outbox(told.append)
        outbox.open_file(self.file())
        for _ in range(2):
            outbox.add(c.SendToLobby("hi"), LOBBY)
        self.assertEqual((len(told), outbox.waiting_count, outbox.is_on_disk), (1, 2, False))

    @given(
        st.lists(
            st.tuples(st.sampled_from(["keep", "fail", "settle", "restart"]), st.integers(1, 5)), max_size=30
        )
    )
    def test_any_history(self, steps: list[tuple[str, int]]) -> None:
        """What is kept and not settled is there after every restart."""
        with TemporaryDirectory() as folder:
            file, kept = OutboxFile(Path(folder), "alice"), dict[str, str]()
            for step, number in steps:
                ref = str(number)
                if step in ("keep", "fail"):
                    kept[ref] = "why" if step == "fail" else ""
                    file.store_message(message(ref, failure=kept[ref]))
                elif step == "settle":
                    kept.pop(ref, None)
                    file.remove_message(ref)
                else:
                    file.close()
                    file = OutboxFile(Path(folder), "alice")
                    self.assertEqual(
                        {one.ref: one.failure for one in file.take_over_earlier_messages()}, kept
                    )
            file.close()
            self.assertEqual(len(list(Path(folder).iterdir())), bool(kept))
