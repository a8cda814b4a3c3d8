"""What `make simulate-long` and the tests keep of the simulation's seeds: nothing lost, nothing counted twice."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation import long_run
from tests.simulation.known_seeds import KNOWN, KnownSeed, fresh_base, keep, known_seeds
from tests.simulation.long_run import Progress, read_progress, run_long, write_progress
from tests.simulation.pieces import pieces_of, run_pieces
from tests.simulation.report import Report, legal_transitions
from tests.simulation.running import Result
from tests.simulation.themes import FAULTS

Pieces = Iterator[range]
Run = Iterator[tuple[range, list[Result]]]


def result(seed: int) -> Result:
    """Every hundredth seed fails."""
    return Result(
        seed,
        "mixed",
        faults=Counter(crash=1),
        transitions=Counter({("payout", "PLANNING", "EXECUTING"): 2}),
        payouts=Counter(COMPLETED=1),
        failure="short: 1" if seed % 100 == 99 else "",
    )


def results_of(piece: range) -> list[Result]:
    return [result(seed) for seed in piece]


class Running:
    """In place of the processes: ends or dies after so many pieces."""

    def __init__(self, most: int, end: BaseException | None = None) -> None:
        self._most = most
        self._end = end
        self.ran: list[int] = []

    def __call__(self, pieces: Pieces, is_over: Callable[[], bool]) -> Run:
        for number, piece in enumerate(pieces):
            if number == self._most and self._end:
                raise self._end
            if number == self._most or is_over():
                return
            self.ran += piece
            yield piece, results_of(piece)


def go_on(file: Path, run: Running, seconds: float = 3600.0, *, first: int = 1_000) -> tuple[Progress, Report]:
    """One long run, which begins with its file as the next one will."""
    progress = read_progress(file) if file.exists() else Progress(first, first)
    report = Report(found=file.with_name("found.txt"))
    run_long(progress, report, seconds, lambda: False, lambda each: write_progress(each, file), run)
    return progress, report


# ---------------------------------------------------------------------------------------- long runs


def test_a_long_run_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    first, second = Running(3), Running(2)
    go_on(tmp_path / "long.json", first)
    progress, report = go_on(tmp_path / "long.json", second)
    assert first.ran + second.ran == list(range(1_000, progress.next_seed))
    assert report.seeds == len(second.ran)
    assert progress.faults["crash"] == progress.next_seed - progress.first_seed == len(first.ran + second.ran)
    assert read_progress(tmp_path / "long.json") == replace(progress, seconds=round(progress.seconds, 1))


@pytest.mark.parametrize("end", [KeyboardInterrupt(), RuntimeError("a process died")])
def test_what_was_under_way_at_the_end_is_run_next_time(tmp_path: Path, end: BaseException) -> None:
    first, second = Running(2, end), Running(1)
    with pytest.raises(type(end)):
        go_on(tmp_path / "long.json", first)
    assert read_progress(tmp_path / "long.json").next_seed == 1_000 + len(first.ran)
    go_on(tmp_path / "long.json", second)
    assert second.ran[0] == first.ran[-1] + 1


def test_a_long_run_ends_with_its_hours(tmp_path: Path) -> None:
    run = Running(10)
    progress, _ = go_on(tmp_path / "long.json", run, seconds=0.0)
    assert not run.ran
    assert progress.next_seed == progress.first_seed


def test_failing_seeds_are_told_and_kept(tmp_path: Path) -> None:
    progress, report = go_on(tmp_path / "long.json", Running(10))
    assert list(progress.failures) == list(report.failures) == [1_099, 1_199]
    assert [each.seed for each in known_seeds(tmp_path / "found.txt")] == [1_099, 1_199]
    assert read_progress(tmp_path / "long.json").failures == {1_099: "short: 1", 1_199: "short: 1"}


def test_a_long_run_of_a_broken_engine_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_run, "_MOST_FAILURES", 2)
    progress, _ = go_on(tmp_path / "long.json", Running(100))
    assert progress.next_seed < 1_300


@pytest.mark.parametrize("piece", [range(990, 1_010), range(1_020, 1_040)])
def test_no_seed_is_counted_twice_or_left_out(piece: range) -> None:
    progress = Progress(900, 1_000)
    with pytest.raises(ValueError, match="does not go on from seed 1000"):
        progress.add(piece, results_of(piece))
    with pytest.raises(ValueError, match="does not go on"):
        progress.add(range(1_000, 1_020), results_of(range(1_000, 1_019)))
    assert progress == Progress(900, 1_000)


def test_a_progress_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "long.json"
    write_progress(Progress(1, 5), file)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        write_progress(Progress(1, 9), file)
    assert read_progress(file).next_seed == 5


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"first_seed": 1}', json.dumps({"first_seed": 1})[:-2]])
def test_a_broken_progress_is_refused_and_stays(tmp_path: Path, text: str) -> None:
    file = tmp_path / "long.json"
    file.write_text(text)
    with pytest.raises(ValueError):
        read_progress(file)
    assert file.read_text() == text


def test_two_long_runs_at_once_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "long.json"
    with long_run.alone(file), pytest.raises(SystemExit, match="under way"), long_run.alone(file):
        raise AssertionError("two at once")
    with long_run.alone(file):
        pass


def test_ctrl_c_asks_to_stop_and_once_more_gives_up() -> None:
    with long_run.interrupts() as is_stopped:
        assert not is_stopped()
        signal.raise_signal(signal.SIGINT)
        assert is_stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_pieces_come_back_in_order_and_those_under_way_are_finished() -> None:
    seen: list[range] = []

    def is_over() -> bool:
        return len(seen) >= 3

    for piece, results in run_pieces(pieces_of(range(7, 207), 20), is_over, results_of, ThreadPoolExecutor):
        seen.append(piece)
        assert [each.seed for each in results] == list(piece)
    assert seen == [range(start, start + 20) for start in range(7, 7 + 20 * len(seen), 20)]
    assert 3 <= len(seen) < 10
    assert [len(each) for each in pieces_of(range(5), 2)] == [2, 2, 1]


# ---------------------------------------------------------------------------------------- known seeds


def test_a_seed_that_fails_is_kept_once(tmp_path: Path) -> None:
    file = tmp_path / "made" / "found.txt"
    assert keep(7, "short: #1 is\nowed 5" + "!" * 500, file)
    assert not keep(7, "again", file)
    assert keep(8, "", file)
    first, second = known_seeds(file)
    assert first.seed == 7
    assert first.reason.startswith("short: 1 is owed 5")
    assert len(first.reason) < 200
    assert second == KnownSeed(8, "")


def test_committed_seeds_are_not_kept_again(tmp_path: Path) -> None:
    assert not keep(known_seeds(KNOWN)[0].seed, "short", tmp_path / "found.txt")


def test_so_many_seeds_are_kept_and_no_more(tmp_path: Path) -> None:
    kept = [keep(seed, "broken", tmp_path / "found.txt") for seed in range(130)]
    assert sum(kept) == len(known_seeds(tmp_path / "found.txt")) == 100


def test_remarks_and_empty_lines_are_no_seeds(tmp_path: Path) -> None:
    file = tmp_path / "known.txt"
    file.write_text("# why\n\n  12 short  # then\n13\n")
    assert known_seeds(file) == [KnownSeed(12, "short"), KnownSeed(13, "")]
    file.write_text("12 short\nseed 13\n")
    with pytest.raises(ValueError, match="line 2: 'seed' is no seed"):
        known_seeds(file)


def test_a_new_base_lies_beyond_all_earlier_runs() -> None:
    """By the time that a run takes, which is more than a millisecond a seed, the clock has passed its seeds."""
    assert fresh_base() > 1_700_000_000_000


def test_a_long_run_names_what_it_has_not_seen(tmp_path: Path) -> None:
    report = Report(found=tmp_path / "found.txt")
    report.faults.update(dict.fromkeys(FAULTS, 500))
    report.transitions.update(dict.fromkeys(legal_transitions(), 1))
    assert report.missing() == []
    report.faults["crash"] = 499
    del report.transitions["sweep", "SENDING", "FAILED"]
    assert report.missing() == [
        "fault crash fired 499 times, fewer than 500",
        "transition sweep: SENDING to FAILED was never taken",
    ]
