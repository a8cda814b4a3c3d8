"""Figures as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.imports import ImportFigures
from tests.benchmarks.latency import LatencyFigures
from tests.benchmarks.world import CONFIRMATIONS, Conditions

_KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured in one fresh stack. `load_average` is the machine's, over a minute, before it."""

    conditions: Conditions
    load_average: float
    imported: ImportFigures
    latency: LatencyFigures | None


def write_json(measurements: Sequence[Measurement], path: Path) -> None:
    """Writes everything that was measured, and the machine's processors."""
    document = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "confirmations": CONFIRMATIONS,
        "measurements": [asdict(each) for each in measurements],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def tables(measurements: Sequence[Measurement]) -> list[str]:
    """Lines to print."""
    latencies = [each for each in measurements if each.latency is not None]
    lines = [*_settings(measurements), "", *_imports(measurements), "", *_memory(measurements), ""]
    lines += _processors(measurements)
    return [*lines, "", *_latencies(latencies)] if latencies else lines


def _settings(measurements: Sequence[Measurement]) -> list[str]:
    conditions = measurements[0].conditions
    fsync = "on" if conditions.is_fsync_on else "off"
    polled = f"confirmations {CONFIRMATIONS}, poll_seconds {conditions.poll_seconds:g}"
    return [f"{os.cpu_count()} processors, {polled}, PostgreSQL with fsync {fsync}, seed {conditions.seed}"]


def _imports(measurements: Sequence[Measurement]) -> list[str]:
    heading = (
        "import",
        "holders",
        "last event s",
        "register s",
        "holders/s",
        "events",
        "MB on NATS",
        "load before",
    )
    rows = [
        (
            each.conditions.source,
            f"{each.conditions.holder_count:,}",
            f"{each.imported.told_seconds:.2f}",
            f"{each.imported.register_seconds:.2f}",
            f"{each.imported.holders_per_second:,.0f}",
            str(each.imported.event_count),
            f"{each.imported.event_bytes / 1e6:.1f}",
            f"{each.load_average:.1f}",
        )
        for each in measurements
    ]
    return _aligned([heading, *rows])


def _memory(measurements: Sequence[Measurement]) -> list[str]:
    """Peak RSS in MiB after the import, and when the service had only started."""
    services = list(measurements[0].imported.peak_rss_kib)
    heading = ("peak RSS in MiB (started)", "holders", *services)
    rows = [
        (
            each.conditions.source,
            f"{each.conditions.holder_count:,}",
            *(
                f"{each.imported.peak_rss_kib[name] / _KIB_PER_MIB:.0f} "
                f"({each.imported.peak_rss_kib_before[name] / _KIB_PER_MIB:.0f})"
                for name in services
            ),
        )
        for each in measurements
    ]
    return _aligned([heading, *rows, *_ratios(measurements, services)])


def _ratios(measurements: Sequence[Measurement], services: Sequence[str]) -> list[tuple[str, ...]]:
    """Each source's largest token against its smallest."""
    rows = []
    for source in dict.fromkeys(each.conditions.source for each in measurements):
        same = [each for each in measurements if each.conditions.source == source]
        same.sort(key=lambda each: each.conditions.holder_count)
        if len(same) < 2:
            continue
        small, large = same[0], same[-1]
        compared = f"{large.conditions.holder_count:,}/{small.conditions.holder_count:,}"
        peaks = (large.imported.peak_rss_kib[name] / small.imported.peak_rss_kib[name] for name in services)
        rows.append((f"{source}, ratio", compared, *(f"{ratio:.2f}" for ratio in peaks)))
    return rows


def _processors(measurements: Sequence[Measurement]) -> list[str]:
    parts = list(measurements[0].imported.cpu_seconds)
    heading = ("processor seconds", "holders", *parts)
    rows = [
        (
            each.conditions.source,
            f"{each.conditions.holder_count:,}",
            *(f"{each.imported.cpu_seconds[name]:.2f}" for name in parts),
        )
        for each in measurements
    ]
    return _aligned([heading, *rows])


def _latencies(measurements: Sequence[Measurement]) -> list[str]:
    heading = ("milliseconds", "holders", "transfers", "p50", "p90", "p99", "max")
    rows = []
    for each in measurements:
        if each.latency is None:
            continue
        spreads = {
            "block to event on NATS": each.latency.block_to_event,
            "event to register": each.latency.event_to_register,
            "block to register": each.latency.block_to_register,
        }
        for name, spread in spreads.items():
            seconds = (spread.p50, spread.p90, spread.p99, spread.longest)
            first = (name, f"{each.conditions.holder_count:,}", str(each.latency.transfer_count))
            rows.append((*first, *(f"{value * 1000:.0f}" for value in seconds)))
    return _aligned([heading, *rows])


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
