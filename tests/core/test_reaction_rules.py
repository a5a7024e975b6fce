"""What a reaction may be: emojis and short words, and nothing that hides, blanks out or piles up."""

from __future__ import annotations

from unicodedata import category, normalize

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.reaction_rules import MAX_REACTION_CODE_POINTS, ZERO_WIDTH_JOINER, parse_reaction
from chatd.core.refusals import Refusal


class Parsing(SynchronousTestCase):
    def test_what_people_send(self) -> None:
        family = ZERO_WIDTH_JOINER.join("\U0001f468\U0001f469\U0001f467\U0001f466")
        for reaction in (
            *("+1", "ok", "lol", ":)", "?!", "merci", "\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}\ufe0f"),
            *("1\ufe0f\u20e3", "\U0001f44d\U0001f3fd", "\U0001f1eb\U0001f1f7", family, "\U0001fae8"),
        ):
            self.assertEqual(parse_reaction(reaction), reaction)
        self.assertEqual(parse_reaction("e\u0301te\u0301"), "\u00e9t\u00e9")

    def test_what_is_none(self) -> None:
        for text in (
            *(
                "",
                " ",
                "no way",
                "a\tb",
                "a\nb",
                "\x1b[2J",
                "a\u00a0b",
                "\u202eabc",
                "\u200b",
                "\ufeffx",
                "\x00",
            ),
            *("\u0301", "a\u0301\u0302\u0303\u0304", ZERO_WIDTH_JOINER, f"a{ZERO_WIDTH_JOINER}"),
            *(f"a{ZERO_WIDTH_JOINER * 2}b", "x" * 17, "\ue000", "\ud800"),
            # Drawn as nothing, or told apart from another reaction by nothing that is drawn.
            *("\u3164", "\u2800", "\u115f", "\uffa0", "\ufffc", "a\u034f", "a\ufe00", "a\U000e0100"),
        ):
            refusal = self.assertRaises(Refusal, parse_reaction, text)
            self.assertEqual(refusal.code, "bad_reaction", ascii(text))

    @given(st.text(max_size=20))
    def test_whatever_is_taken(self, text: str) -> None:
        try:
            reaction = parse_reaction(text)
        except Refusal:
            return
        self.assertEqual(parse_reaction(reaction), reaction)
        self.assertEqual(normalize("NFC", text), reaction)
        self.assertTrue(0 < len(reaction) <= MAX_REACTION_CODE_POINTS)
        self.assertEqual(reaction.split(), [reaction])
        kinds = {category(one) for one in reaction if one != ZERO_WIDTH_JOINER}
        self.assertFalse(kinds & {"Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp"})
