"""What is read of logs in each role: layouts of both versions, logs of strange layouts, poison values."""

import pytest
from eth_abi.abi import encode

from chain_sync_service.domain.facts import (
    ContractRole,
    Fact,
    FactKind,
    PartitionTransfer,
    RawLog,
    Transfer,
)
from chain_sync_service.infrastructure.log_reading import read_log
from libs.chain.quantities import BlockNumber
from libs.evm import interfaces
from libs.evm.abi import Event

OPERATOR = "0x" + "0b" * 20
HOLDER = "0x" + "a1" * 20
OTHER = "0x" + "b2" * 20
LIFECYCLE = "0x" + "1c" * 20
ZERO = "0x" + "00" * 20
ACTION = (7).to_bytes(32, "big")
PARTITION = (1).to_bytes(32, "big")
COUPON = (1_700, 1_800, 1_000, 1_500, 1_600, 425, 2, 1)
HOLD = (30, 5_000, OTHER, ZERO, b"data")


def log_of(event: Event, *values: object) -> RawLog:
    """The log that a contract emits of an event with these values."""
    fields = list(zip(event.inputs, event.indexed, values, strict=True))
    indexed = [encode([kind], [value]) for kind, flag, value in fields if flag]
    plain = [(kind, value) for kind, flag, value in fields if not flag]
    data = encode([kind for kind, _ in plain], [value for _, value in plain])
    return raw_log((event.topic, *indexed), data)


def raw_log(topics: tuple[bytes, ...], data: bytes) -> RawLog:
    return RawLog(
        contract="0x" + "11" * 20,
        topics=topics,
        data=data,
        block_number=BlockNumber(5),
        block_hash="0x" + "22" * 32,
        transaction_hash="0x" + "33" * 32,
        log_index=1,
    )


def fact_of(log: RawLog, role: ContractRole = ContractRole.TOKEN) -> Fact:
    fact = read_log(role, log)
    assert isinstance(fact, Fact)
    assert fact.log is log
    return fact


def unknown(log: RawLog, *, touched: tuple[str, ...] = (), problem: str = "") -> Fact:
    return Fact(FactKind.UNKNOWN, log, touched=touched, problem=problem)


# --- Transfers ------------------------------------------------------------------------------------------------


def test_a_transfer_is_what_the_event_decodes_to() -> None:
    log = log_of(interfaces.TRANSFER, HOLDER, OTHER, 2**256 - 1)

    transfer = read_log(ContractRole.TOKEN, log)

    assert transfer == Transfer(log, *interfaces.TRANSFER.decode(log.topics, log.data))


@pytest.mark.parametrize(("sender", "receiver"), [(ZERO, HOLDER), (HOLDER, ZERO), (HOLDER, HOLDER)])
def test_issues_redemptions_and_transfers_to_oneself_are_transfers(sender: str, receiver: str) -> None:
    log = log_of(interfaces.TRANSFER, sender, receiver, 5)

    assert read_log(ContractRole.TOKEN, log) == Transfer(log, sender, receiver, 5)


def test_a_transfer_from_nobody_to_nobody_tells_nothing() -> None:
    assert read_log(ContractRole.TOKEN, log_of(interfaces.TRANSFER, ZERO, ZERO, 5)) is None


@pytest.mark.parametrize(
    ("log", "shape"),
    [
        (
            log_of(Event("Transfer", ("address", "address", "uint256"), (True,) * 3), HOLDER, OTHER, 5),
            "4 topics and 0 bytes",
        ),
        (
            log_of(Event("Transfer", ("address", "address", "uint256"), (True, False, False)), HOLDER, OTHER, 5),
            "2 topics and 64 bytes",
        ),
        (
            raw_log((interfaces.TRANSFER.topic, encode(["address"], [HOLDER])), encode(["address"], [OTHER])),
            "2 topics and 32 bytes",
        ),
    ],
)
def test_a_transfer_of_another_layout_is_unknown_and_names_accounts(log: RawLog, shape: str) -> None:
    assert fact_of(log) == unknown(
        log, touched=(HOLDER, OTHER), problem=f"Transfer: a log with {shape} of data has another layout"
    )


