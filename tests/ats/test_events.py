"""What chain_sync_service reads of the logs that the studio's real tokens emit (version 8).

Each action also shows that nobody's holding changes unseen: what transfers do not explain is an account that the
facts say to read.
"""

from dataclasses import dataclass
from typing import Any, Final

import pytest
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.abi import event_abi_to_log_topic
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.types import LogReceipt

from chain_sync_service.domain.facts import ContractRole, Fact, FactKind, RawLog, Transfer
from chain_sync_service.infrastructure.log_reading import read_log
from deploy.ats.package import configuration_facets, load_artifact
from libs.evm import interfaces
from libs.evm.abi import Event
from tests.ats import roles
from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, NEW, UNIT, A, B, C, D, coupon_terms
from tests.ats.studio import Product, Studio

PARTITION: Final = (1).to_bytes(32, "big")
NOBODY: Final = to_checksum_address("0x" + "00" * 20)
CLEARING_ROLE: Final = HexBytes("0xd0fe259e861ec493f60fb83851f1a173155b0f2acc3da153de2a23fb0ad26db6")
CLEARING_VALIDATOR_ROLE: Final = HexBytes("0xa24ef577c383d98a9326f932c69c76129dd89a71abcb626993d9f047f4e74abb")
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
        block_number=log["blockNumber"],
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
        receipt = self.asset.send(function, *arguments, sender=sender)
        told = [read_log(ContractRole.TOKEN, raw_log(log)) for log in receipt["logs"]]
        facts = [each for each in told if isinstance(each, Fact)]
        if not any(fact.touches_everybody for fact in facts):
            self._fold(before, [each for each in told if isinstance(each, Transfer)])
            touched = {holder for fact in facts for holder in fact.touched}
            after = self._holdings()
            assert {holder for holder in after if after[holder] != before[holder]} <= touched
        return facts

    def _holdings(self) -> dict[str, list[int]]:
        return {account.lower(): [self.asset.read(part, account) for part in PARTS] for account in self.accounts}

    def _fold(self, holdings: dict[str, list[int]], transfers: list[Transfer]) -> None:
        for transfer in transfers:
            for holder, delta in ((transfer.sender, -transfer.amount), (transfer.receiver, transfer.amount)):
                if holder in holdings:
                    holdings[holder][0] += delta


@pytest.fixture
def watched(chain: Chain, equity: Asset) -> Watched:
    """The equity."""
    return Watched(equity, (A, B, C, D, NEW, chain.admin))


@pytest.fixture
def watched_bond(bond: Asset) -> Watched:
    """The bond whose coupons have rates."""
    return Watched(bond, (A,))


@pytest.fixture(scope="module")
def published_events(studio: Studio) -> dict[bytes, Any]:
    """The ABI by topic of all events of the products' facets and of the interface of all assets."""
    names = {"IAsset"}
    for product in (Product.EQUITY, Product.BOND, Product.KPI_LINKED_BOND):
        names |= set(configuration_facets(studio.package, product.script))
    entries: list[Any] = [entry for name in names for entry in load_artifact(studio.package, name).abi]
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


@pytest.mark.parametrize("name", ["equity", "bond", "kpi_bond"])
def test_nothing_is_unknown_of_how_a_token_is_set_up_and_issued(
    request: pytest.FixtureRequest, chain: Chain, name: str
) -> None:
    asset: Asset = request.getfixturevalue(name)
    logs = chain.web3.eth.get_logs({"address": asset.address, "fromBlock": 0, "toBlock": "latest"})

    told = [read_log(ContractRole.TOKEN, raw_log(log)) for log in logs]

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

    assert unread.keys() == LISTED_AS_UNKNOWN
    assert all(unread.values())


def test_our_layouts_of_version_8_are_the_published_ones(published_events: dict[bytes, Any]) -> None:
    published = {
        topic: tuple(each["indexed"] for each in abi["inputs"]) for topic, abi in published_events.items()
    }
    families = (value for name, value in vars(interfaces).items() if name.endswith("_V8"))
    ours = [event for value in families for event in (value if isinstance(value, tuple) else (value,))]

    layouts = {event.topic: event.indexed for event in ours if isinstance(event, Event)}
    layouts |= {
        event.topic: event.indexed
        for event in (
            *(interfaces.TOKENS_FROZEN, interfaces.TOKENS_UNFROZEN, interfaces.ADJUSTMENT_BALANCE_SET),
            *(interfaces.ADDED_TO_CONTROL_LIST, interfaces.REMOVED_FROM_CONTROL_LIST),
            *(interfaces.DIVIDEND_SET, interfaces.DIVIDEND_CANCELLED),
            *(interfaces.SNAPSHOT_TAKEN, interfaces.SNAPSHOT_TRIGGERED, interfaces.TRANSFER),
        )
    }
    assert {topic: published[topic] for topic in layouts} == layouts


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
        block_number=1,
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
    for role in (CLEARING_ROLE, CLEARING_VALIDATOR_ROLE):
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


def test_dividends_and_their_snapshots(chain: Chain, watched: Watched, operator: ChecksumAddress) -> None:
    watched.asset.grant(roles.SNAPSHOT, operator)
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


def test_coupons(chain: Chain, watched_bond: Watched) -> None:
    terms = coupon_terms(chain.now, rate=5)
    announced = watched_bond.send("setCoupon", terms.as_struct())
    cancelled = watched_bond.send("cancelCoupon", 1)
    watched_bond.send("setCoupon", coupon_terms(chain.now, rate=6).as_struct())
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


def test_a_coupon_whose_rate_is_pending(chain: Chain, kpi_bond: Asset) -> None:
    announced = Watched(kpi_bond, (A,)).send("setCoupon", coupon_terms(chain.now, rate=None).as_struct())

    details = the_only(announced, FactKind.CORPORATE_ACTION_ANNOUNCED)
    assert (details["rate"], details["rate_set"]) == ("0", "false")


def test_a_redemption_is_told_by_its_transfer(chain: Chain, watched_bond: Watched) -> None:
    bond = watched_bond.asset
    bond.grant(roles.MATURITY_REDEEMER, chain.admin)
    chain.advance_to(bond.read("getMaturityDate") + 1)

    assert watched_bond.send("fullRedeemAtMaturity", A) == []
    assert bond.balance_of(A) == 0
