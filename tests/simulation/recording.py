"""A run as the list of what was decided in it, tick by tick, so that it outlives a change of the engine.

A seed is no more than the first throw of one row of dice: an engine that asks its node once more shifts every
throw behind it, and the seed is another run. A recording has each decision by name where it was made: the asset
and its payouts, what befell the node, what holders and operators did, in which order steps went on, and how
often each paused. A replay takes those decisions in place of dice.

What it guarantees: with the engine that it was made with, the very same run (the same Result). With another
engine, the same world does the same things in the same ticks as far as there is still something to do them to;
whoever is named is named, wherever it stands in a list by now. What it cannot guarantee is that a failure comes
back: an engine that takes one await more meets a fault one await later. A recording that was red and is green
says that this run is mended; only new seeds can say that the defect is gone.

What no longer applies is left out and counted (`Fit`): a decision that nobody asked for any more, a name that is
not there (the deed is left undone), a turn of a step that is not under way. What nobody has recorded is decided
as nothing: nothing happens, nobody pauses, the first of a list, and steps go on in turn.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAVED = Path(__file__).with_name("saved")
# A failing run is a few dozen kB; what is much longer is not worth keeping for ever.
_MOST_BYTES = 200_000
# What was decided in one place, in its order, by name.
Decisions = dict[str, list[Any]]


@dataclass(slots=True)
class Tick:
    """What was decided in a tick.

    By the world in its places; in the steps that began in the tick, which are named by the letter of their worker
    (of replica 1 it is a capital) or by what they do; how often those steps paused, at each occasion; and in which
    order all steps went on: letters again, and figures and signs for those of no worker.
    """

    places: dict[str, Decisions] = field(default_factory=dict)
    steps: dict[str, Decisions] = field(default_factory=dict)
    pauses: dict[str, list[int]] = field(default_factory=dict)
    turns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Recording:
    """A run. `invariant` and `failure` are how it ended, `log` is what it said: for whoever reads.

    `workers` has the letter of each.
    """

    seed: int
    theme: str
    odds: Mapping[str, Any]
    workers: dict[str, str] = field(default_factory=dict)
    ticks: dict[int, Tick] = field(default_factory=dict)
    invariant: str = ""
    failure: str = ""
    log: list[str] = field(default_factory=list)

    def tick(self, number: int) -> Tick:
        """Made when it is first asked for."""
        return self.ticks.setdefault(number, Tick())


def save(recording: Recording, file: Path) -> None:
    """As JSON, a tick a line. Raises ValueError for a run that is too long to be kept."""
    head = {
        "seed": recording.seed,
        "theme": recording.theme,
        "invariant": recording.invariant,
        "failure": recording.failure,
        "log": recording.log,
        "odds": recording.odds,
        "workers": recording.workers,
    }
    ticks = [_stored(number, tick) for number, tick in sorted(recording.ticks.items())]
    lines = ",\n".join(json.dumps(each) for each in ticks if len(each) > 1)
    text = f'{json.dumps(head, indent=1)[:-2]},\n "ticks": [\n{lines}\n]}}\n'
    if len(text) > _MOST_BYTES:
        raise ValueError(f"seed {recording.seed}: a recording of {len(text):,} bytes is too long to be kept")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def load(file: Path) -> Recording:
    """Raises ValueError for a file that is no recording."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        ticks = stored.pop("ticks")
        return Recording(**stored, ticks={each["tick"]: _read(each) for each in ticks})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no recording: {error!r}") from error


def _stored(number: int, tick: Tick) -> dict[str, Any]:
    """Without what is nothing at the end of its list, which a replay makes up."""
    found: dict[str, Any] = {
        "tick": number,
        "places": {name: told for name, decisions in tick.places.items() if (told := _told(decisions))},
        "steps": {name: told for name, decisions in tick.steps.items() if (told := _told(decisions))},
        "pauses": {
            name: digits for name, each in tick.pauses.items() if (digits := "".join(map(str, each)).rstrip("0"))
        },
        "turns": "".join(tick.turns),
    }
    return {name: value for name, value in found.items() if value or name == "tick"}


def _told(decisions: Decisions) -> Decisions:
    told: Decisions = {}
    for what, values in decisions.items():
        length = len(values)
        while length and is_nothing(values[length - 1]):
            length -= 1
        if length:
            told[what] = values[:length]
    return told


def is_nothing(value: Any) -> bool:
    """Something did not happen, or none was meant; the number 0 is something."""
    return value is False or value == ""


def _read(stored: Mapping[str, Any]) -> Tick:
    pauses = {name: [int(each) for each in told] for name, told in stored.get("pauses", {}).items()}
    return Tick(stored.get("places", {}), stored.get("steps", {}), pauses, list(stored.get("turns", "")))
