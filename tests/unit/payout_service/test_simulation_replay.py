"""A recorded run: the very same with the same engine, and a run with another one."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from payout_service.application.engine import Engine
from payout_service.application.treasury.sweep_leftover import advance_one_sweep
from tests.simulation import __main__ as command
from tests.simulation import recording as files
from tests.simulation import world
from tests.simulation.recording import Recording, Tick, load, save
from tests.simulation.replaying import Fit, RecordedDice, RecordingDice, record, replay
from tests.simulation.running import simulate_piece
from tests.simulation.scheduling import Task

# Of every tenth theme: a relay that is busy, forks, crashes with restored backups, an issuer.
SEEDS = (3, 6, 9, 24)
ALICE, BOB, CAROL = ("0xa1", "0xb0", "0xca")


def through_a_file(recording: Recording, folder: Path) -> Recording:
    save(recording, folder / "run.json")
    return load(folder / "run.json")


def dice_of(**decisions: list[object]) -> RecordedDice:
    """What was decided in the place `deed` of tick 0."""
    return RecordedDice(Recording(1, "mixed", {}, ticks={0: Tick({"deed": decisions})}))


# ---------------------------------------------------------------------------------------- the same engine


@pytest.mark.parametrize("seed", SEEDS)
def test_a_replay_is_the_very_same_run(seed: int, tmp_path: Path) -> None:
    (result,) = simulate_piece([seed])
    recorded, recording = record(seed)
    assert recorded == result, "to be recorded changes nothing"
    assert replay(through_a_file(recording, tmp_path)) == (result, Fit())


def test_a_recording_can_be_replayed_again() -> None:
    _, recording = record(24)
    assert replay(recording) == replay(recording)


# ---------------------------------------------------------------------------------------- another one


@pytest.mark.parametrize("place", ["world", "staging", "forks", "processes", "tick", "heal"])
def test_a_replay_lacking_one_decision_still_runs(place: str, tmp_path: Path) -> None:
    _, recording = record(6)
    ticks = [each for each in recording.ticks.values() if place in each.places]
    fullest = max(ticks, key=lambda each: sum(map(len, each.places[place].values())))
    del fullest.places[place]
    result, _ = replay(through_a_file(recording, tmp_path))
    assert result.ticks
    assert result.invariant != "defect", result.failure


def test_a_replay_lacking_the_order_of_steps_goes_on_in_turn() -> None:
    result, recording = record(3)
    for tick in recording.ticks.values():
        tick.turns.clear()
        tick.pauses.clear()
    again, fit = replay(recording)
    assert not again.failure
    assert fit.turns_left_out == 0
    assert [line for line in again.log if "gives" in line] == [line for line in result.log if "gives" in line]


def test_the_world_does_the_same_to_an_engine_that_asks_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each throw of a seed's dice would be another one."""
    result, recording = record(24)

    async def ask_first(engine: Engine) -> bool:
        async with engine.unit_of_work() as work:
            await work.payouts.waiting_for_snapshot(world.ASSET_ID)
        return await advance_one_sweep(engine)

    monkeypatch.setattr(world, "advance_one_sweep", ask_first)
    (by_seed,) = simulate_piece([24])
    by_recording, fit = replay(recording)
    assert not by_recording.failure
    assert fit.left_over < 20
    same = [len(set(each.log) & set(result.log)) for each in (by_seed, by_recording)]
    assert same[1] > 0.8 * len(result.log) > 2 * same[0]


def test_a_failure_comes_back_from_its_recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def break_down(engine: Engine, _: object) -> bool:
        if (await engine.rail.head()).number > 40:
            raise ValueError("broken")
        return False

    monkeypatch.setattr(world, "reconcile_one", break_down)
    result, recording = record(3)
    assert result.failure == "defect: reconcile: ValueError: broken"
    assert (recording.invariant, recording.failure) == (result.invariant, result.failure)
    assert replay(through_a_file(recording, tmp_path)) == (result, Fit())


# ---------------------------------------------------------------------------------------- single decisions


def test_what_is_recorded_is_decided() -> None:
    dice = dice_of(happens=[False, True], who=[BOB], number=[7], some=[[CAROL, ALICE]], broadcast=["late"])
    with dice.at("deed"):
        assert [dice.happens(0.5) for _ in range(3)] == [False, True, False]
        assert dice.choice((ALICE, BOB), "who") == BOB
        assert dice.number(1, 10) == 7
        assert dice.sample((ALICE, BOB, CAROL), 2) == [CAROL, ALICE]
        assert dice.which((("lost", 0.5), ("late", 0.1)), "broadcast") == "late"
        assert dice.which((("lost", 0.5), ("late", 0.1)), "broadcast") == ""
    dice.fit.left_over = dice.left_over()
    assert dice.fit == Fit()


