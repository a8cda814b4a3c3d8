"""Dice that remember what they decide, and dice that decide what was remembered; see recording.py."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, TypeVar

from tests.simulation.dice import Dice
from tests.simulation.recording import Decisions, Recording, is_nothing
from tests.simulation.running import Result, in_a_loop, play
from tests.simulation.scheduling import Task
from tests.simulation.themes import Odds, theme_of
from tests.simulation.world import make_world
from tests.support.payout.pauses import Pauses

_WORKERS = "abcdefghijklmnopqrstuvwxyz"
# Steps of no replica: the first of them that is under way, the second, and so on.
_OTHERS = "0123456789!#$%&()*+,-./:;<=>?@[]^_{|}~"
Option = TypeVar("Option")


@dataclass(slots=True)
class Fit:
    """How a replay differs from its recording. All zero: not at all."""

    # Recorded, and not asked for.
    left_over: int = 0
    # Recorded, and not there any more.
    not_there: int = 0
    # Not recorded, and neither nothing.
    made_up: int = 0
    # Of steps that were not under way, or waited.
    turns_left_out: int = 0


def record(seed: int) -> tuple[Result, Recording]:
    """Runs a seed."""
    theme, odds = theme_of(seed)
    recording = Recording(seed, theme, asdict(odds))
    dice = RecordingDice(seed, recording)
    pauses = RecordingPauses(seed, dice)
    (result,) = in_a_loop([lambda: play(make_world(seed, theme, odds, dice, pauses))])
    recording.invariant, recording.failure, recording.log = result.invariant, result.failure, result.log
    return result, recording


def replay(recording: Recording) -> tuple[Result, Fit]:
    """Runs what was recorded."""
    known = {name: value for name, value in recording.odds.items() if name in Odds.__dataclass_fields__}
    dice = RecordedDice(recording)
    odds, pauses = Odds(**known), RecordedPauses(dice)
    (result,) = in_a_loop([lambda: play(make_world(recording.seed, recording.theme, odds, dice, pauses))])
    dice.fit.left_over = dice.left_over()
    return result, dice.fit


def _label(value: Any) -> Any:
    """What JSON can say of an option."""
    if isinstance(value, tuple | list):
        return [_label(each) for each in value]
    return value if isinstance(value, bool | int | float) else str(value)


# ---------------------------------------------------------------------------------------- dice


class _UndoneError(Exception):
    """What a deed was to be done to is not there."""


class _Place:
    """A place of the world for as long as it is entered."""

    def __init__(self, dice: "_PlacedDice", name: str, *, may_be_undone: bool) -> None:
        self._dice = dice
        self._name = name
        self._may_be_undone = may_be_undone
        self._before = ("", False)

    def __enter__(self) -> None:
        self._before = self._dice.place
        self._dice.place = (self._name, self._may_be_undone)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._dice.place = self._before
        return self._may_be_undone and isinstance(error, _UndoneError)


class _PlacedDice(Dice):
    """Dice that know where they are thrown."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording.seed)
        self.recording = recording
        # Its name, and whether what is done there may be left undone. Empty: the step whose await it is.
        self.place = ("", False)
        # What has been decided in each step, and how it paused.
        self._steps: dict[str, tuple[Decisions, list[int]]] = {}
        self._begun: Counter[str] = Counter()
        self._step = ""

    def at(self, place: str) -> _Place:
        return _Place(self, place, may_be_undone=False)

    def deed(self, place: str) -> _Place:
        return _Place(self, place, may_be_undone=True)

    def begin(self, task: Task) -> None:
        """Names the step: by its worker, and which of them it is in its tick."""
        name = task.name if task.replica < 0 else self._letter_of(task)
        task.label = f"{self.tick} {name}"
        self._begun[task.label] += 1
        if self._begun[task.label] > 1:
            name = f"{name} {self._begun[task.label]}"
            task.label = f"{self.tick} {name}"
        tick = self.recording.tick(self.tick)
        self._steps[task.label] = tick.steps.setdefault(name, {}), tick.pauses.setdefault(name, [])

    def rest(self) -> None:
        """What is decided now has a place of its own."""
        self._step = ""

    def _letter_of(self, task: Task) -> str:
        workers = self.recording.workers
        if task.name not in workers:
            workers[task.name] = _WORKERS[len(workers)]
        return workers[task.name].upper() if task.replica else workers[task.name]

    def _here(self) -> Decisions:
        name, _ = self.place
        if name:
            return self.recording.tick(self.tick).places.setdefault(name, {})
        if not self._step:
            raise RuntimeError("something was decided at no place")
        decisions, _ = self._steps[self._step]
        return decisions

    @property
    def pauses(self) -> list[int]:
        """Of the step whose await it is."""
        if not self._step:
            raise RuntimeError("somebody paused who is no step")
        _, pauses = self._steps[self._step]
        return pauses


