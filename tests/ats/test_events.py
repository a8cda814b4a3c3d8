"""What chain_sync_service reads of the logs that the studio's real tokens emit.

Each action also shows that nobody's holding changes unseen: what transfers do not explain is an account that the
facts say to read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.abi import event_abi_to_log_topic
from eth_utils.address import to_checksum_address
from web3.types import LogReceipt

from chain_sync_service.domain.facts import (
    ContractRole,
    Fact,
    FactKind,
    LogMeaning,
    PartitionTransfer,
    RawLog,
    SupplyChange,
    Transfer,
)
from chain_sync_service.domain.holdings import window_effects, without_repeated_snapshots
from chain_sync_service.domain.listener import Contracts
from chain_sync_service.infrastructure.contract_logs import read_asset_log
from chain_sync_service.infrastructure.log_reading import read_log
from deploy.ats.package import load_artifact
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.evm import interfaces
from libs.evm.abi import Event
from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, NEW, UNIT, A, B, C, D, coupon_terms
from tests.ats.studio import Studio

PARTITION: Final = (1).to_bytes(32, "big")
NOBODY: Final = to_checksum_address("0x" + "00" * 20)
only_version_2 = pytest.mark.releases("2.0.0")
only_version_8 = pytest.mark.releases("8.0.0")
CLEARING_TRANSFER, CLEARING_REDEMPTION, CLEARING_HOLD = range(3)
PARTS: Final = (
    "balanceOf",
    "getFrozenTokens",
    "getLockedAmountFor",
    "getHeldAmountFor",
    "getClearedAmountFor",
)
# The package's facets for tests only.
TEST_EVENTS: Final = {
    "SystemTimestampChanged",
    "SystemTimestampReset",
    "SystemBlocknumberChanged",
    "SystemBlocknumberReset",
}
# They have no kind of their own: they are listed with a reason, and what they may have changed is read.
ALWAYS_THE_SAME: Final = (
    *(interfaces.TRANSFER, interfaces.TRANSFER_BY_PARTITION),
    *(interfaces.ISSUED_BY_PARTITION, interfaces.REDEEMED_BY_PARTITION),
    *(interfaces.TOKENS_FROZEN, interfaces.TOKENS_UNFROZEN, interfaces.ADJUSTMENT_BALANCE_SET),
    *(interfaces.ADDED_TO_CONTROL_LIST, interfaces.REMOVED_FROM_CONTROL_LIST),
    *(interfaces.DIVIDEND_SET, interfaces.SNAPSHOT_TAKEN),
)
LISTED_AS_UNKNOWN: Final = {
    "AmortizationSet",
    "RecoverySuccess",
    "ScheduledBalanceAdjustmentSet",
    "ScheduledBalanceAdjustmentForceCancelled",
    "TaskExecutionFailed",
}


def raw_log(log: LogReceipt) -> RawLog:
    return RawLog(
        contract=log["address"].lower(),
        topics=tuple(bytes(topic) for topic in log["topics"]),
        data=bytes(log["data"]),
        block_number=BlockNumber(log["blockNumber"]),
        block_hash=log["blockHash"].to_0x_hex(),
        transaction_hash=log["transactionHash"].to_0x_hex(),
        log_index=log["logIndex"],
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """An asset each of whose actions is read and compared with what became of its holders."""

    asset: Asset
    accounts: tuple[ChecksumAddress, ...]

    def send(self, function: str, *arguments: Any, sender: ChecksumAddress | None = None) -> list[Fact]:
        """The facts of a transaction; fails if a holding has changed that neither they nor transfers name."""
        before = self._holdings()
        told = self.read(self.asset.send(function, *arguments, sender=sender)["logs"])
        facts = without_repeated_snapshots([each for each in told if isinstance(each, Fact)])
        effects = window_effects(
            [each for each in told if isinstance(each, Transfer)],
            [each for each in told if isinstance(each, SupplyChange)],
            [each for each in told if isinstance(each, PartitionTransfer)],
            facts,
            trusts_folding=True,
        )
        if not effects.reads_everybody:
            for fold in effects.folds:
                before[fold.holder][0] += fold.delta
            after = self._holdings()
            assert {holder for holder in after if after[holder] != before[holder]} <= effects.to_read
        return facts

    def read(self, logs: Sequence[LogReceipt]) -> list[LogMeaning]:
        """What logs mean."""
        contracts = Contracts(EvmAddress(self.asset.address.lower()), None, None)
        told = [read_asset_log(contracts, raw_log(log)) for log in logs]
        return [each for each in told if each is not None]

    def _holdings(self) -> dict[str, list[int]]:
        return {account.lower(): [self.asset.read(part, account) for part in PARTS] for account in self.accounts}


@pytest.fixture
def watched(chain: Chain, equity: Asset) -> Watched:
    """The equity."""
    return Watched(equity, (A, B, C, D, NEW, chain.admin))


@pytest.fixture
def watched_bond(bond: Asset) -> Watched:
    """The bond whose coupons have rates."""
    return Watched(bond, (A, B, C, D))


@pytest.fixture(scope="module")
def published_events(studio: Studio) -> dict[bytes, Any]:
    """The ABI by topic of all events of the products' facets."""
    entries: list[Any] = [entry for abi in studio.token_abis.values() for entry in abi]
    if studio.release.version == "8.0.0":
        # It has what products that are not deployed here emit.
        entries += load_artifact(studio.package, "IAsset").abi
    return {
        bytes(event_abi_to_log_topic(entry)): entry
        for entry in entries
        if entry["type"] == "event" and entry["name"] not in TEST_EVENTS
    }


