"""The answers of the control socket as text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from chatd.core.terminal import replace_controls

ControlAnswer = Mapping[str, Any]
"""An object that the daemon sent on the control socket: its keys and values."""


def render_answer_lines(answer: ControlAnswer) -> Iterator[str]:
    """Yield the lines of text that show ``answer`` of the daemon, without control characters.

    An answer of an unknown kind is shown as JSON.
    """
    form = _FORMS.get(answer.get("action", ""), _as_json)
    for line in form(answer):
        yield replace_controls(line)


def format_duration(seconds: int) -> str:
    """Return the duration ``seconds`` as a text such as ``02:03:04``, or ``1d 02:03:04`` from one day on."""
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}d {clock}" if days else clock


def _as_json(answer: ControlAnswer) -> Iterator[str]:
    yield json.dumps(answer, ensure_ascii=False)


def _status(answer: ControlAnswer) -> Iterator[str]:
    database = answer["database"]
    wires = ", ".join(f"{wire} {count}" for wire, count in sorted(answer["connections"].items()) if count)
    yield f"chatd {answer['version']}, process {answer['pid']}, up {format_duration(answer['uptime'])}"
    yield f"database: {database['file']}, {database['bytes']:,} bytes, durability {database['durability']}"
    yield f"connections: {sum(answer['connections'].values())}" + (f" ({wires})" if wires else "")
    yield f"logged in: {answer['logged_in']} sessions of {answer['online']} users"
    yield f"users: {answer['users']}, {answer['accounts']} of them registered; groups: {answer['groups']}"
    yield (
        f"last id: {answer['last_id']}; waiting: {answer['journal_queue']} tasks for the journal,"
        f" {answer['password_queue']} passwords"
    )
    for listener in answer["listeners"]:
        yield f"listening: {listener['name']} at {listener['address']}"


def _who(answer: ControlAnswer) -> Iterator[str]:
    for one in answer["sessions"]:
        account = "registered" if one["account"] else "-"
        yield _columns((one["nick"], one["wire"], one["address"], format_duration(one["seconds"]), account))


def _groups(answer: ControlAnswer) -> Iterator[str]:
    for one in answer["groups"]:
        members, entries = f"{one['members']} members", f"{one['entries']} entries"
        yield _columns((one["group"], one["visibility"], members, f"owner {one['owner']}", entries))


_OPERATOR_SOURCES: Final = {"configured": "chatd.toml", "appointed": "appointed"}


def _operators(answer: ControlAnswer) -> Iterator[str]:
    for one in answer["operators"]:
        sources = [word for key, word in _OPERATOR_SOURCES.items() if one[key]]
        state = "registered" if one["registered"] else "not registered: not in force"
        yield _columns((one["nick"], ", ".join(sources), state))


def _columns(cells: Sequence[str]) -> str:
    *first, last = cells
    return "  ".join((*(f"{cell:<14}" for cell in first), last))


def _help(answer: ControlAnswer) -> Iterator[str]:
    for one in answer["commands"]:
        yield f"{' '.join((one['name'], *one['fields'])):<36}{one['help']}"


def _backup(answer: ControlAnswer) -> Iterator[str]:
    yield f"{answer['file']}: {answer['bytes']:,} bytes, up to the id {answer['last_id']}; checked"


def _erase(answer: ControlAnswer) -> Iterator[str]:
    yield f"erased: {answer['entries']} entries are without their text now; the author is {answer['name']}"
    if not answer["complete"]:
        yield "texts may remain in the write-ahead log: a reader, such as a backup, keeps it in use"
        yield "the daemon tries again every ten minutes, and when it is started again"
    yield answer["outside"]


def _check(answer: ControlAnswer) -> Iterator[str]:
    yield from answer["problems"] or ("the database is sound",)


def _reload(answer: ControlAnswer) -> Iterator[str]:
    yield f"changed: {', '.join(answer['changed']) or 'no key of chatd.toml'}"
    if answer["needs_restart"]:
        yield f"needs a restart: {', '.join(answer['needs_restart'])}"


def _shutdown(answer: ControlAnswer) -> Iterator[str]:
    yield "the daemon stops"


def _acts(answer: ControlAnswer) -> Iterator[str]:
    for act in answer["acts"]:
        until = f" until {act['until']}" if act.get("until") else ""
        reason = f": {act['reason']}" if act.get("reason") else ""
        yield f"{act['id']} {act['ts']} {act['operator']} {act['act']} {act['target']}{until}{reason}"
    if answer.get("more"):
        yield "further acts follow: see --skip"


def _tokens(answer: ControlAnswer) -> Iterator[str]:
    for token in answer["tokens"]:
        groups, expires = ",".join(token["groups"]), f"expires {token.get('expires', 'never')}"
        yield _columns((token["token"], token["scope"], groups, f"made {token['made']}", expires))


_FORMS: Final[dict[str, Callable[[ControlAnswer], Iterator[str]]]] = {
    "control-status": _status,
    "control-who": _who,
    "control-groups": _groups,
    "control-help": _help,
    "control-operators": _operators,
    "control-appoint": _acts,
    "control-dismiss": _acts,
    "control-backup": _backup,
    "control-check": _check,
    "control-erase": _erase,
    "control-reload": _reload,
    "control-shutdown": _shutdown,
    "server-moderation": _acts,
    "server-modlog": _acts,
    "server-tokens": _tokens,
}
"""The form of each kind of answer, by its action."""