def test_a_transfer_of_what_is_no_address_is_unknown() -> None:
    word = b"\x01" + bytes(31)
    log = raw_log((interfaces.TRANSFER.topic, word, bytes(12) + bytes.fromhex(HOLDER[2:])), bytes(32))

    assert fact_of(log) == unknown(log, touched=(HOLDER,), problem=f"Transfer: 0x{word.hex()} is no address")


def by_partition(sender: str, receiver: str, amount: int) -> RawLog:
    return log_of(interfaces.TRANSFER_BY_PARTITION, PARTITION, OPERATOR, sender, receiver, amount, b"why", b"")


@pytest.mark.parametrize(("sender", "receiver"), [(ZERO, HOLDER), (HOLDER, ZERO), (HOLDER, OTHER)])
def test_a_movement_of_a_partition_is_what_the_event_decodes_to(sender: str, receiver: str) -> None:
    log = by_partition(sender, receiver, 2**256 - 1)

    _, _, *told, _, _ = interfaces.TRANSFER_BY_PARTITION.decode(log.topics, log.data)

    assert told == [sender, receiver, 2**256 - 1]
    assert read_log(ContractRole.TOKEN, log) == PartitionTransfer(log, sender, receiver, 2**256 - 1)


def test_a_movement_of_a_partition_from_nobody_to_nobody_tells_nothing() -> None:
    assert read_log(ContractRole.TOKEN, by_partition(ZERO, ZERO, 5)) is None


def test_a_movement_of_a_partition_of_another_layout_is_unknown_and_names_accounts() -> None:
    log = by_partition(HOLDER, OTHER, 5)
    short = raw_log(log.topics[:3], log.data)
    empty = raw_log(log.topics, bytes(32))

    for odd, touched in ((short, (HOLDER, OPERATOR)), (empty, (HOLDER, OTHER))):
        fact = fact_of(odd)
        assert (fact.kind, fact.touched) == (FactKind.UNKNOWN, touched)
        assert fact.problem.startswith("TransferByPartition: a log with")


# --- Deposits -------------------------------------------------------------------------------------------------


def test_a_deposit() -> None:
    log = log_of(interfaces.TRANSFER, HOLDER, LIFECYCLE, 1_000)

    assert read_log(ContractRole.PAYMENT_TOKEN, log, {LIFECYCLE}) == Fact(
        FactKind.PAYMENT_TOKEN_DEPOSITED,
        log,
        {"sender": HOLDER, "lifecycle_contract": LIFECYCLE, "amount_base_units": "1000"},
    )


@pytest.mark.parametrize(
    ("sender", "receiver", "amount"), [(LIFECYCLE, HOLDER, 5), (HOLDER, LIFECYCLE, 0), (LIFECYCLE, LIFECYCLE, 5)]
)
def test_other_transfers_of_payment_tokens_are_no_deposits(sender: str, receiver: str, amount: int) -> None:
    log = log_of(interfaces.TRANSFER, sender, receiver, amount)

    assert read_log(ContractRole.PAYMENT_TOKEN, log, {LIFECYCLE}) is None


def test_a_payment_tokens_other_logs_are_nobodys_concern() -> None:
    log = raw_log((b"\x01" * 32,), encode(["address"], [HOLDER]))

    assert read_log(ContractRole.PAYMENT_TOKEN, log, {LIFECYCLE}) is None


def test_a_payment_tokens_strange_transfer_is_unknown_and_touches_no_holder() -> None:
    log = raw_log((interfaces.TRANSFER.topic,), encode(["address", "address", "uint256"], [HOLDER, LIFECYCLE, 5]))

    fact = read_log(ContractRole.PAYMENT_TOKEN, log, {LIFECYCLE})

    assert fact == unknown(log, problem="Transfer: a log with 1 topics and 96 bytes of data has another layout")


# --- Corporate actions and snapshots --------------------------------------------------------------------------


def test_a_dividend() -> None:
    fact = fact_of(log_of(interfaces.DIVIDEND_SET, ACTION, 3, OPERATOR, 1_700, 1_800, 125, 2))

    assert fact.kind is FactKind.CORPORATE_ACTION_ANNOUNCED
    assert fact.details == {
        "kind": "DIVIDEND",
        "action_id": "3",
        "record_time": "1700",
        "execution_time": "1800",
        "amount": "125",
        "amount_decimals": "2",
        "rate": "",
        "rate_decimals": "",
        "rate_set": "",
        "fixing_time": "",
    }
    assert fact.touched == ()