def restriction(kind: str, holder: str, *, restricted: bool, amount: int | None = None) -> dict[str, str]:
    return {
        "holder": holder.lower(),
        "kind": kind,
        "restricted": "true" if restricted else "false",
        "amount_base_units": "" if amount is None else str(amount),
    }


def the_only(facts: list[Fact], kind: FactKind) -> dict[str, str]:
    (fact,) = facts
    assert fact.kind is kind, fact
    return dict(fact.details)


def the_restriction(facts: list[Fact]) -> dict[str, str]:
    return the_only(facts, FactKind.HOLDER_RESTRICTION_CHANGED)


# --- All of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["equity", "bond", pytest.param("kpi_bond", marks=only_version_8)])
def test_nothing_is_unknown_of_how_a_token_is_set_up_and_issued(
    request: pytest.FixtureRequest, chain: Chain, name: str
) -> None:
    asset: Asset = request.getfixturevalue(name)
    logs = chain.web3.eth.get_logs({"address": asset.address, "fromBlock": 0, "toBlock": "latest"})

    told = Watched(asset, ()).read(logs)

    assert [each for each in told if isinstance(each, Fact)] == []
    issued = [each for each in told if isinstance(each, Transfer)]
    assert {each.receiver: each.amount for each in issued} == {
        holder.lower(): amount for holder, amount in AMOUNTS.items()
    }


def test_every_published_event_is_known_in_its_published_layout(published_events: dict[bytes, Any]) -> None:
    unread = {}
    for abi in published_events.values():
        fact = read_log(ContractRole.TOKEN, _sample(abi))
        if isinstance(fact, Fact) and fact.kind is FactKind.UNKNOWN:
            unread[abi["name"]] = fact.problem

    assert unread.keys() == LISTED_AS_UNKNOWN & {abi["name"] for abi in published_events.values()}
    assert all(unread.values())


@only_version_8
def test_our_layouts_of_version_8_are_the_published_ones(published_events: dict[bytes, Any]) -> None:
    cancelled = (interfaces.DIVIDEND_CANCELLED, interfaces.SNAPSHOT_TRIGGERED)
    assert_published(published_events, [*family("_V8"), *cancelled, *ALWAYS_THE_SAME])


@only_version_2
def test_our_layouts_of_version_2_are_the_published_ones(published_events: dict[bytes, Any]) -> None:
    paused = (interfaces.TOKEN_PAUSED_V7, interfaces.TOKEN_UNPAUSED_V7)
    assert_published(published_events, [*family("_V2"), *paused, *ALWAYS_THE_SAME])


