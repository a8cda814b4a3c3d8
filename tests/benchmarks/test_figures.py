"""What the benchmark says, and what it refuses to say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from libs.evm.abi import Function
from tests.benchmarks.imports import ImportFigures, RegisterWrongError, check_register
from tests.benchmarks.issuing import issue_calldata
from tests.benchmarks.latency import Distribution
from tests.benchmarks.processes import PeakUnknownError, peak_rss_kib, used_between
from tests.benchmarks.report import Measurement, tables
from tests.benchmarks.world import Conditions, World

_ANNA = to_checksum_address("0x" + "a1" * 20)
_BERT = to_checksum_address("0x" + "b2" * 20)
_CONDITIONS = Conditions(10_000, "list", poll_seconds=0.5, is_fsync_on=False, seed=1)
_IMPORTED = ImportFigures(
    told_seconds=1.0,
    register_seconds=2.0,
    holders_per_second=5_000.0,
    event_count=10,
    event_bytes=1_000_000,
    peak_rss_kib_before={"asset_service": 90 * 1024},
    peak_rss_kib={"asset_service": 100 * 1024},
    cpu_seconds={"asset_service": 1.5},
)


@dataclass
class _Answer:
    """What the services' client answers."""

    block_number: int = 7
    total_balance_base_units: str = "30"
    total_restricted_base_units: str = "0"
    balance_base_units: str = "0"

    @property
    def register(self) -> _Answer:
        return self


@dataclass
class _FakeWorld:
    """A register and a chain with two holders; it stands for the client, too."""

    in_register: dict[ChecksumAddress, int]
    on_chain: dict[ChecksumAddress, int]
    answer: _Answer = field(default_factory=_Answer)
    get_asset: str = "get_asset"
    get_holder: str = "get_holder"

    @property
    def harness(self) -> _FakeWorld:
        return self

    @property
    def client(self) -> _FakeWorld:
        return self

    @property
    def assets(self) -> _FakeWorld:
        return self

    async def call(self, method: str, request: Any) -> _Answer:
        if method == "get_asset":
            return self.answer
        holder = request.name.rpartition("/")[2]
        return replace(self.answer, balance_base_units=str(self.in_register[holder]))

    async def balance_on_chain(self, account: ChecksumAddress, block_number: int) -> int:
        assert block_number == self.answer.block_number
        return self.on_chain[account]

    async def supply_on_chain(self, block_number: int) -> int:
        assert block_number == self.answer.block_number
        return sum(self.on_chain.values())


async def _check(world: _FakeWorld) -> None:
    await check_register(cast(World, world), "assets/1", [_ANNA, _BERT])


def test_percentiles_are_values_that_were_measured() -> None:
    spread = Distribution.of([each / 100 for each in range(100, 0, -1)])
    assert spread == Distribution(p50=0.50, p90=0.90, p99=0.99, longest=1.0)
    assert Distribution.of([3.0]) == Distribution(3.0, 3.0, 3.0, 3.0)
    assert Distribution.of([1.0, 2.0, 3.0]) == Distribution(p50=2.0, p90=3.0, p99=3.0, longest=3.0)


def test_nothing_measured_is_no_distribution() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Distribution.of([])


def test_the_peak_is_the_high_water_mark(tmp_path: Path) -> None:
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "status").write_text("Name:\tx\nVmHWM:\t  104448 kB\nVmRSS:\t   90000 kB\n")
    assert peak_rss_kib(42, tmp_path) == 104_448


@pytest.mark.parametrize("status", [None, "Name:\tx\nVmRSS:\t   90000 kB\n"])
def test_a_peak_that_is_not_told_is_refused(tmp_path: Path, status: str | None) -> None:
    (tmp_path / "42").mkdir()
    if status is not None:
        (tmp_path / "42" / "status").write_text(status)
    with pytest.raises(PeakUnknownError):
        peak_rss_kib(42, tmp_path)


def test_use_is_counted_from_the_first_reading() -> None:
    assert used_between({"nats": 1.0, "anvil": 2.0}, {"nats": 1.5, "anvil": 5.0}) == {"nats": 0.5, "anvil": 3.0}


async def test_a_register_like_the_chain_passes() -> None:
    await _check(_FakeWorld({_ANNA: 10, _BERT: 20}, {_ANNA: 10, _BERT: 20}))


async def test_a_holder_who_differs_is_found() -> None:
    with pytest.raises(RegisterWrongError, match="1 holders differ"):
        await _check(_FakeWorld({_ANNA: 10, _BERT: 21}, {_ANNA: 10, _BERT: 20}))


async def test_a_total_that_is_not_the_supply_is_found() -> None:
    with pytest.raises(RegisterWrongError, match="the supply 31"):
        await _check(_FakeWorld({_ANNA: 11, _BERT: 20}, {_ANNA: 11, _BERT: 20}))


def test_the_largest_token_is_compared_with_the_smallest_of_its_source() -> None:
    large = replace(_IMPORTED, peak_rss_kib={"asset_service": 150 * 1024})
    measurements = [
        Measurement(replace(_CONDITIONS, holder_count=100_000), 0.5, large, None),
        Measurement(_CONDITIONS, 0.5, _IMPORTED, None),
        Measurement(replace(_CONDITIONS, source="logs"), 0.5, _IMPORTED, None),
    ]
    ratios = [line.split() for line in tables(measurements) if "ratio" in line]
    assert ratios == [["list,", "ratio", "100,000/10,000", "1.50"]]


def test_what_is_issued_is_encoded_as_an_encoder_does() -> None:
    entries = [(_ANNA, 10), (_BERT, 2**200)]
    function = Function("issueBatch", ("address[]", "uint256[]"), ())
    assert issue_calldata(entries) == ["0x" + function.encode([_ANNA, _BERT], [10, 2**200]).hex()]
