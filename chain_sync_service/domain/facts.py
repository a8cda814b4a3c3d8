"""Types for logs of an asset's contracts, and for the facts that are read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber

ZERO_ADDRESS = EvmAddress("0x" + "0" * 40)


# The end of the year 9999: no calendar here goes further.
LATEST_TIME_SECONDS = 253_402_300_799

_WORD_BYTES = 32
_ADDRESS_PADDING = bytes(12)


class ContractRole(StrEnum):
    """The role of a contract for an asset. The same topic may mean different things in different roles."""

    TOKEN = "TOKEN"
    LIFECYCLE_CONTRACT = "LIFECYCLE_CONTRACT"
    PAYMENT_TOKEN = "PAYMENT_TOKEN"


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as a source returns it; addresses and hashes in lower case.

    `has_result` is false where the source has the log but not (yet) the transaction that made it: such a log
    alone proves nothing (docs/facts-hedera.md#mirror-node-lag).
    """

    contract: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: BlockNumber
    block_hash: str
    transaction_hash: str
    log_index: int
    has_result: bool = True


def named_addresses(log: RawLog) -> list[str]:
    """Returns everything in the topics and data that looks like an address. A number may look like one, too."""
    words = list(log.topics[1:])
    words += [log.data[start : start + _WORD_BYTES] for start in range(0, len(log.data), _WORD_BYTES)]
    return [
        f"0x{word[len(_ADDRESS_PADDING) :].hex()}"
        for word in words
        if len(word) == _WORD_BYTES and word.startswith(_ADDRESS_PADDING)
    ]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A Transfer log of the security token. A zero sender means an issue, a zero receiver a redemption.

    `amount` is in the token's base units; `sender` and `receiver` are lower-case addresses.
    """

    log: RawLog
    sender: str
    receiver: str
    amount: int


@dataclass(frozen=True, slots=True)
class SupplyChange:
    """A log that tells an issue to a holder or a redemption from one. A Transfer with the same content goes with
    it.

    A Transfer from or to nobody without it may be a lock or a freeze (docs/contract-surprises.md#15). Version 7
    tells no Transfer of a redemption at maturity (docs/contract-surprises.md#20).
    """

    log: RawLog
    holder: str
    amount: int


@dataclass(frozen=True, slots=True)
class PartitionTransfer:
    """A log that tells a movement of tokens in one partition, including locks and issues.

    Version 8 tells a Transfer with each; version 7 only where the call was one of ERC-20's own.
    """

    log: RawLog
    sender: str
    receiver: str
    amount: int


class FactKind(StrEnum):
    """The kinds of facts. The names are those of ChainEvent.Kind in the protos."""

    PAYMENT_TOKEN_DEPOSITED = "PAYMENT_TOKEN_DEPOSITED"
    CORPORATE_ACTION_ANNOUNCED = "CORPORATE_ACTION_ANNOUNCED"
    CORPORATE_ACTION_CANCELLED = "CORPORATE_ACTION_CANCELLED"
    CORPORATE_ACTION_RATE_SET = "CORPORATE_ACTION_RATE_SET"
    SNAPSHOT_TAKEN = "SNAPSHOT_TAKEN"
    PAUSE_CHANGED = "PAUSE_CHANGED"
    PAYOUT_EXECUTED = "PAYOUT_EXECUTED"
    HOLDER_RESTRICTION_CHANGED = "HOLDER_RESTRICTION_CHANGED"
    BALANCES_ADJUSTED = "BALANCES_ADJUSTED"
    UNKNOWN = "UNKNOWN"


# What `Fact.details` holds for each kind. All values are text: integers in decimal, addresses in lower case,
# times in seconds since 1970, flags `true` or `false`.
DETAILS: Mapping[FactKind, tuple[str, ...]] = {
    FactKind.PAYMENT_TOKEN_DEPOSITED: ("sender", "lifecycle_contract", "amount_base_units"),
    # `kind` is DIVIDEND or COUPON. A dividend has amount and amount_decimals, a coupon rate, rate_decimals,
    # rate_set and fixing_time; the others are empty.
    FactKind.CORPORATE_ACTION_ANNOUNCED: (
        "kind",
        "action_id",
        "record_time",
        "execution_time",
        "amount",
        "amount_decimals",
        "rate",
        "rate_decimals",
        "rate_set",
        "fixing_time",
    ),
    FactKind.CORPORATE_ACTION_CANCELLED: ("kind", "action_id", "forced"),
    FactKind.CORPORATE_ACTION_RATE_SET: (
        "kind",
        "action_id",
        "record_time",
        "execution_time",
        "amount",
        "amount_decimals",
        "rate",
        "rate_decimals",
        "rate_set",
        "fixing_time",
    ),
    # `scheduled` is true for SnapshotTriggered: a record date's snapshot.
    FactKind.SNAPSHOT_TAKEN: ("snapshot_id", "scheduled"),
    # `lifecycle_contract` is a flag: whether it is the one that was paused or unpaused.
    FactKind.PAUSE_CHANGED: ("lifecycle_contract", "paused"),
    # `method` is the event's name; `reference_id` the snapshot's or action's number, 0 for a cash-out. A payee
    # of the zero address is padding and does not count (docs/contract-surprises.md#4).
    FactKind.PAYOUT_EXECUTED: ("method", "reference_id", "succeeded_count", "failed_count", "paid_base_units"),
    # `kind` is CONTROL_LIST, ACCOUNT_FROZEN, TOKENS_FROZEN, TOKENS_LOCKED or TOKENS_HELD; the amount is empty
    # where the log tells none.
    FactKind.HOLDER_RESTRICTION_CHANGED: ("holder", "kind", "restricted", "amount_base_units"),
    FactKind.BALANCES_ADJUSTED: ("factor", "more_decimals"),
    FactKind.UNKNOWN: (),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """What a log tells, unless it is a transfer.

    `touched` are accounts whose holdings it may have changed in a way that no Transfer tells: they are read from
    the chain. `touches_everybody` is true where all holdings may have changed. `problem` says why a log is
    UNKNOWN although its topic is known; empty otherwise.
    """

    kind: FactKind
    log: RawLog
    details: Mapping[str, str] = field(default_factory=dict)
    touched: tuple[str, ...] = ()
    touches_everybody: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SeenFact:
    """A fact with the time of its block. `sequence` is that of its event, 0 if none is published."""

    fact: Fact
    block_time: datetime
    sequence: int


# What a log may mean to an asset.
LogMeaning = Transfer | SupplyChange | PartitionTransfer | Fact
