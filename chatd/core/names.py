"""The names of users and groups: which names are allowed, which are equal, and which look alike.

A name has two forms. The shown form keeps its case. The key identifies the user or group: `Straße`, `STRASSE`
and `ｓｔｒａｓｓｅ` have the same key. Keys are computed by PRECIS (RFC 8264) and its profile for nicknames
(RFC 8266). Names with different keys may look alike (`alice` and `a1ice`), as UTS 39 defines.

`parse_nick` and `parse_group` accept every name that may be stored. `check_new_nick` and `check_new_name` are
stricter: they are called only when a name is taken for the first time, so that new rules lock no user out.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import category, normalize

from precis_i18n import get_profile

from chatd.core.confusables import CONFUSABLE_PROTOTYPES
from chatd.core.language import N_
from chatd.core.refusals import TranslatableText, translatable_reason

MAX_NICK_CODE_POINTS = 32
"""The maximum length of a nick, in code points after NFC normalization."""
MAX_GROUP_NAME_CODE_POINTS = 64
"""The maximum length of a group's name, in code points after NFC normalization."""

RESERVED_NAMES: Final = frozenset(
    word
    for words in (
        "server admin root lobby guest",  # senders that users would trust, and the lobby
        "nickserv chanserv operserv hostserv memoserv botserv saslserv",  # IRC users tell them passwords
        # the text wire
        "who iam msg prv bye pwd err tkn arr arv lft lst bck ack acc tok lnk opr ann del ign gms gev mbr grp",
        "his sta fnd cnv rdm hlp help end inf edt rpl rct urc",
        "hello annonce erreur welcome vous salons historique conversations commandes",  # the TP6 chat room
        # IRC. `nick` and `user` are free: a colon is before each source, so that no nick is taken for a verb;
        # Nick is a given name, and "user" the first nick of many a client's tests.
        "chatd pass cap join part privmsg notice quit ping pong error authenticate",
    )
    for word in words.split()
)
"""The keys of the reserved names. `guest` with a number is reserved too: the daemon assigns such nicks."""

MAX_COMBINING_MARKS_PER_LETTER: Final = 2
"""The maximum number of combining marks on a letter. Vietnamese and Thai need two.

A tall stack of marks would overlap the lines above and below ("Zalgo" text).
"""

MAX_CACHED_NAMES = 8_192
"""The number of parsed names in the cache; about 20 MB if all names are as long as possible."""

# NFC composes at most four code points into one (U+1F82 is alpha and three marks), so a text longer than four
# times the limit stays too long and need not be normalised.
_SHRINKS_AT_MOST = 4

_SYNTAX = ";|,:@!*?"
# Symbols of Unicode that are drawn as nothing or as a box.
_BLANKS = "\u2800\ufffc\ufffd\U00016fe4\U0001d159"
_REFUSED_CATEGORIES = {
    "Cc": "control",
    "Cf": "invisible",
    "Cn": "unassigned",
    "Co": "private_use",
    "Cs": "surrogate",
}

# ASCII names that are valid as they are: every printable character but the syntax, and no leading "#".
_PLAIN = re.compile(rf"(?!#)[^\x00-\x20\x7f-\U0010ffff{re.escape(_SYNTAX)}]+")

# East Asian scripts and ASCII digits mix with an alphabet without looking like it (compare UTS 39, "highly
# restrictive").
_MIXES = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "MODIFIER", "DIGIT"}

# The Unicode names of marks that fit letters of any alphabet begin with these words.
_ANY_LETTER = {"COMBINING"}

_DOT_ABOVE = "\u0307"
# Letters whose own dot hides a second one: Unicode's Soft_Dotted, as far as names may contain them.
_SOFT_DOTTED = frozenset("ij\u0249\u0268\u029d\u03f3\u0456\u0458")

_PRECIS = get_profile("NicknameCaseMapped")

# Skeletons of single ASCII characters. `skeleton` replaces m by rn, and takes its slow path for % and ".
_ASCII = "".join(
    alike if len(alike := CONFUSABLE_PROTOTYPES.get(code, chr(code))) == 1 else chr(code)
    for code in range(128)
)