@pytest.mark.parametrize("event", [interfaces.COUPON_SET_V7, interfaces.COUPON_SET_V8])
def test_a_coupon_in_the_layouts_of_both_versions(event: Event) -> None:
    fact = fact_of(log_of(event, ACTION, 3, OPERATOR, COUPON))

    assert fact.kind is FactKind.CORPORATE_ACTION_ANNOUNCED
    assert fact.details == {
        "kind": "COUPON",
        "action_id": "3",
        "record_time": "1700",
        "execution_time": "1800",
        "amount": "",
        "amount_decimals": "",
        "rate": "425",
        "rate_decimals": "2",
        "rate_set": "true",
        "fixing_time": "1600",
    }


def test_a_coupon_of_version_2() -> None:
    fact = fact_of(log_of(interfaces.COUPON_SET_V2, ACTION, 3, OPERATOR, 1_700, 1_800, 425, 2, 31_536))

    assert fact.kind is FactKind.CORPORATE_ACTION_ANNOUNCED
    assert fact.details == {
        "kind": "COUPON",
        "action_id": "3",
        "record_time": "1700",
        "execution_time": "1800",
        "amount": "",
        "amount_decimals": "",
        "rate": "425",
        "rate_decimals": "2",
        "rate_set": "true",
        "fixing_time": "",
    }


def test_a_coupon_without_fixing_date_whose_rate_is_pending() -> None:
    pending = (1_700, 1_800, 1_000, 1_500, 0, 0, 0, 0)

    fact = fact_of(log_of(interfaces.COUPON_SET_V8, ACTION, 3, OPERATOR, pending))

    assert (fact.details["rate_set"], fact.details["fixing_time"]) == ("false", "")


@pytest.mark.parametrize(
    ("event", "kind", "forced"),
    [
        (interfaces.DIVIDEND_CANCELLED, "DIVIDEND", "false"),
        (interfaces.DIVIDEND_FORCE_CANCELLED_V8, "DIVIDEND", "true"),
        (interfaces.COUPON_CANCELLED_V7, "COUPON", "false"),
        (interfaces.COUPON_CANCELLED_V8, "COUPON", "false"),
        (interfaces.COUPON_FORCE_CANCELLED_V8, "COUPON", "true"),
    ],
)
def test_cancellations(event: Event, kind: str, forced: str) -> None:
    fact = fact_of(log_of(event, 9, OPERATOR))

    assert fact.kind is FactKind.CORPORATE_ACTION_CANCELLED
    assert fact.details == {"kind": kind, "action_id": "9", "forced": forced}


def test_snapshots() -> None:
    taken = fact_of(log_of(interfaces.SNAPSHOT_TAKEN, OPERATOR, 4))
    triggered = fact_of(log_of(interfaces.SNAPSHOT_TRIGGERED, 5, ACTION))
    triggered_v2 = fact_of(log_of(interfaces.SNAPSHOT_TRIGGERED_V2, OPERATOR, 6))

    assert {each.kind for each in (taken, triggered, triggered_v2)} == {FactKind.SNAPSHOT_TAKEN}
    assert taken.details == {"snapshot_id": "4", "scheduled": "false"}
    assert triggered_v2.details == {"snapshot_id": "6", "scheduled": "true"}
    assert triggered.details == {"snapshot_id": "5", "scheduled": "true"}


@pytest.mark.parametrize(
    ("event", "role", "lifecycle", "paused"),
    [
        (interfaces.TOKEN_PAUSED_V7, ContractRole.TOKEN, "false", "true"),
        (interfaces.TOKEN_UNPAUSED_V7, ContractRole.TOKEN, "false", "false"),
        (interfaces.TOKEN_PAUSED_V8, ContractRole.TOKEN, "false", "true"),
        (interfaces.TOKEN_UNPAUSED_V8, ContractRole.TOKEN, "false", "false"),
        (interfaces.LIFECYCLE_PAUSED, ContractRole.LIFECYCLE_CONTRACT, "true", "true"),
        (interfaces.LIFECYCLE_UNPAUSED, ContractRole.LIFECYCLE_CONTRACT, "true", "false"),
    ],
)
def test_pauses(event: Event, role: ContractRole, lifecycle: str, paused: str) -> None:
    fact = fact_of(log_of(event, OPERATOR), role)

    assert fact.kind is FactKind.PAUSE_CHANGED
    assert fact.details == {"lifecycle_contract": lifecycle, "paused": paused}


