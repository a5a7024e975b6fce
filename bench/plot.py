"""Draw what a delivery costs by the size of the room, by what is stored and by who else is connected.

    python -m bench.plot [--rounds 3] [--json FILE]

It measures first, or takes the medians from a FILE that `bench.figures` or it has written. Into docs/ go the
drawings and figures.json with what they show: from the same figures, the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.figures import MEASURES, measured, report
from bench.talk import BY_IDLE, BY_SIZE, BY_STORED, Scenario

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
FIGURES: Final = DOCS / "figures.json"
COST: Final = "CPU us/delivery"

matplotlib.rcParams.update(
    {
        # Ids that don't change, and text as text: small, and in the reader's own font.
        "svg.hashsalt": "chatd",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        # As far from a white page as from a dark one, so that it reads on either; so are the colours below.
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"),
            "#7a7a7a",
        ),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "savefig.transparent": True,
    }
)

COLOURS: Final = {"chatd": "#1779d1", "plain": "#c4570f"}
SHOWN: Final = {"chatd": "chatd", "plain": "plain Twisted, which keeps nothing"}
LINES: Final = {1: ("-", "one message at a time"), 64: ("--", "64 on their way")}


class Drawing(NamedTuple):
    """The cost of a delivery in ``scenarios``, by what ``along`` gives of each."""

    name: str
    title: str
    axis: str
    scenarios: Sequence[Scenario]
    along: Callable[[Scenario], int]
    scale: dict[str, Any]
    """Of that axis, as matplotlib has it."""


DRAWINGS: Final = (
    Drawing(
        "cost-by-size",
        "What a delivery costs, by the size of the room",
        "listeners",
        BY_SIZE,
        lambda scenario: scenario.listeners,
        {"value": "log"},
    ),
    Drawing(
        "cost-by-stored",
        "What a delivery to a room of 100 costs, by what is stored",
        "messages in the database",
        [*(scenario for scenario in BY_SIZE if scenario.listeners == 100), *BY_STORED],
        lambda scenario: scenario.stored,
        {"value": "symlog", "linthresh": 10_000},
    ),
    Drawing(
        "cost-by-idle",
        "What a delivery to a group of 100 costs, by who else is connected",
        "idle connections",
        BY_IDLE,
        lambda scenario: scenario.idle,
        {"value": "linear"},
    ),
)


def draw(drawing: Drawing, medians: dict[str, Any]) -> None:
    """Write a drawing into docs/."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(drawing.title, loc="left", fontsize="medium")
    axes.set_xlabel(drawing.axis)
    axes.set_ylabel("the server's CPU, µs a delivery")
    axes.set_xscale(**drawing.scale)
    axes.set_yscale("log")
    places = sorted({drawing.along(scenario) for scenario in drawing.scenarios})
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    for server in COLOURS:
        for window in LINES:
            points = [
                (drawing.along(scenario), medians[scenario.name][server][COST])
                for scenario in drawing.scenarios
                if scenario.window == window and server in medians[scenario.name]
            ]
            _line(axes, points, server, window)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.savefig(DOCS / f"{drawing.name}.svg", metadata={"Date": None, "Creator": None})


def _line(axes: Axes, points: list[tuple[int, float]], server: str, window: int) -> None:
    line, said = LINES[window]
    style: dict[str, Any] = {"color": COLOURS[server], "linestyle": line, "label": f"{SHOWN[server]}: {said}"}
    if len(points) == 1:
        # What it doesn't depend on was not varied.
        axes.axhline(points[0][1], **style)
    else:
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, **style)


def _measure(names: Sequence[str], rounds: int) -> dict[str, Any]:
    return report(measured({name: MEASURES[name] for name in names}, rounds))


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="draw these figures, measure nothing")
    options = parser.parse_args()
    names = list(dict.fromkeys(scenario.name for drawing in DRAWINGS for scenario in drawing.scenarios))
    known = json.loads(options.json.read_text()) if options.json else _measure(names, options.rounds)
    if missing := set(names) - known["medians"].keys():
        parser.error(
            f"{options.json} lacks {', '.join(sorted(missing))}: make bench ARGS=--full has everything"
        )
    drawn = {
        name: {server: {COST: figures[COST]} for server, figures in known["medians"][name].items()}
        for name in names
    }
    DOCS.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps({"machine": known["machine"], "medians": drawn}, indent=2) + "\n")
    for drawing in DRAWINGS:
        draw(drawing, drawn)


if __name__ == "__main__":
    main()
