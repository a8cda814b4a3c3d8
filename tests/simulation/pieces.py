"""Many seeds in several processes: pieces of neighbouring seeds, whose results come back in their order."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor

from tests.simulation.running import Result, simulate_piece

_PROCESSES = os.cpu_count() or 1
# Enough that no process waits for this one.
_MOST_UNDER_WAY = 2 * _PROCESSES


def pieces_of(seeds: range, length: int) -> Iterator[range]:
    """Neighbours together; the last piece may be shorter."""
    return (seeds[start : start + length] for start in range(0, len(seeds), length))


def run_pieces(
    pieces: Iterable[range],
    is_over: Callable[[], bool] = lambda: False,
    run: Callable[[range], list[Result]] = simulate_piece,
    make_pool: Callable[[], Executor] | None = None,
) -> Iterator[tuple[range, list[Result]]]:
    """Each piece with its results, none left out in between.

    Begins no further piece once `is_over`; those under way are finished and come back too. Raises what a piece
    raised, and BrokenProcessPool when a process died; nothing after that piece comes back then.
    """
    left = iter(pieces)
    under_way: deque[tuple[range, Future[list[Result]]]] = deque()
    pool = (make_pool or _processes)()
    try:
        while True:
            while len(under_way) < _MOST_UNDER_WAY and not is_over():
                piece = next(left, None)
                if piece is None:
                    break
                under_way.append((piece, pool.submit(run, piece)))
            if not under_way:
                return
            piece, results = under_way.popleft()
            yield piece, results.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _processes() -> Executor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(_PROCESSES, context, initializer=_leave_interrupts_to_the_parent)


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches every process of the terminal; a piece under way is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
