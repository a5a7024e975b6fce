"""Which names are allowed, what a refusal says, and which names are the same."""

import ast
import re
from itertools import combinations
from pathlib import Path
from unicodedata import category, is_normalized, normalize

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from precis_i18n import get_profile
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.names import (
    RESERVED_NAMES,
    BadName,
    Name,
    check_new_name,
    check_new_nick,
    check_not_reserved,
    confusable_skeleton,
    confusable_skeletons,
    parse_group,
    parse_nick,
)
from chatd.core.typed_commands import COMMANDS_BY_TEXT_VERB
from chatd.dialects import text as text_dialect

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=40)
# Where case folding, composition and compatibility meet: the letters that break naive keys.
TRICKY = st.text(
    "aAsSßẞσςΣιΙiIİıjǰŉﬀﬃſKÅéÉ①½ªＡ１ͅͺᾳΐᾂᎠꭰ가ᄀ한㌀‼；🎈\u0301\u0308\u0327", min_size=1, max_size=12
)

GOOD = """
    alice x 42 c++ O'Brien a.b-c_d (o_o) <none> %s {x} $HOME a#1 ~ "
    Zoë Straße Łukasz Владимир Ελένη Հայկ שלום محمد علی۱ สมชาย हिन्दी क१ ᎠᎡᎢ
    李alice 가나abc ローマ字2 Дзюдо道 l·l Hawaiʻi ① 😀 🇫🇷 alice🎈 ☕ x² ♥
"""

BAD = {
    "": "a name must have at least one character",
    "bo bby": "a name must not contain spaces: remove U+0020",
    "bob\t": "a name must not contain spaces: remove U+0009",
    "bob\r\n": "a name must not contain spaces: remove U+000D",
    "bo\u00a0b": "a name must not contain spaces: remove U+00A0",
    "bo\u3000b": "a name must not contain spaces: remove U+3000",
    "´bob": "a name must not contain spaces: remove U+00B4",  # stands for a space and an accent
    "b;ob": 'a name must not contain any of ; | , : @ ! * ?: remove ";"',
    "a|b": 'a name must not contain any of ; | , : @ ! * ?: remove "|"',
    "a,b": 'a name must not contain any of ; | , : @ ! * ?: remove ","',
    "a:b": 'a name must not contain any of ; | , : @ ! * ?: remove ":"',
    "a@b": 'a name must not contain any of ; | , : @ ! * ?: remove "@"',
    "a!": 'a name must not contain any of ; | , : @ ! * ?: remove "!"',
    "*": 'a name must not contain any of ; | , : @ ! * ?: remove "*"',
    "who?": 'a name must not contain any of ; | , : @ ! * ?: remove "?"',
    "a；b": "a name must not contain any of ; | , : @ ! * ?: remove U+FF1B",  # fullwidth
    "wow‼": "a name must not contain any of ; | , : @ ! * ?: remove U+203C",  # stands for two of them
    "#room": 'a name must not start with "#"',
    "＃room": 'a name must not start with "#"',
    "\u0301a": "a name must not start with a combining mark: remove U+0301",
    "\uff9eア": "a name must not start with a combining mark: remove U+3099",
    "a\x00": "a name must not contain control characters: remove U+0000",
    "a\x7f": "a name must not contain control characters: remove U+007F",
    "a\u202eb": "a name must not contain invisible characters: remove U+202E",  # right-to-left override
    "a\u2066b": "a name must not contain invisible characters: remove U+2066",
    "a\u200bb": "a name must not contain invisible characters: remove U+200B",
    "a\u200db": "a name must not contain invisible characters: remove U+200D",
    "a\u00adb": "a name must not contain invisible characters: remove U+00AD",
    "a\U000e0041": "a name must not contain invisible characters: remove U+E0041",
    "a\u034fb": "a name may contain only what RFC 8264 allows: remove U+034F",  # default-ignorable marks
    "♥\ufe0f": "a name may contain only what RFC 8264 allows: remove U+FE0F",
    "a\u3164": "a name may contain only what RFC 8264 allows: remove U+1160",
    "a\u2800": "a name must not contain blank characters: remove U+2800",
    "a\ufffd": "a name must not contain blank characters: remove U+FFFD",
    "\ud800": "a name must not contain lone surrogates: remove U+D800",
    "a\ue000": "a name must not contain private-use characters: remove U+E000",
    "a\uffff": "a name must not contain unassigned characters: remove U+FFFF",
    "a\u0378": "a name must not contain unassigned characters: remove U+0378",
    "аlice": "a name must use only one alphabet: choose between Cyrillic and Latin",
    "αlice": "a name must use only one alphabet: choose between Greek and Latin",
    "µTorrent": "a name must use only one alphabet: choose between Greek and Latin",
    "bօb": "a name must use only one alphabet: choose between Armenian and Latin",
    "Ꭺlice": "a name must use only one alphabet: choose between Cherokee and Latin",
    "Ⲁlice": "a name must use only one alphabet: choose between Coptic and Latin",
    "b०b": "a name must use only one alphabet: choose between Devanagari and Latin",
    "а李α": "a name must use only one alphabet: choose between Cyrillic and Greek",
}