# --- Restrictions ---------------------------------------------------------------------------------------------

Case = tuple[RawLog, str, str, str, tuple[str, ...]]
RESTRICTIONS: dict[str, Case] = {
    "listed": (
        log_of(interfaces.ADDED_TO_CONTROL_LIST, OPERATOR, HOLDER),
        *("CONTROL_LIST", "true", ""),
        (),
    ),
    "unlisted": (
        log_of(interfaces.REMOVED_FROM_CONTROL_LIST, OPERATOR, HOLDER),
        *("CONTROL_LIST", "false", ""),
        (),
    ),
    "account frozen": (
        log_of(interfaces.ADDRESS_FROZEN_V8, HOLDER, True, OPERATOR),
        *("ACCOUNT_FROZEN", "true", ""),
        (),
    ),
    "account unfrozen": (
        log_of(interfaces.ADDRESS_FROZEN_V8, HOLDER, False, OPERATOR),
        *("ACCOUNT_FROZEN", "false", ""),
        (),
    ),
    "tokens frozen": (
        log_of(interfaces.TOKENS_FROZEN, HOLDER, 30, PARTITION),
        *("TOKENS_FROZEN", "true", "30"),
        (HOLDER,),
    ),
    "tokens unfrozen": (
        log_of(interfaces.TOKENS_UNFROZEN, HOLDER, 30, PARTITION),
        *("TOKENS_FROZEN", "false", "30"),
        (HOLDER,),
    ),
    "locked": (
        log_of(interfaces.LOCKED_BY_PARTITION_V8, OPERATOR, HOLDER, PARTITION, 1, 30, 5_000),
        *("TOKENS_LOCKED", "true", "30"),
        (HOLDER,),
    ),
    "released": (
        log_of(interfaces.LOCK_BY_PARTITION_RELEASED_V8, OPERATOR, HOLDER, PARTITION, 1),
        *("TOKENS_LOCKED", "false", ""),
        (HOLDER,),
    ),
    "transferred and locked": (
        log_of(interfaces.PARTITION_TRANSFERRED_AND_LOCKED_V8, PARTITION, OTHER, HOLDER, 30, b"", 5_000, 1),
        *("TOKENS_LOCKED", "true", "30"),
        (OTHER, HOLDER),
    ),
    "hold executed": (
        log_of(interfaces.HOLD_BY_PARTITION_EXECUTED_V8, HOLDER, PARTITION, 1, 30, OTHER),
        *("TOKENS_HELD", "false", "30"),
        (HOLDER, OTHER),
    ),
    "hold executed to nobody": (
        log_of(interfaces.HOLD_BY_PARTITION_EXECUTED_V8, HOLDER, PARTITION, 1, 30, ZERO),
        *("TOKENS_HELD", "false", "30"),
        (HOLDER,),
    ),
    "hold released": (
        log_of(interfaces.HOLD_BY_PARTITION_RELEASED_V8, HOLDER, PARTITION, 1, 30),
        *("TOKENS_HELD", "false", "30"),
        (HOLDER,),
    ),
    "hold reclaimed": (
        log_of(interfaces.HOLD_BY_PARTITION_RECLAIMED_V8, OPERATOR, HOLDER, PARTITION, 1, 30),
        *("TOKENS_HELD", "false", "30"),
        (HOLDER,),
    ),
    "amortization hold": (
        log_of(interfaces.AMORTIZATION_HOLD_SET_V8, ACTION, 2, HOLDER, 1, 30),
        *("TOKENS_HELD", "true", "30"),
        (HOLDER,),
    ),
    "amortization hold released": (
        log_of(interfaces.AMORTIZATION_HOLD_RELEASED_V8, ACTION, 2, HOLDER, 1),
        *("TOKENS_HELD", "false", ""),
        (HOLDER,),
    ),
    "cleared transfer approved": (
        log_of(interfaces.CLEARING_OPERATION_APPROVED_V8, OPERATOR, HOLDER, PARTITION, 1, 0, b""),
        *("TOKENS_HELD", "false", ""),
        (HOLDER,),
    ),
    "cleared redemption of version 2 approved": (
        log_of(interfaces.CLEARING_OPERATION_APPROVED_V2, OPERATOR, HOLDER, PARTITION, 1, 1),
        *("TOKENS_HELD", "false", ""),
        (HOLDER,),
    ),
    "cleared hold of version 2 approved": (
        log_of(interfaces.CLEARING_OPERATION_APPROVED_V2, OPERATOR, HOLDER, PARTITION, 1, 2),
        *("TOKENS_HELD", "true", ""),
        (HOLDER,),
    ),
    "cleared hold approved": (
        log_of(interfaces.CLEARING_OPERATION_APPROVED_V8, OPERATOR, HOLDER, PARTITION, 1, 2, b""),
        *("TOKENS_HELD", "true", ""),
        (HOLDER,),
    ),
    "clearing cancelled": (
        log_of(interfaces.CLEARING_OPERATION_CANCELED_V8, OPERATOR, HOLDER, PARTITION, 1, 2),
        *("TOKENS_HELD", "false", ""),
        (HOLDER,),
    ),
    "clearing reclaimed": (
        log_of(interfaces.CLEARING_OPERATION_RECLAIMED_V8, OPERATOR, HOLDER, PARTITION, 1, 1),
        *("TOKENS_HELD", "false", ""),
        (HOLDER,),
    ),
    **{
        event.name: (
            log_of(event, OPERATOR, HOLDER, PARTITION, 1, HOLD, b""),
            *("TOKENS_HELD", "true", "30"),
            (HOLDER,),
        )
        for event in interfaces.HELD_EVENTS_V8
    },
    **{
        event.name: (
            log_of(event, OPERATOR, HOLDER, PARTITION, 1, HOLD, 5_000, b"", b""),
            *("TOKENS_HELD", "true", "30"),
            (HOLDER,),
        )
        for event in interfaces.CLEARED_HOLD_EVENTS_V8
    },
    **{
        event.name: (
            log_of(event, OPERATOR, HOLDER, OTHER, PARTITION, 1, 30, 5_000, b"", b""),
            *("TOKENS_HELD", "true", "30"),
            (HOLDER, OTHER),
        )
        for event in interfaces.CLEARED_TRANSFER_EVENTS_V8
    },
    **{
        event.name: (
            log_of(event, OPERATOR, HOLDER, PARTITION, 1, 30, 5_000, b"", b""),
            *("TOKENS_HELD", "true", "30"),
            (HOLDER,),
        )
        for event in interfaces.CLEARED_REDEEM_EVENTS_V8
    },
}


