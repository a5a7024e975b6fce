"""Names of people and of groups: which are allowed, when two of them are the same, and when they look alike.

A name has two forms. The shown one keeps its case; the key says who it is: `Straße`, `STRASSE` and
`ｓｔｒａｓｓｅ` are one person. Keys come from PRECIS (RFC 8264) and its profile for nicknames (RFC 8266).
Names with different keys may look alike (`alice` and `a1ice`); UTS 39 says which do.

`parse_nick` and `parse_group` accept every name that may be stored. `check_new` is stricter: it applies only
when a name is taken for the first time, so it can be tightened without locking anybody out.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import category, normalize

from precis_i18n import get_profile

from chatd.core.confusables import PROTOTYPES
from chatd.core.language import N_
from chatd.core.refusals import Phrase, reason

NICK_LIMIT = 32
GROUP_LIMIT = 64
"""The longest names, in code points after NFC."""

RESERVED: Final = frozenset(
    word
    for words in (
        "server admin root lobby guest",  # who answers, who would be obeyed, and where everyone is
        # the text wire
        "who iam msg prv bye err tkn arr arv lft lst bck ack gms gev mbr grp his sta cnv hlp help end inf",
        "hello annonce erreur welcome vous salons historique conversations commandes",  # the TP6 chat room
        "nick user pass cap join part privmsg notice quit ping pong error authenticate",  # IRC
    )
    for word in words.split()
)
"""The keys of names that nobody can take. `guest` with a number is reserved too: the daemon gives it out."""

MOST_MARKS: Final = 2
"""Combining marks on one letter: Vietnamese and Thai need two, and a pile of them covers other lines."""

NAMES_REMEMBERED = 8_192
"""Parsed names kept: more than people talking at once, and some 20 MB if every one of them is hostile."""

# NFC turns at most four code points into one (U+1F82 is alpha and three marks), so whatever is longer than
# four times the limit stays too long, and isn't worth normalising.
_SHRINKS_AT_MOST = 4

_SYNTAX = ";|,:@!*?"
# Drawn as nothing or as a box, though Unicode has them as symbols.
_BLANKS = "\u2800\ufffc\ufffd\U00016fe4\U0001d159"
_REFUSED_CATEGORIES = {
    "Cc": "control",
    "Cf": "invisible",
    "Cn": "unassigned",
    "Co": "private_use",
    "Cs": "surrogate",
}

# ASCII that needs no second look: every printable character but the syntax, and no leading "#".
_PLAIN = re.compile(rf"(?!#)[^\x00-\x20\x7f-\U0010ffff{re.escape(_SYNTAX)}]+")

# East Asian writing mixes with an alphabet without looking like it (compare UTS 39, "highly restrictive"), as
# do ASCII digits.
_MIXES = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "MODIFIER", "DIGIT"}

# Unicode names of marks that fit letters of any alphabet begin so.
_ANY_LETTER = {"COMBINING"}

_DOT_ABOVE = "\u0307"
# Letters whose own dot hides a second one: Unicode's Soft_Dotted, as far as names may have such letters.
_SOFT_DOTTED = frozenset("ij\u0249\u0268\u029d\u03f3\u0456\u0458")

_PRECIS = get_profile("NicknameCaseMapped")

# Skeletons of single ASCII characters. `skeleton` does m itself (rn); % and " take its slow way.
_ASCII = "".join(
    alike if len(alike := PROTOTYPES.get(code, chr(code))) == 1 else chr(code) for code in range(128)
)

ALPHABETS: Final = (
    N_("Arabic"),
    N_("Armenian"),
    N_("Cherokee"),
    N_("Coptic"),
    N_("Cyrillic"),
    N_("Greek"),
    N_("Hebrew"),
    N_("Latin"),
)
"""Names of alphabets that have another name in other languages."""

_STARTS = ("#", "/", "&")
_GUEST = re.compile(r"guest[0-9]*")
# The same as a skeleton, where 0 looks like O and 1 like l.
_LIKE_GUEST = re.compile(r"guest[ol2-9]*", re.IGNORECASE)


class BadName(ValueError):
    """A name that nobody may carry.

    `reason` is a sentence for the peer that chose it, and says what to do about it.
    """

    def __init__(self, reason: Phrase) -> None:
        super().__init__(reason)
        self.reason = reason


class Name(NamedTuple):
    """A name as it is `shown` (NFC, case kept), and its identity, `key`: equal keys are the same name."""

    shown: str
    key: str


def parse_nick(text: str) -> Name:
    """Read the name of a person: 1 to 32 code points. Raises `BadName`."""
    return _parse(text, NICK_LIMIT)


def parse_group(text: str) -> Name:
    """Read the name of a group: 1 to 64 code points. Raises `BadName`."""
    return _parse(text, GROUP_LIMIT)


def check_reserved(name: Name) -> None:
    """Raises `BadName` if ``name`` is reserved, in whatever case or width."""
    if name.key in RESERVED or _GUEST.fullmatch(name.key):
        raise BadName(reason("reserved", name=name.key))


def check_new(name: Name) -> None:
    """Raises `BadName` if nobody can take ``name``, though somebody may have it from an older daemon."""
    check_reserved(name)
    for form in name:
        if form.startswith(_STARTS):
            raise BadName(reason("start", char=form[0]))
    _check_marks(name.shown)
    for look in looks(name):
        if word := _RESERVED_LOOKS.get(look):
            raise BadName(reason("look_alike", name=word))
        if _LIKE_GUEST.fullmatch(look):
            raise BadName(reason("look_alike", name="guest"))


def skeleton(text: str) -> str:
    """The string that stands for all that look like ``text`` (UTS 39, section 4).

    Nothing is removed as UTS 39 does, since a name has no ignorable characters, and the mapping is repeated
    until nothing changes, since Unicode's data alone leaves some Arabic and Croatian letters half done.
    """
    if text.isascii() and "%" not in text and '"' not in text:
        return text.replace("m", "rn").translate(_ASCII)  # the same, ten times as fast
    while (alike := normalize("NFD", normalize("NFD", text).translate(PROTOTYPES))) != text:
        text = alike
    return text


def looks(name: Name) -> set[str]:
    """What ``name`` looks like: names that have one of these in common look alike.

    They are skeletons of the name as it is shown, unless that is its key, of its key, and of its key in
    capitals. The first two are folded as well, so that `AIice` looks like `alice` though its A is a capital.
    The capitals are not, so that `Ilse` and `Lise` stay apart; `ALlCE`, as it is shown, looks like `alice` in
    capitals.
    """
    shown, key = name
    found = {skeleton(skeleton(key).casefold()), skeleton(key.upper())}
    if shown != key:
        as_shown = skeleton(shown)
        found.update((as_shown, skeleton(as_shown.casefold())))
    return found


_RESERVED_LOOKS: Final = {look: word for word in sorted(RESERVED) for look in looks(Name(word, word))}


# PRECIS takes some 14 µs a name, and the same names come in every message. What is refused isn't remembered.
@lru_cache(NAMES_REMEMBERED)
def _parse(text: str, limit: int) -> Name:
    if not text:
        raise BadName(reason("no_name"))
    if len(text) > limit * _SHRINKS_AT_MOST:
        raise _too_long(limit)
    plain = _PLAIN.fullmatch(text)
    shown = text if plain else normalize("NFC", text)
    if len(shown) > limit:
        raise _too_long(limit)
    if plain:
        return Name(shown, shown.lower())
    _check_characters(shown)
    key = _identity(shown)
    _check_start(shown)
    _check_start(key)
    _check_alphabets(key)
    return Name(shown, key)


def _identity(shown: str) -> str:
    """The form in which equal names are equal, and which is its own identity.

    Case folding comes on top of PRECIS, whose lower case tells `ß` from `SS` and `ς` from `Σ`.
    """
    try:
        mapped = _PRECIS.enforce(shown)
    except UnicodeEncodeError as refusal:
        culprits = ", ".join(map(_spell, refusal.object[refusal.start : refusal.end]))
        raise BadName(reason("precis", chars=culprits)) from None
    return normalize("NFC", mapped.casefold())


def _check_characters(shown: str) -> None:
    """Refuse what breaks a line, hides or is syntax of a wire, and what only stands for such a character."""
    for char in shown:
        for meant in char + normalize("NFKC", char):
            if meant.isspace():
                wrong = "space"
            elif meant in _SYNTAX:
                wrong = "syntax"
            elif meant in _BLANKS:
                wrong = "blank"
            elif not (wrong := _REFUSED_CATEGORIES.get(category(meant), "")):
                continue
            raise BadName(reason(wrong, char=_spell(char), syntax=" ".join(_SYNTAX)))


def _check_start(form: str) -> None:
    if form.startswith("#"):
        raise BadName(reason("start", char="#"))
    if category(form[0]).startswith("M"):
        raise BadName(reason("combining", char=_spell(form[0])))


def _check_marks(shown: str) -> None:
    """Refuse a pile of marks, and one that can't be seen: of another alphabet, or a second dot on an i.

    Those that take a place of their own, as vowels in India do, are no pile.
    """
    marks, base = 0, ""
    for char in normalize("NFD", shown):
        kind = category(char)
        if not kind.startswith("M"):
            base = char
        elif char == _DOT_ABOVE and base in _SOFT_DOTTED:
            raise BadName(reason("hidden_mark", char=_spell(char)))
    for char in shown:
        kind = category(char)
        if kind in ("Mn", "Me"):
            marks += 1
            if marks > MOST_MARKS:
                raise BadName(reason("marks", limit=MOST_MARKS, char=_spell(char)))
        elif kind != "Mc":
            marks = 0
    alphabets = _alphabets(shown)
    for char in shown:
        if category(char).startswith("M") and _alphabet(char) not in alphabets | _MIXES | _ANY_LETTER:
            raise BadName(reason("hidden_mark", char=_spell(char)))


def _check_alphabets(key: str) -> None:
    """Refuse `аlice`, whose first letter is Cyrillic, and `b०b`, whose middle is a digit of Devanagari.

    Nearly every alphabet has something that looks like an `o` or an `l`, so none of them mixes with another.
    """
    alphabets = _alphabets(key)
    if len(alphabets) > 1:
        *others, last = sorted(alphabet.capitalize() for alphabet in alphabets)
        other: object = Phrase(others[0]) if len(others) == 1 else ", ".join(others)
        raise BadName(reason("alphabets", others=other, last=Phrase(last)))


def _alphabets(text: str) -> set[str]:
    return {_alphabet(char) for char in text if char.isalpha() or char.isdecimal()} - _MIXES


def _alphabet(char: str) -> str:
    """The first word of a character's name (`LATIN`, `ARABIC`, `CJK`): Python has no table of scripts."""
    words = unicodedata.name(char, "UNNAMED").removeprefix("EXTENDED ")  # EXTENDED ARABIC-INDIC DIGIT ONE
    return words.replace("-", " ").partition(" ")[0]


def _too_long(limit: int) -> BadName:
    return BadName(reason("long_name", limit=limit))


def _spell(char: str) -> str:
    return f'"{char}"' if "!" <= char <= "~" else f"U+{ord(char):04X}"
