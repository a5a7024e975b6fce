"""The table of look-alikes, and its generator."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.confusables import CONFUSABLE_PROTOTYPES
from tools.confusables import module

SAMPLE = """\
# Version: 17.0.0
#
0430 ;\t0061 ;\tMA\t# ( а → a ) CYRILLIC SMALL LETTER A → LATIN SMALL LETTER A\t#

FDFB ;\t062C 0020 006F ;\tMA\t# a prototype with a space
1F514 ;\t1FBFA ;\tMA
"""
NOTICE = "UNICODE LICENSE V3\n\nYou may.\n\nSPDX-License-Identifier: Unicode-3.0\n\n----\nof others\n"


class Table(SynchronousTestCase):
    def test_it_is_the_whole_of_unicode_17(self) -> None:
        self.assertEqual(len(CONFUSABLE_PROTOTYPES), 6565)
        self.assertEqual(
            [CONFUSABLE_PROTOTYPES[ord(char)] for char in "аӏı01Im"], ["a", "l", "i", "O", "l", "l", "rn"]
        )

    def test_no_line_end_comes_of_it(self) -> None:
        self.assertEqual(
            [code for code, alike in CONFUSABLE_PROTOTYPES.items() if len(alike.splitlines()) != 1], []
        )


class Making(SynchronousTestCase):
    def test_a_module_with_its_licence(self) -> None:
        source = module(SAMPLE, NOTICE)
        made: dict[str, object] = {}
        exec(source, made)
        self.assertEqual(made["PROTOTYPES"], {0x430: "a", 0xFDFB: "\u062c o", 0x1F514: "\U0001fbfa"})
        self.assertIn("confusables.txt 17.0.0", source)
        self.assertIn('You may.\n\nSPDX-License-Identifier: Unicode-3.0\n"""', source)
        self.assertNotIn("of others", source)

    def test_other_files_are_refused(self) -> None:
        self.assertRaises(ValueError, module, "0430 ; 0061 ; MA", NOTICE)
        self.assertRaises(ValueError, module, SAMPLE, "MIT")