ALPHABET_NAMES_TO_TRANSLATE: Final = (
    N_("Arabic"),
    N_("Armenian"),
    N_("Cherokee"),
    N_("Coptic"),
    N_("Cyrillic"),
    N_("Greek"),
    N_("Hebrew"),
    N_("Latin"),
)
"""Names of alphabets that are inserted into refusals, listed so that gettext extracts them for translation.
"""

_STARTS = ("#", "/", "&")
# IRC puts these before a nick, for the member's role in a channel or for a group of servers.
_NICK_STARTS = ("~", "%", "+", "$")
_GUEST = re.compile(r"guest[0-9]*")
# The skeleton of the same, where 0 looks like O and 1 like l.
_LIKE_GUEST = re.compile(r"guest[ol2-9]*", re.IGNORECASE)


class BadName(ValueError):
    """The error for a name that is not allowed. ``reason`` is a sentence for the user that says why."""

    def __init__(self, reason: TranslatableText) -> None:
        super().__init__(reason)
        self.reason = reason


class Name(NamedTuple):
    """A valid name of a user or a group.

    ``original`` is the name as it was written, in NFC. ``normalized`` is the normalized form, without
    differences of case and character width. Two names with the same ``normalized``
    are the same name.
    """

    original: str
    normalized: str


def parse_nick(text: str) -> Name:
    """Return ``text`` as the name of a user, which has 1 to 32 code points. Raises `BadName`."""
    return _parse(text, MAX_NICK_CODE_POINTS)


def parse_group(text: str) -> Name:
    """Return ``text`` as the name of a group, which has 1 to 64 code points. Raises `BadName`."""
    return _parse(text, MAX_GROUP_NAME_CODE_POINTS)


def check_not_reserved(name: Name) -> None:
    """Check that ``name`` is not reserved, in any case and character width. Raises `BadName`."""
    if name.normalized in RESERVED_NAMES or _GUEST.fullmatch(name.normalized):
        raise BadName(translatable_reason("reserved", name=name.normalized))


def check_new_name(name: Name) -> None:
    """Check that a new user or group may take ``name``. Raises `BadName`.

    A user or group of an older version of the daemon may still have a name that this function refuses.
    """
    check_not_reserved(name)
    for form in name:
        if form.startswith(_STARTS):
            raise BadName(translatable_reason("start", char=form[0]))
    _check_marks(name.original)
    for look in confusable_skeletons(name):
        if word := _RESERVED_SKELETONS.get(look):
            raise BadName(translatable_reason("look_alike", name=word))
        if _LIKE_GUEST.fullmatch(look):
            raise BadName(translatable_reason("look_alike", name="guest"))


def check_new_nick(name: Name) -> None:
    """Check that a new user may take the nick ``name``. Raises `BadName`.

    The nick may not begin with a character such as ``+`` or ``%``, which IRC clients show before a nick as a
    mark of the user's role.
    """
    for form in name:
        if form.startswith(_NICK_STARTS):
            raise BadName(translatable_reason("start", char=form[0]))
    check_new_name(name)


def confusable_skeleton(text: str) -> str:
    """Return the skeleton of ``text`` (UTS 39, section 4). Texts that look alike have the same skeleton.

    Unlike in UTS 39, no characters are removed, because a name contains no ignorable characters. The mapping
    is repeated until nothing changes, because one pass leaves some Arabic and Croatian letters partly mapped.
    """
    if text.isascii() and "%" not in text and '"' not in text:
        return text.replace("m", "rn").translate(_ASCII)  # the same result, ten times as fast
    while (alike := normalize("NFD", normalize("NFD", text).translate(CONFUSABLE_PROTOTYPES))) != text:
        text = alike
    return text


def confusable_skeletons(name: Name) -> set[str]:
    """Return the skeletons of ``name`` (UTS 39). Two names that share a skeleton look alike.

    The skeletons are those of the shown form, of the key, and of the key in capitals. The skeletons of the
    shown form and the key are also case-folded, so that `AIice` looks like `alice` in spite of its capital A.
    The skeleton of the key in capitals makes the shown `ALlCE` look like `alice`; it is not case-folded, so
    that `Ilse` and `Lise` do not look alike.
    """
    shown, key = name
    found = {confusable_skeleton(confusable_skeleton(key).casefold()), confusable_skeleton(key.upper())}
    if shown != key:
        as_shown = confusable_skeleton(shown)
        found.update((as_shown, confusable_skeleton(as_shown.casefold())))
    return found