SAME = [
    ("alice", "ALICE"),
    ("Straße", "STRASSE", "ｓｔｒａｓｓｅ", "straẞe"),
    ("Σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"),
    ("①", "1", "１", "¹"),
    ("é", "É", "e\u0301", "E\u0301"),
    ("ﬃ", "FFI"),
    ("Ꭰ", "ꭰ"),
    ("Kelvin", "\u212aelvin"),  # the sign of the unit
]


# What nobody can take, though somebody may have it.
NOT_NEW = {
    "ali\u0307ce": "a name must not contain invisible marks: remove U+0307",
    "al\u012f\u0307ce": "a name must not contain invisible marks: remove U+0307",
    "admi\u0307n": "a name must not contain invisible marks: remove U+0307",
    "al\u17d2ice": "a name must not contain invisible marks: remove U+17D2",
    "who\u1039": "a name must not contain invisible marks: remove U+1039",
    "gu\u2d7fest7": "a name must not contain invisible marks: remove U+2D7F",
    "/join": 'a name must not start with "/"',
    "／join": 'a name must not start with "/"',
    "&local": 'a name must not start with "&"',
    "＆local": 'a name must not start with "&"',
    "﹠local": 'a name must not start with "&"',
    "x\u0323\u0334\u0335y": "a name may have at most 2 combining marks on a letter: remove U+0323",
    "ก็็็": "a name may have at most 2 combining marks on a letter: remove U+0E47",
    "x\u20dd\u20dd\u20dd": "a name may have at most 2 combining marks on a letter: remove U+20DD",
    "server": '"server" is reserved: choose another name',
    "ＡＤＭＩＮ": '"admin" is reserved: choose another name',
    "Annonce": '"annonce" is reserved: choose another name',
    "ſerver": '"server" is reserved: choose another name',
    "Guest": '"guest" is reserved: choose another name',
    "GUEST7": '"guest7" is reserved: choose another name',
    "guest²": '"guest2" is reserved: choose another name',
    "r00t": "it looks like root: choose another name",
    "Iobby": "it looks like lobby: choose another name",
    "adrnin": "it looks like admin: choose another name",
    "ѕегѵег": "it looks like server: choose another name",
    "НЕLP": "a name must use only one alphabet: choose between Cyrillic and Latin",
    "guestl": "it looks like guest: choose another name",
    "guestO1": "it looks like guest: choose another name",
    "guests": "",
    "guesthouse": "",
    "ᾂ": "",
    "Việt": "",
    "ที่นี่": "",
    "ကြောင့်": "",
    "a/b": "",
}

ATTACKS = {
    "alice": "a1ice AIice aIice alıce ɑlice AL1CE ALlCE аӏісе аІісе а1ісе",
    "Mike": "rnike Rnike MlKE M1ke МІКЕ",
    "misha": "Міѕһа",
    "bob": "b0b B0B",
    "oscar": "0scar",
    "scope": "ѕсоре ЅСОРЕ",
    "Ilse": "llse 1lse",
    "naïve": "na\u0131\u0308ve",
    "Élodie": "É1odie",
}
"""Name -> names that look like it, each in one alphabet."""