@pytest.mark.parametrize(("operation", "reads_everybody"), [(0, True), (1, False), (2, False)])
def test_no_log_of_version_2_tells_who_receives_a_cleared_transfer(operation: int, reads_everybody: bool) -> None:
    event = interfaces.CLEARING_OPERATION_APPROVED_V2
    assert fact_of(log_of(event, OPERATOR, HOLDER, PARTITION, 1, operation)).touches_everybody is reads_everybody


@pytest.mark.parametrize("case", RESTRICTIONS.values(), ids=RESTRICTIONS.keys())
def test_restrictions(case: Case) -> None:
    log, kind, restricted, amount, touched = case

    fact = fact_of(log)

    assert fact.kind is FactKind.HOLDER_RESTRICTION_CHANGED
    assert fact.details == {
        "holder": HOLDER,
        "kind": kind,
        "restricted": restricted,
        "amount_base_units": amount,
    }
    assert fact.touched == touched
    assert not fact.touches_everybody


# --- What else changes holdings -------------------------------------------------------------------------------


def test_an_adjustment_touches_everybody() -> None:
    log = log_of(interfaces.ADJUSTMENT_BALANCE_SET, OPERATOR, 3, 1)

    assert fact_of(log) == Fact(
        FactKind.BALANCES_ADJUSTED, log, {"factor": "3", "more_decimals": "1"}, touches_everybody=True
    )