def family(suffix: str) -> list[Event]:
    """The events of ours that have this at the end of their name."""
    values = (value for name, value in vars(interfaces).items() if name.endswith(suffix))
    events = [event for value in values for event in (value if isinstance(value, tuple) else (value,))]
    return [event for event in events if isinstance(event, Event)]


def assert_published(published: dict[bytes, Any], ours: Sequence[Event]) -> None:
    """Each of these is emitted with the same fields indexed."""
    layouts = {event.topic: event.indexed for event in ours}
    assert {topic: tuple(each["indexed"] for each in published[topic]["inputs"]) for topic in layouts} == layouts


def _sample(abi: Any) -> RawLog:
    """A log of an event with values that every layout allows."""
    plain = [each for each in abi["inputs"] if not each["indexed"]]
    topics = [
        bytes(32) if each["type"] in ("string", "bytes") else encode([each["type"]], [_value(each)])
        for each in abi["inputs"]
        if each["indexed"]
    ]
    return RawLog(
        contract="0x" + "11" * 20,
        topics=(bytes(event_abi_to_log_topic(abi)), *topics),
        data=encode([_canonical(each) for each in plain], [_value(each) for each in plain]),
        block_number=BlockNumber(1),
        block_hash="0x" + "22" * 32,
        transaction_hash="0x" + "33" * 32,
        log_index=0,
    )


def _canonical(parameter: Any) -> str:
    if not parameter["type"].startswith("tuple"):
        return str(parameter["type"])
    inner = ",".join(_canonical(each) for each in parameter["components"])
    return f"({inner}){parameter['type'].removeprefix('tuple')}"