ORDINARY = """
    alice alicia alina ali all ann anna bill bell bob rob ian lan ilse lise elsie carl clara carol dave david
    eva eve frank hans hanna ivan ines jim joan john lea leo lia liam lisa luis louis mark max mia milan
    mina nina nora otto paul paula rita rosa ruth sam sara tim tom uma una vera will zoe zoë zoé straße
    вова борис борислав анна ольга Σίσυφος שלום محمد 李 王 山 川 user2 user3 bot5 bot6 x y z é è ê 😀 😁
"""


def refused(text: str) -> str:
    """Why a new user cannot take the name `text`, empty if it is allowed."""
    try:
        check_new_nick(parse_nick(text))
    except BadName as bad:
        return bad.reason
    return ""


def alike(one: str, other: str) -> bool:
    """Whether two names look alike."""
    return bool(confusable_skeletons(parse_group(one)) & confusable_skeletons(parse_group(other)))


def reason(text: str) -> str:
    """Why `text` is no name, empty if it is one."""
    try:
        parse_nick(text)
    except BadName as bad:
        return bad.reason
    return ""


class Allowed(SynchronousTestCase):
    def test_good_names_are_shown_as_written(self) -> None:
        self.assertEqual([parse_nick(name).original for name in GOOD.split()], GOOD.split())

    def test_bad_names_are_refused_with_what_to_do(self) -> None:
        self.assertEqual({name: reason(name) for name in BAD}, BAD)

    def test_a_nick_has_32_characters_and_a_group_64(self) -> None:
        for parse, limit in (parse_nick, 32), (parse_group, 64):
            for letter in "a", "é", "e\u0301", "😀":
                self.assertEqual(len(parse(letter * limit).original), limit)
                refused = self.assertRaises(BadName, parse, letter * (limit + 1))
                self.assertEqual(refused.reason, f"a name may have at most {limit} characters: shorten it")

    def test_length_counts_after_normalisation(self) -> None:
        self.assertEqual(parse_nick("α\u0313\u0300\u0345" * 32).original, "ᾂ" * 32)

    def test_new_names_are_refused_more(self) -> None:
        self.assertEqual({name: refused(name) for name in NOT_NEW}, NOT_NEW)

    def test_marks_that_are_seen_are_good(self) -> None:
        for name in (
            "e\u0301va",
            "\u0130lker",
            "x\u0307",
            "a\u0323\u0307",
            "\u0926\u0940\u092a\u0915",
            "\u0e19\u0e49\u0e33",
        ):
            self.assertEqual(refused(name), "", name)

    def test_good_names_are_good_for_new_people(self) -> None:
        names = [name for name in GOOD.split() if name[0] not in "~%+$"]
        self.assertEqual({name: refused(name) for name in names}, dict.fromkeys(names, ""))

    def test_a_new_nick_does_not_begin_as_a_role_on_irc(self) -> None:
        """Also in another width; who has such a nick keeps it, and a group may have such a name."""
        for text, char in (
            ("~bob", "~"),
            ("%bob", "%"),
            ("+bob", "+"),
            ("$bob", "$"),
            ("＋bob", "+"),
            ("～bob", "~"),
        ):
            self.assertEqual(refused(text), f'a name must not start with "{char}"')
            self.assertEqual(reason(text), "")
            check_new_name(parse_group(text))
        for text in ("b~b", "b%", "c++", "2nd", "-", "_"):
            self.assertEqual(refused(text), "")

    def test_reserved_words_are_reserved_even_for_whom_they_are_known(self) -> None:
        for name in *RESERVED_NAMES, "SERVER", "Annonce", "guest1", "GUEST999", "ｇｕｅｓｔ":
            self.assertRaises(BadName, check_not_reserved, parse_nick(name))
        for name in "r00t", "/join", "guests", "servers", "Nick", "user":
            check_not_reserved(parse_nick(name))

    def test_what_begins_a_line_of_text_is_reserved(self) -> None:
        tree = ast.parse(Path(text_dialect.__file__).read_text("utf-8"))
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        written = [
            value.decode() if isinstance(value, bytes) else str(value)
            for value in constants
            if isinstance(value, str | bytes)
        ]
        words = {found[0].lower() for value in written if (found := re.match(r"[A-Z]{3}(?=[ \n]|\Z)", value))}
        self.assertLess({"who", "arr", "arv", "lst", "gev", "end"}, words)
        self.assertEqual(words - RESERVED_NAMES, set())
        self.assertEqual({word.lower() for word in COMMANDS_BY_TEXT_VERB} - RESERVED_NAMES, set())

    @settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(ANY_TEXT | TRICKY)
    def test_a_letter_has_two_marks_at_most(self, text: str) -> None:
        name = new_or_skip(text)
        stacked = "".join("m" if category(char) in ("Mn", "Me") else "-" for char in name.original)
        self.assertNotIn("mmm", stacked)

    @settings(deadline=None)
    @given(ANY_TEXT | TRICKY)
    def test_any_text_is_a_name_or_a_refusal(self, text: str) -> None:
        try:
            shown = parse_group(text).original
        except BadName as bad:
            self.assertTrue(bad.reason)
        else:
            self.assertEqual(shown, normalize("NFC", text))