@pytest.mark.parametrize(
    ("log", "problem", "touched", "everybody"),
    [
        (
            log_of(interfaces.RECOVERY_SUCCESS_V8, HOLDER, OTHER, ZERO),
            f"the holdings of {HOLDER} were moved to {OTHER}",
            (HOLDER, OTHER),
            False,
        ),
        (
            log_of(interfaces.SCHEDULED_BALANCE_ADJUSTMENT_SET_V8, ACTION, 1, OPERATOR, 9_999_999, 3, 1),
            "all balances change by 3 with 1 more decimals at 9999999: no log tells when they do",
            (),
            False,
        ),
        (
            log_of(interfaces.SCHEDULED_BALANCE_ADJUSTMENT_FORCE_CANCELLED_V8, 4, OPERATOR),
            "the scheduled balance adjustment 4 was cancelled by force",
            (),
            True,
        ),
        (
            log_of(interfaces.TASK_EXECUTION_FAILED_V8, ACTION, ACTION, 1_700),
            "the task scheduled for 1700 failed",
            (),
            True,
        ),
        (
            log_of(interfaces.AMORTIZATION_SET_V8, ACTION, 2, OPERATOR, 9_999_998, 9_999_999),
            "amortization 2 was announced: none is followed or paid here",
            (),
            False,
        ),
    ],
    ids=["recovery", "scheduled", "force cancelled", "failed task", "amortization"],
)
def test_what_has_no_kind_is_listed_with_a_reason(
    log: RawLog, problem: str, touched: tuple[str, ...], everybody: bool
) -> None:
    assert fact_of(log) == Fact(
        FactKind.UNKNOWN, log, touched=touched, touches_everybody=everybody, problem=problem
    )


# --- Unknown and poisonous logs -------------------------------------------------------------------------------


def test_a_log_of_an_unknown_topic_names_what_looks_like_an_account() -> None:
    topics = (b"\x77" * 32, encode(["address"], [HOLDER]), bytes(32))
    words = [
        encode(["address"], [OTHER]),
        encode(["address"], [HOLDER]),
        (0xFFFF).to_bytes(32, "big"),
        (0x10000).to_bytes(32, "big"),
        b"\x01" * 32,
        # The last word is cut short.
        encode(["address"], ["0x" + "cc" * 20])[:31],
    ]
    log = raw_log(topics, b"".join(words))

    assert fact_of(log) == unknown(log, touched=(HOLDER, OTHER, "0x" + "10000".rjust(40, "0")))


def test_a_log_without_topics_is_unknown() -> None:
    log = raw_log((), encode(["address"], [HOLDER]))

    assert fact_of(log) == unknown(log, touched=(HOLDER,))


def test_a_lifecycle_contracts_unknown_log_touches_nobody() -> None:
    log = raw_log((b"\x77" * 32,), encode(["address"], [HOLDER]))

    assert fact_of(log, ContractRole.LIFECYCLE_CONTRACT) == unknown(log)


def test_a_topic_means_nothing_in_another_role() -> None:
    log = log_of(interfaces.LIFECYCLE_PAUSED, OPERATOR)

    assert fact_of(log).kind is FactKind.UNKNOWN


@pytest.mark.parametrize(
    "log",
    [
        log_of(Event("TokensFrozen", ("address", "uint256", "bytes32"), (False,) * 3), HOLDER, 30, PARTITION),
        raw_log((interfaces.TOKENS_FROZEN.topic, encode(["address"], [HOLDER])), b"\x01"),
        log_of(
            Event("IssuedByPartition", ("bytes32", "address", "address", "uint256", "bytes"), (False,) * 5),
            *(b"\xff" * 32, HOLDER, HOLDER, 5, b""),
        ),
    ],
    ids=["fields not indexed", "data cut short", "harmless, but not indexed"],
)
def test_a_known_topic_of_a_strange_layout_is_unknown_with_a_reason(log: RawLog) -> None:
    fact = fact_of(log)

    assert fact.kind is FactKind.UNKNOWN
    assert fact.touched == (HOLDER,)
    assert fact.problem


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        (log_of(interfaces.SNAPSHOT_TAKEN, OPERATOR, 2**63), f"snapshot {2**63} is out of range"),
        (log_of(interfaces.DIVIDEND_CANCELLED, 2**63, OPERATOR), f"corporate action {2**63} is out of range"),
        (
            log_of(interfaces.DIVIDEND_SET, ACTION, 2**64, OPERATOR, 1, 2, 3, 4),
            f"dividend {2**64} is out of range",
        ),
        (
            log_of(interfaces.DIVIDEND_SET, ACTION, 1, OPERATOR, 1, 253_402_300_800, 3, 4),
            "execution date 253402300800 is no time",
        ),
        (
            log_of(interfaces.COUPON_SET_V8, ACTION, 1, OPERATOR, (2**40, *COUPON[1:])),
            f"record date {2**40} is no time",
        ),
        (
            log_of(interfaces.COUPON_SET_V8, ACTION, 1, OPERATOR, (*COUPON[:7], 2)),
            "rate status 2 is neither pending nor set",
        ),
    ],
)
def test_values_that_no_event_can_carry_are_unknown_with_a_reason(log: RawLog, problem: str) -> None:
    fact = fact_of(log)

    assert (fact.kind, fact.problem) == (FactKind.UNKNOWN, problem)