def _value(parameter: Any) -> object:
    kind = parameter["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(_value(each) for each in parameter["components"])
    if kind == "address":
        return A
    if kind == "string":
        return ""
    return 1 if kind.startswith("uint") else kind == "bool" or b""


# --- Restrictions ---------------------------------------------------------------------------------------------


def test_freezing_a_part(watched: Watched) -> None:
    frozen = watched.send("freezePartialTokens", A, 3 * UNIT)
    unfrozen = watched.send("unfreezePartialTokens", A, UNIT)

    assert the_restriction(frozen) == restriction("TOKENS_FROZEN", A, restricted=True, amount=3 * UNIT)
    assert the_restriction(unfrozen) == restriction("TOKENS_FROZEN", A, restricted=False, amount=UNIT)


def test_freezing_an_account_and_listing_it(watched: Watched) -> None:
    frozen = watched.send("setAddressFrozen", A, True)
    unfrozen = watched.send("setAddressFrozen", A, False)
    listed = watched.send("addToControlList", B)
    unlisted = watched.send("removeFromControlList", B)

    assert the_restriction(frozen) == restriction("ACCOUNT_FROZEN", A, restricted=True)
    assert the_restriction(unfrozen) == restriction("ACCOUNT_FROZEN", A, restricted=False)
    assert the_restriction(listed) == restriction("CONTROL_LIST", B, restricted=True)
    assert the_restriction(unlisted) == restriction("CONTROL_LIST", B, restricted=False)


def test_locks(chain: Chain, watched: Watched) -> None:
    watched.asset.issue({chain.admin: UNIT})
    soon = chain.now + 100
    locked = watched.send("lock", UNIT, C, soon)
    sent = watched.send("transferAndLock", NEW, 5, b"", soon)
    chain.advance_to(soon + 1)
    released = watched.send("release", 1, C)

    assert the_restriction(locked) == restriction("TOKENS_LOCKED", C, restricted=True, amount=UNIT)
    assert the_restriction(sent) == restriction("TOKENS_LOCKED", NEW, restricted=True, amount=5)
    assert the_restriction(released) == restriction("TOKENS_LOCKED", C, restricted=False)


def test_holds(chain: Chain, watched: Watched, operator: ChecksumAddress) -> None:
    expires = chain.now + 1000
    hold = (UNIT, expires, operator, NOBODY, b"")
    watched.send("authorizeOperator", operator, sender=D)
    watched.send("approve", operator, 10 * UNIT, sender=D)
    begun = [
        watched.send("createHoldByPartition", PARTITION, hold, sender=D),
        watched.send("createHoldFromByPartition", PARTITION, D, hold, b"", sender=operator),
        watched.send("operatorCreateHoldByPartition", PARTITION, D, hold, b"", sender=operator),
        watched.send("controllerCreateHoldByPartition", PARTITION, D, hold, b""),
    ]
    executed = watched.send("executeHoldByPartition", (PARTITION, D, 1), NEW, 400, sender=operator)
    released = watched.send("releaseHoldByPartition", (PARTITION, D, 1), 300, sender=operator)
    chain.advance_to(expires + 1)
    reclaimed = watched.send("reclaimHoldByPartition", (PARTITION, D, 2))

    for facts in begun:
        assert the_restriction(facts) == restriction("TOKENS_HELD", D, restricted=True, amount=UNIT)
    assert the_restriction(executed) == restriction("TOKENS_HELD", D, restricted=False, amount=400)
    assert the_restriction(released) == restriction("TOKENS_HELD", D, restricted=False, amount=300)
    assert the_restriction(reclaimed) == restriction("TOKENS_HELD", D, restricted=False, amount=UNIT)


def test_clearing(chain: Chain, watched: Watched, operator: ChecksumAddress) -> None:
    for role in (watched.asset.roles.clearing, watched.asset.roles.clearing_validator):
        watched.asset.grant(role, chain.admin)
    assert watched.send("activateClearing") == []
    expires = chain.now + 1000
    operation = (PARTITION, expires, b"")
    hold = (UNIT, expires, operator, NOBODY, b"")

    awaiting = [
        watched.send("clearingTransferByPartition", operation, UNIT, NEW, sender=D),
        watched.send("clearingRedeemByPartition", operation, UNIT, sender=D),
        watched.send("clearingCreateHoldByPartition", operation, hold, sender=D),
        watched.send("clearingTransferByPartition", operation, UNIT, NEW, sender=D),
        watched.send("clearingTransferByPartition", operation, UNIT, NEW, sender=D),
    ]
    ended = [
        watched.send("approveClearingOperationByPartition", (CLEARING_TRANSFER, PARTITION, D, 1)),
        watched.send("approveClearingOperationByPartition", (CLEARING_REDEMPTION, PARTITION, D, 1)),
        watched.send("cancelClearingOperationByPartition", (CLEARING_TRANSFER, PARTITION, D, 2)),
    ]
    approved_hold = watched.send("approveClearingOperationByPartition", (CLEARING_HOLD, PARTITION, D, 1))
    chain.advance_to(expires + 1)
    ended.append(watched.send("reclaimClearingOperationByPartition", (CLEARING_TRANSFER, PARTITION, D, 3)))

    for facts in awaiting:
        assert the_restriction(facts) == restriction("TOKENS_HELD", D, restricted=True, amount=UNIT)
    # No log of version 2 names the receiver, who is known from before.
    assert awaiting[0][0].touched == (D.lower(), NEW.lower())
    assert ended[0][0].touches_everybody is (watched.asset.release.version == "2.0.0")
    for facts in ended:
        assert the_restriction(facts) == restriction("TOKENS_HELD", D, restricted=False)
    assert the_restriction(approved_hold) == restriction("TOKENS_HELD", D, restricted=True)


def test_what_a_controller_moves_is_told_by_transfers(watched: Watched) -> None:
    assert watched.send("controllerTransfer", B, NEW, UNIT, b"", b"") == []
    assert watched.send("forcedTransfer", B, NEW, UNIT) == []
    assert watched.send("controllerRedeem", B, UNIT, b"", b"") == []
    assert watched.send("burn", B, UNIT) == []


def test_a_recovered_account(watched: Watched) -> None:
    watched.send("freezePartialTokens", A, UNIT)

    (recovered,) = watched.send("recoveryAddress", A, NEW, NOBODY)

    assert recovered.kind is FactKind.UNKNOWN
    assert recovered.touched == (A.lower(), NEW.lower())
    assert recovered.problem.startswith("the holdings of")


# --- Adjustments ----------------------------------------------------------------------------------------------


def test_an_adjustment_touches_everybody_and_its_late_transfers_nobody(watched: Watched) -> None:
    (adjusted,) = watched.send("adjustBalances", 3, 1)

    assert adjusted.kind is FactKind.BALANCES_ADJUSTED
    assert adjusted.details == {"factor": "3", "more_decimals": "1"}
    assert adjusted.touches_everybody
    # Emits a transfer from nobody to nobody for each of the two.
    assert watched.send("transfer", NEW, 5, sender=B) == []


def test_a_scheduled_adjustment(chain: Chain, watched: Watched) -> None:
    time = chain.now + 50
    (scheduled,) = watched.send("setScheduledBalanceAdjustment", (time, 2, 1))
    before = watched.asset.balance_of(A)
    chain.advance_to(time + 1)
    unannounced = watched.asset.balance_of(A)
    (adjusted,) = watched.send("triggerPendingScheduledCrossOrderedTasks")

    assert unannounced == 2 * before
    assert scheduled.kind is FactKind.UNKNOWN
    assert scheduled.problem == (
        f"all balances change by 2 with 1 more decimals at {time}: no log tells when they do"
    )
    assert (adjusted.kind, adjusted.touches_everybody) == (FactKind.BALANCES_ADJUSTED, True)


@only_version_8
def test_a_scheduled_adjustment_cancelled_after_its_time_touches_everybody(chain: Chain, watched: Watched) -> None:
    time = chain.now + 50
    watched.send("setScheduledBalanceAdjustment", (time, 2, 1))
    before = watched.asset.balance_of(A)
    chain.advance_to(time + 1)

    facts = watched.send("forceCancelScheduledBalanceAdjustment", 1)

    assert watched.asset.balance_of(A) == before
    assert any(fact.touches_everybody for fact in facts)


# --- Pause, snapshots, corporate actions ----------------------------------------------------------------------


def test_pause(watched: Watched) -> None:
    paused = watched.send("pause")
    unpaused = watched.send("unpause")

    assert the_only(paused, FactKind.PAUSE_CHANGED) == {"lifecycle_contract": "false", "paused": "true"}
    assert the_only(unpaused, FactKind.PAUSE_CHANGED) == {"lifecycle_contract": "false", "paused": "false"}


@only_version_2
def test_dividends_of_version_2_and_their_snapshots(
    chain: Chain, watched: Watched, operator: ChecksumAddress
) -> None:
    watched.asset.grant(watched.asset.roles.snapshot, operator)
    record, execution = chain.now + 50, chain.now + 100
    announced = watched.send("setDividends", (record, execution, 1234, 3))
    chain.advance_to(record + 1)
    triggered, taken = watched.send("takeSnapshot", sender=operator)

    assert the_only(announced, FactKind.CORPORATE_ACTION_ANNOUNCED) == {
        "kind": "DIVIDEND",
        "action_id": "1",
        "record_time": str(record),
        "execution_time": str(execution),
        "amount": "1234",
        "amount_decimals": "3",
        "rate": "",
        "rate_decimals": "",
        "rate_set": "",
        "fixing_time": "",
    }
    assert triggered.details == {"snapshot_id": "1", "scheduled": "true"}
    assert taken.details == {"snapshot_id": "2", "scheduled": "false"}


@only_version_2
def test_a_coupon_of_version_2(chain: Chain, watched_bond: Watched) -> None:
    terms = coupon_terms(chain.now, rate=5)
    announced = watched_bond.send("setCoupon", watched_bond.asset.release.coupon_struct(terms))

    assert the_only(announced, FactKind.CORPORATE_ACTION_ANNOUNCED) == {
        "kind": "COUPON",
        "action_id": "1",
        "record_time": str(terms.record),
        "execution_time": str(terms.execution),
        "amount": "",
        "amount_decimals": "",
        "rate": "5",
        "rate_decimals": "2",
        "rate_set": "true",
        "fixing_time": "",
    }


@only_version_2
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("issueByPartition", ((PARTITION, NEW, UNIT, b""),)),
        ("controllerTransferByPartition", (PARTITION, A, NEW, UNIT, b"", b"")),
        ("controllerRedeemByPartition", (PARTITION, A, UNIT, b"", b"")),
    ],
)
def test_what_is_done_by_partition_is_read(watched: Watched, function: str, arguments: tuple[object, ...]) -> None:
    """Version 2 emits no Transfer then; `send` fails if a change is neither folded nor read."""
    before = watched.asset.balance_of(A), watched.asset.balance_of(NEW)
    assert watched.send(function, *arguments) == []
    assert (watched.asset.balance_of(A), watched.asset.balance_of(NEW)) != before