def test_what_is_not_recorded_is_decided_as_nothing() -> None:
    dice = dice_of()
    with dice.at("deed"):
        assert not dice.happens(1.0)
        assert dice.which((("lost", 1.0),), "broadcast") == ""
        assert dice.choice((ALICE, BOB)) == ALICE
        assert dice.number(3, 10) == 3
        assert dice.sample((ALICE, BOB), 1) == [ALICE]
        with pytest.raises(ValueError, match="no number from 3 on below 3"):
            dice.number(3, 3)
    assert dice.fit == Fit(made_up=3)


def test_a_deed_to_whom_is_not_there_is_left_undone() -> None:
    dice, done = dice_of(which=[BOB], number=[90], some=[[ALICE, BOB]]), []
    with dice.deed("deed"):
        done.append(dice.choice((ALICE, CAROL)))
    with dice.at("deed"):
        assert dice.number(1, 10) == 9
        assert dice.sample((ALICE, CAROL), 2) == [ALICE]
    assert not done
    assert dice.fit == Fit(not_there=3)


def test_an_error_in_a_deed_is_no_deed_left_undone() -> None:
    dice = dice_of()
    with pytest.raises(KeyError), dice.deed("deed"):
        raise KeyError(ALICE)
    with pytest.raises(RuntimeError, match="at no place"):
        dice.happens(0.5)


def test_decisions_that_nobody_asked_for_are_counted() -> None:
    dice = dice_of(happens=[True, False, True], broadcast=["late", ""])
    with dice.at("deed"):
        dice.happens(0.5)
    assert dice.left_over() == 2


def test_a_turn_is_that_of_a_worker_or_of_whoever_stands_there() -> None:
    dice = RecordedDice(Recording(1, "mixed", {}, {"payout": "a"}, {0: Tick(turns=list("A1ab"))}))
    tasks = [task("payout", 0), task("payout", 1), task("cancel", -1), task("retry", -1)]
    for each in tasks:
        dice.begin(each)
    assert [picked(dice, tasks) for _ in range(3)] == [tasks[1], tasks[3], tasks[0]]
    others = [picked(dice, tasks) for _ in range(4)]
    assert sorted(others, key=tasks.index) == tasks, "beyond the recording each in its turn"
    assert dice.fit == Fit(turns_left_out=1)


def test_steps_of_one_tick_are_told_apart() -> None:
    recording = Recording(1, "mixed", {})
    dice = RecordingDice(1, recording)
    tasks = [task("payout", 0), task("payout", 0), task("payout", 1), task("cancel", -1)]
    for each in tasks:
        dice.begin(each)
    assert list(recording.tick(0).steps) == ["a", "a 2", "A", "cancel"]


def task(name: str, replica: int) -> Task:
    async def step() -> None:
        """Is never begun."""

    coroutine = step()
    coroutine.close()
    return Task(name, replica, coroutine, lambda *_: None)


def picked(dice: RecordedDice, tasks: Sequence[Task]) -> Task:
    found = dice.pick(tasks)
    assert found is not None
    return found


# ---------------------------------------------------------------------------------------- files


def test_a_recording_reads_as_what_was_decided(tmp_path: Path) -> None:
    recording = Recording(
        1,
        "mixed",
        {"crash": 0.5},
        {"payout": "a"},
        {
            0: Tick({"staging": {"kind": ["COUPON"], "happens": [True, False]}, "node": {"happens": [False]}}),
            4: Tick(steps={"a": {"broadcast": ["", "late", ""]}}, pauses={"a": [0, 3, 0]}, turns=["a", "A"]),
            5: Tick(),
        },
        "short",
        "short: 1",
        ["   0 begins"],
    )
    save(recording, tmp_path / "run.json")
    assert json.loads((tmp_path / "run.json").read_text())["ticks"] == [
        {"tick": 0, "places": {"staging": {"kind": ["COUPON"], "happens": [True]}}},
        {"tick": 4, "steps": {"a": {"broadcast": ["", "late"]}}, "pauses": {"a": "03"}, "turns": "aA"},
    ]
    again = load(tmp_path / "run.json")
    save(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "run.json").read_text()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seed": 1, "ticks": []}', '{"ticks": [1]}'])
def test_a_file_that_is_no_recording_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError):
        load(tmp_path / "run.json")


def test_a_recording_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MOST_BYTES", 100)
    with pytest.raises(ValueError, match="too long"):
        save(Recording(1, "mixed", {}, log=["x" * 100]), tmp_path / "run.json")
    assert not (tmp_path / "run.json").exists()


def test_the_command_saves_and_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.json"
    assert command.main(["--seed", "3", "--save", str(file)]) == 0
    assert command.main(["--replay", str(file)]) == 0
    told = capsys.readouterr().out
    assert f"replay: make simulate REPLAY={file}" in told
    assert "when it was saved: every invariant held" in told
    assert "0 decisions were not asked for" in told