class RecordingDice(_PlacedDice):
    """From a seed, and remembered."""

    def __init__(self, seed: int, recording: Recording) -> None:
        assert seed == recording.seed
        super().__init__(recording)

    def _note(self, what: str, value: Any) -> None:
        self._here().setdefault(what, []).append(_label(value))

    def happens(self, chance: float, what: str = "happens") -> bool:
        happens = super().happens(chance, what)
        self._note(what, happens)
        return happens

    def which(self, chances: Sequence[tuple[str, float]], what: str) -> str:
        name = super().which(chances, what)
        self._note(what, name)
        return name

    def choice(self, options: Sequence[Option], what: str = "which") -> Option:
        option = super().choice(options, what)
        self._note(what, option)
        return option

    def sample(self, options: Sequence[Option], count: int, what: str = "some") -> list[Option]:
        some = super().sample(options, count, what)
        self._note(what, some)
        return some

    def number(self, start: int, stop: int, what: str = "number") -> int:
        number = super().number(start, stop, what)
        self._note(what, number)
        return number

    def pick(self, tasks: Sequence[Task]) -> Task | None:
        task = super().pick(tasks)
        if task is not None:
            self._step = task.label
            self.recording.tick(self.tick).turns.append(self._turn_of(task, tasks))
        return task

    def _turn_of(self, task: Task, tasks: Sequence[Task]) -> str:
        if task.replica < 0:
            return _OTHERS[[each for each in tasks if each.replica < 0].index(task)]
        return self._letter_of(task)


class RecordedDice(_PlacedDice):
    """What was recorded."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording)
        self.fit = Fit()
        # How many decisions of a list have been taken.
        self._taken: dict[int, int] = {}
        self._turns_taken: dict[int, int] = {}
        self._in_turn = 0

    def take(self, values: Sequence[Any]) -> Any:
        """The next of what was recorded; None when there is none."""
        taken = self._taken.get(id(values), 0)
        if taken == len(values):
            return None
        self._taken[id(values)] = taken + 1
        return values[taken]

    def left_over(self) -> int:
        """Decisions that nobody has asked for, and that are not nothing; pauses are not counted."""
        found = 0
        for tick in self.recording.ticks.values():
            for decisions in (*tick.places.values(), *tick.steps.values()):
                for values in decisions.values():
                    left = values[self._taken.get(id(values), 0) :]
                    found += sum(not is_nothing(each) for each in left)
        return found

    def happens(self, chance: float, what: str = "happens") -> bool:
        """Not, where nothing is recorded."""
        return self.take(self._here().get(what, ())) is True

    def which(self, chances: Sequence[tuple[str, float]], what: str) -> str:
        """None, where nothing is recorded."""
        name = self.take(self._here().get(what, ()))
        return name if name in [each for each, _ in chances] else ""

    def choice(self, options: Sequence[Option], what: str = "which") -> Option:
        """The first, where nothing is recorded; what is recorded and is no option leaves a deed undone."""
        wanted = self.take(self._here().get(what, ()))
        if wanted is None:
            self.fit.made_up += 1
            return options[0]
        found = [each for each in options if _label(each) == wanted]
        return found[0] if found else self._instead(options[0])

    def sample(self, options: Sequence[Option], count: int, what: str = "some") -> list[Option]:
        """The first ones, where nothing is recorded; of what is recorded those that are there."""
        wanted = self.take(self._here().get(what, ()))
        if wanted is None:
            self.fit.made_up += bool(count)
            return list(options[:count])
        by_label = {_label(each): each for each in options}
        self.fit.not_there += sum(each not in by_label for each in wanted)
        return [by_label[each] for each in wanted if each in by_label]

    def number(self, start: int, stop: int, what: str = "number") -> int:
        """The smallest, where nothing is recorded; the nearest, where what is recorded is out of bounds."""
        if start >= stop:
            raise ValueError(f"there is no number from {start} on below {stop}")
        wanted = self.take(self._here().get(what, ()))
        if not isinstance(wanted, int):
            self.fit.made_up += 1
            return start
        number = min(max(wanted, start), stop - 1)
        self.fit.not_there += number != wanted
        return number

    def pick(self, tasks: Sequence[Task]) -> Task | None:
        """Whose turn it is by the recording; beyond it, steps in turn."""
        turns = self.recording.tick(self.tick).turns
        taken = self._turns_taken.get(self.tick, 0)
        while taken < len(turns):
            task = self._of_turn(turns[taken], tasks)
            taken += 1
            self._turns_taken[self.tick] = taken
            if task is not None and task.can_go_on:
                return self._let(task)
            self.fit.turns_left_out += 1
        for _ in tasks:
            self._in_turn += 1
            task = tasks[self._in_turn % len(tasks)]
            if task.can_go_on:
                return self._let(task)
        return None

    def _let(self, task: Task) -> Task:
        self._step = task.label
        return task

    def _of_turn(self, turn: str, tasks: Sequence[Task]) -> Task | None:
        if turn.isalpha():
            return next((each for each in tasks if each.replica >= 0 and self._letter_of(each) == turn), None)
        others = [each for each in tasks if each.replica < 0]
        place = _OTHERS.index(turn)
        return others[place] if place < len(others) else None

    def _instead(self, first: Option) -> Option:
        self.fit.not_there += 1
        _, may_be_undone = self.place
        if may_be_undone:
            raise _UndoneError
        return first


# ---------------------------------------------------------------------------------------- pauses


class RecordingPauses(Pauses):
    """From a seed, and remembered with the step that pauses."""

    def __init__(self, seed: int, dice: RecordingDice) -> None:
        super().__init__(seed)
        self._dice = dice

    def at_turn(self) -> int:
        return self._note(super().at_turn())

    def at_statement(self) -> bool:
        return bool(self._note(int(super().at_statement())))

    def _note(self, pauses: int) -> int:
        self._dice.pauses.append(pauses)
        return pauses


class RecordedPauses(Pauses):
    """What was recorded; beyond it nobody pauses."""

    def __init__(self, dice: RecordedDice) -> None:
        super().__init__(None)
        self._dice = dice

    def at_turn(self) -> int:
        return self._dice.take(self._dice.pauses) or 0

    def at_statement(self) -> bool:
        return bool(self.at_turn())