@only_version_8
def test_dividends_and_their_snapshots(chain: Chain, watched: Watched, operator: ChecksumAddress) -> None:
    watched.asset.grant(watched.asset.roles.snapshot, operator)
    record, execution = chain.now + 50, chain.now + 100
    announced = watched.send("setDividend", (record, execution, 1234, 3))
    cancelled = watched.send("cancelDividend", 1)
    watched.send("setDividend", (record + 1, execution, 1, 0))
    chain.advance_to(execution + 1)
    triggered, taken = watched.send("takeSnapshot", sender=operator)
    forced = watched.send("forceCancelDividend", 2)

    assert the_only(announced, FactKind.CORPORATE_ACTION_ANNOUNCED) == {
        "kind": "DIVIDEND",
        "action_id": "1",
        "record_time": str(record),
        "execution_time": str(execution),
        "amount": "1234",
        "amount_decimals": "3",
        "rate": "",
        "rate_decimals": "",
        "rate_set": "",
        "fixing_time": "",
    }
    kind = FactKind.CORPORATE_ACTION_CANCELLED
    assert the_only(cancelled, kind) == {"kind": "DIVIDEND", "action_id": "1", "forced": "false"}
    assert the_only(forced, kind) == {"kind": "DIVIDEND", "action_id": "2", "forced": "true"}
    assert (triggered.kind, taken.kind) == (FactKind.SNAPSHOT_TAKEN, FactKind.SNAPSHOT_TAKEN)
    assert triggered.details == {"snapshot_id": "1", "scheduled": "true"}
    assert taken.details == {"snapshot_id": "2", "scheduled": "false"}