_RESERVED_SKELETONS: Final = {
    look: word for word in sorted(RESERVED_NAMES) for look in confusable_skeletons(Name(word, word))
}


# PRECIS takes some 14 µs a name, and the same names come with every message. Refused names are not cached.
@lru_cache(MAX_CACHED_NAMES)
def _parse(text: str, limit: int) -> Name:
    if not text:
        raise BadName(translatable_reason("no_name"))
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
    """Return the key of a shown name. The key of a key is the key itself.

    PRECIS alone maps to lower case, which keeps `ß` and `SS`, or `ς` and `Σ`, distinct. Case folding makes
    them equal.
    """
    try:
        mapped = _PRECIS.enforce(shown)
    except UnicodeEncodeError as refusal:
        culprits = ", ".join(map(_spell, refusal.object[refusal.start : refusal.end]))
        raise BadName(translatable_reason("precis", chars=culprits)) from None
    return normalize("NFC", mapped.casefold())


def _check_characters(shown: str) -> None:
    """Check that a name has no characters that break a line, are invisible or belong to the command syntax.

    Unicode's compatible forms of these are refused as well. Raises `BadName`.
    """
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
            raise BadName(translatable_reason(wrong, char=_spell(char), syntax=" ".join(_SYNTAX)))


def _check_start(form: str) -> None:
    if form.startswith("#"):
        raise BadName(translatable_reason("start", char="#"))
    if category(form[0]).startswith("M"):
        raise BadName(translatable_reason("combining", char=_spell(form[0])))


def _check_marks(shown: str) -> None:
    """Check that a letter has at most `MAX_COMBINING_MARKS_PER_LETTER` combining marks, and that all marks
    are visible.

    Invisible are marks of another alphabet and a second dot on an i. Marks with a width of their own, such as
    vowel signs of Indian scripts, are not counted. Raises `BadName`.
    """
    marks, base = 0, ""
    for char in normalize("NFD", shown):
        kind = category(char)
        if not kind.startswith("M"):
            base = char
        elif char == _DOT_ABOVE and base in _SOFT_DOTTED:
            raise BadName(translatable_reason("hidden_mark", char=_spell(char)))
    for char in shown:
        kind = category(char)
        if kind in ("Mn", "Me"):
            marks += 1
            if marks > MAX_COMBINING_MARKS_PER_LETTER:
                raise BadName(
                    translatable_reason("marks", limit=MAX_COMBINING_MARKS_PER_LETTER, char=_spell(char))
                )
        elif kind != "Mc":
            marks = 0
    alphabets = _alphabets(shown)
    for char in shown:
        if category(char).startswith("M") and _alphabet(char) not in alphabets | _MIXES | _ANY_LETTER:
            raise BadName(translatable_reason("hidden_mark", char=_spell(char)))


def _check_alphabets(key: str) -> None:
    """Check that a name uses only one alphabet: nearly every alphabet has letters that look like `o` or `l`.

    Refused are `аlice`, whose first letter is Cyrillic, and `b०b`, whose middle is a Devanagari digit. Raises
    `BadName`.
    """
    alphabets = _alphabets(key)
    if len(alphabets) > 1:
        *others, last = sorted(alphabet.capitalize() for alphabet in alphabets)
        other: object = TranslatableText(others[0]) if len(others) == 1 else ", ".join(others)
        raise BadName(translatable_reason("alphabets", others=other, last=TranslatableText(last)))


def _alphabets(text: str) -> set[str]:
    return {_alphabet(char) for char in text if char.isalpha() or char.isdecimal()} - _MIXES


def _alphabet(char: str) -> str:
    """Return the alphabet of a character: the first word of its Unicode name (`LATIN`, `ARABIC`, `CJK`).

    Python has no table of scripts.
    """
    words = unicodedata.name(char, "UNNAMED").removeprefix("EXTENDED ")  # EXTENDED ARABIC-INDIC DIGIT ONE
    return words.replace("-", " ").partition(" ")[0]


def _too_long(limit: int) -> BadName:
    return BadName(translatable_reason("long_name", limit=limit))


def _spell(char: str) -> str:
    return f'"{char}"' if "!" <= char <= "~" else f"U+{ord(char):04X}"