def test_the_largest_values_that_events_can_carry() -> None:
    log = log_of(interfaces.DIVIDEND_SET, ACTION, 2**63 - 1, OPERATOR, 1, 253_402_300_799, 2**256 - 1, 255)

    details = fact_of(log).details

    assert details["action_id"] == str(2**63 - 1)
    assert details["execution_time"] == "253402300799"
    assert details["amount"] == str(2**256 - 1)


@pytest.mark.parametrize("event", [*interfaces.HARMLESS_ASSET_EVENTS, interfaces.REDEEMED_BY_PARTITION])
def test_harmless_logs_of_a_token_tell_nothing(event: Event) -> None:
    topics = (event.topic, *(encode(["address"], [HOLDER]) for flag in event.indexed if flag))

    assert read_log(ContractRole.TOKEN, raw_log(topics, b"")) is None


@pytest.mark.parametrize("event", interfaces.HARMLESS_LIFECYCLE_EVENTS)
def test_harmless_logs_of_a_lifecycle_contract_tell_nothing(event: Event) -> None:
    topics = (event.topic, *(encode(["address"], [HOLDER]) for flag in event.indexed if flag))

    assert read_log(ContractRole.LIFECYCLE_CONTRACT, raw_log(topics, b"")) is None


# --- The lifecycle contract -----------------------------------------------------------------------------------

FAILED = [OTHER, ZERO, ZERO]
SUCCEEDED = [HOLDER, OPERATOR, ZERO]
# An amount beside padding belongs to nobody.
AMOUNTS = [100, 0, 7]


@pytest.mark.parametrize(
    ("event", "head", "reference"),
    [
        (interfaces.AMOUNT_SNAPSHOT_EXECUTED, (8, 0, 3, 1_000), "8"),
        (interfaces.PERCENTAGE_SNAPSHOT_EXECUTED, (8, 0, 3, 10), "8"),
        (interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED, (8, [HOLDER], 1_000), "8"),
        (interfaces.PERCENTAGE_SNAPSHOT_BY_ADDRESSES_EXECUTED, (8, [HOLDER], 10), "8"),
        (interfaces.DISTRIBUTION_EXECUTED, (8, 0, 3), "8"),
        (interfaces.DISTRIBUTION_BY_ADDRESSES_EXECUTED, (8, [HOLDER]), "8"),
        (interfaces.CASH_OUT_EXECUTED, (8, 3), "0"),
        (interfaces.CASH_OUT_BY_ADDRESSES_EXECUTED, ([HOLDER],), "0"),
    ],
)
def test_executions(event: Event, head: tuple[object, ...], reference: str) -> None:
    log = log_of(event, *head, FAILED, SUCCEEDED, AMOUNTS)

    assert fact_of(log, ContractRole.LIFECYCLE_CONTRACT) == Fact(
        FactKind.PAYOUT_EXECUTED,
        log,
        {
            "method": event.name,
            "reference_id": reference,
            "succeeded_count": "2",
            "failed_count": "1",
            "paid_base_units": "100",
        },
    )


def test_an_execution_whose_arrays_do_not_match_is_unknown() -> None:
    log = log_of(interfaces.CASH_OUT_EXECUTED, 0, 3, FAILED, SUCCEEDED, [100])

    assert fact_of(log, ContractRole.LIFECYCLE_CONTRACT) == unknown(
        log, problem="CashOutExecuted: 3 payees and 1 amounts"
    )


def test_another_payment_token_is_listed_with_a_reason() -> None:
    log = log_of(interfaces.PAYMENT_TOKEN_CHANGED, OTHER)

    assert fact_of(log, ContractRole.LIFECYCLE_CONTRACT) == unknown(
        log, problem=f"the lifecycle contract pays with another token now, {OTHER}"
    )