@only_version_8
def test_coupons(chain: Chain, watched_bond: Watched) -> None:
    terms = coupon_terms(chain.now, rate=5)
    struct = watched_bond.asset.release.coupon_struct
    announced = watched_bond.send("setCoupon", struct(terms))
    cancelled = watched_bond.send("cancelCoupon", 1)
    watched_bond.send("setCoupon", struct(coupon_terms(chain.now, rate=6)))
    forced = watched_bond.send("forceCancelCoupon", 2)

    assert the_only(announced, FactKind.CORPORATE_ACTION_ANNOUNCED) == {
        "kind": "COUPON",
        "action_id": "1",
        "record_time": str(terms.record),
        "execution_time": str(terms.execution),
        "amount": "",
        "amount_decimals": "",
        "rate": "5",
        "rate_decimals": "2",
        "rate_set": "true",
        "fixing_time": str(terms.fixing),
    }
    kind = FactKind.CORPORATE_ACTION_CANCELLED
    assert the_only(cancelled, kind) == {"kind": "COUPON", "action_id": "1", "forced": "false"}
    assert the_only(forced, kind) == {"kind": "COUPON", "action_id": "2", "forced": "true"}


@only_version_8
def test_a_coupon_whose_rate_is_pending(chain: Chain, kpi_bond: Asset) -> None:
    terms = kpi_bond.release.coupon_struct(coupon_terms(chain.now, rate=None))
    announced = Watched(kpi_bond, (A,)).send("setCoupon", terms)

    details = the_only(announced, FactKind.CORPORATE_ACTION_ANNOUNCED)
    assert (details["rate"], details["rate_set"]) == ("0", "false")


def test_a_redemption_is_seen(chain: Chain, watched_bond: Watched) -> None:
    bond = watched_bond.asset
    bond.grant(bond.roles.maturity_redeemer, chain.admin)
    chain.advance_to(bond.matures + 1)

    assert watched_bond.send("fullRedeemAtMaturity", A) == []
    assert bond.balance_of(A) == 0