class Identity(SynchronousTestCase):
    def test_case_width_and_form_are_ignored(self) -> None:
        for names in SAME:
            self.assertEqual(len({parse_nick(name).normalized for name in names}), 1, names)

    def test_accents_and_punctuation_tell_people_apart(self) -> None:
        self.assertEqual(
            len({parse_nick(name).normalized for name in ("zoe", "zoë", "zoé", "zoe.", "zoe_")}), 5
        )

    def test_the_shown_form_keeps_its_case(self) -> None:
        self.assertEqual(parse_nick("E\u0301lodie"), Name("Élodie", "élodie"))

    @settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(ANY_TEXT | TRICKY)
    @example("ᾲ")
    @example("ŉ")
    def test_a_key_is_a_name_with_itself_as_key(self, text: str) -> None:
        key = name_or_skip(text).normalized
        assume(len(key) <= 64)
        self.assertEqual(parse_group(key), Name(key, key))
        self.assertTrue(is_normalized("NFC", key))

    @settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(ANY_TEXT | TRICKY)
    def test_spelling_of_accents_does_not_matter(self, text: str) -> None:
        name = name_or_skip(text)
        self.assertEqual(parse_group(normalize("NFD", text)), name)

    @settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40))
    def test_plain_ascii_skips_precis_and_agrees_with_it(self, text: str) -> None:
        name = name_or_skip(text)
        self.assertEqual(name.normalized, get_profile("NicknameCaseMapped").enforce(text).casefold())


class Likeness(SynchronousTestCase):
    def test_attacks(self) -> None:
        for name, impostors in ATTACKS.items():
            for impostor in impostors.split():
                with self.subTest(name, impostor=impostor):
                    self.assertNotEqual(parse_nick(impostor).normalized, parse_nick(name).normalized)
                    self.assertTrue(alike(name, impostor))

    def test_ordinary_names_do_not_look_alike(self) -> None:
        pairs = combinations(ORDINARY.split(), 2)
        self.assertEqual([(one, other) for one, other in pairs if alike(one, other)], [])

    def test_guests_do_not_look_alike(self) -> None:
        guests = [confusable_skeletons(parse_nick(f"guest{number}")) for number in range(1, 1000)]
        self.assertEqual(len(set().union(*guests)), sum(map(len, guests)))

    def test_a_name_looks_like_itself_in_any_case(self) -> None:
        for name in ORDINARY.split():
            self.assertTrue(alike(name, parse_group(name).normalized))

    @settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(ANY_TEXT | TRICKY | st.text("aIl1O0omrn|%Ǆӏﺁ", max_size=8))
    @example("Ǆ")
    @example("ﺁ")
    def test_a_skeleton_is_its_own(self, text: str) -> None:
        shown, key = name_or_skip(text)
        for form in shown, key:
            self.assertEqual(confusable_skeleton(confusable_skeleton(form)), confusable_skeleton(form))

    @settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12))
    def test_plain_ascii_takes_a_short_way_to_the_same(self, text: str) -> None:
        self.assertEqual(confusable_skeleton(text), confusable_skeleton(text + "é").removesuffix("e\u0301"))


def new_or_skip(text: str) -> Name:
    """The parsed nick; an example that is not allowed is discarded."""
    name = name_or_skip(text)
    try:
        check_new_name(name)
    except BadName:
        assume(False)
    return name


def name_or_skip(text: str) -> Name:
    """The parsed name of a group; an example that is none is discarded."""
    try:
        return parse_group(text)
    except BadName:
        assume(False)
        raise
