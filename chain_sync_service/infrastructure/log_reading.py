"""Decodes the logs of an asset's contracts into transfers and facts. Pure functions, used for both sources.

The same topic may come in different layouts (versions 7 and 8 index other fields): each known one is tried. A log
never stops anybody: what cannot be read becomes a fact of kind UNKNOWN with the reason.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from chain_sync_service.domain.facts import (
    DETAILS,
    LATEST_TIME_SECONDS,
    ZERO_ADDRESS,
    ContractRole,
    Fact,
    FactKind,
    PartitionTransfer,
    RawLog,
    Transfer,
    named_addresses,
)
from libs.evm import interfaces
from libs.evm.abi import Event, UndecodableError

WORD_BYTES = 32
ADDRESS_BYTES = 20
_ADDRESS_PADDING = bytes(WORD_BYTES - ADDRESS_BYTES)
# Addresses up to this one are precompiled contracts and small numbers, never holders.
_LAST_RESERVED_ADDRESS = 0xFFFF
# What events can carry: 64-bit numbers, and times to the end of the year 9999.
_MAX_NUMBER = 2**63 - 1
_MAX_PROBLEM_LENGTH = 300

DIVIDEND = "DIVIDEND"
COUPON = "COUPON"
CONTROL_LIST = "CONTROL_LIST"
ACCOUNT_FROZEN = "ACCOUNT_FROZEN"
TOKENS_FROZEN = "TOKENS_FROZEN"
TOKENS_LOCKED = "TOKENS_LOCKED"
# Also tokens that await clearing: they are held until it is decided.
TOKENS_HELD = "TOKENS_HELD"

# The values of an event in their order, addresses in lower case.
_Values = tuple[Any, ...]
_Reader = Callable[[RawLog, _Values], Fact]


class _UnreadableError(Exception):
    """A log cannot be read. The message says why; it is empty for an unknown topic."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """One layout of an event and the function that reads it.

    Without a function, the event tells nothing that matters.
    """

    event: Event
    read: _Reader | None


def read_log(
    role: ContractRole, log: RawLog, lifecycle_contracts: Collection[str] = ()
) -> Transfer | PartitionTransfer | Fact | None:
    """Returns what a log of an asset's contract in this role tells; None if nothing that matters to the asset.

    `lifecycle_contracts` are lower-case addresses: of a payment token's logs only transfers to them matter. A
    transfer from nobody to nobody, which tells of an old adjustment, changes nothing: None.
    """
    try:
        match role:
            case ContractRole.TOKEN:
                return _read_token_log(log)
            case ContractRole.LIFECYCLE_CONTRACT:
                return _read_by_layouts(_LIFECYCLE_LAYOUTS, log)
            case ContractRole.PAYMENT_TOKEN:
                return _read_payment_token_log(log, lifecycle_contracts)
    except _UnreadableError as error:
        # Holdings are kept by the token alone: no log of another contract changes them.
        touched = _named_accounts(log) if role is ContractRole.TOKEN else ()
        return _unknown(log, str(error), touched=touched)


def _read_token_log(log: RawLog) -> Transfer | PartitionTransfer | Fact | None:
    told: Transfer | PartitionTransfer
    if _is_transfer(log):
        told = _transfer(log)
    elif log.topics and log.topics[0] == interfaces.TRANSFER_BY_PARTITION.topic:
        told = _partition_transfer(log)
    else:
        return _read_by_layouts(_TOKEN_LAYOUTS, log)
    return None if told.sender == told.receiver == ZERO_ADDRESS.value else told


def _read_payment_token_log(log: RawLog, lifecycle_contracts: Collection[str]) -> Fact | None:
    """Returns a deposit, or None. Other logs of a payment token do not matter here."""
    if not _is_transfer(log):
        return None
    transfer = _transfer(log)
    arrives = transfer.receiver in lifecycle_contracts and transfer.sender != transfer.receiver
    if not arrives or transfer.amount == 0:
        return None
    return _fact(
        FactKind.PAYMENT_TOKEN_DEPOSITED,
        log,
        sender=transfer.sender,
        lifecycle_contract=transfer.receiver,
        amount_base_units=str(transfer.amount),
    )


# --- Transfers ----------------------------------------------------------------------------------------------


def _is_transfer(log: RawLog) -> bool:
    return bool(log.topics) and log.topics[0] == interfaces.TRANSFER.topic


def _transfer(log: RawLog) -> Transfer:
    """Reads a Transfer by hand, six times as fast as TRANSFER.decode, because most logs are transfers.

    Raises _UnreadableError.
    """
    if len(log.topics) != 3 or len(log.data) != WORD_BYTES:
        raise _UnreadableError(
            f"Transfer: a log with {len(log.topics)} topics and {len(log.data)} bytes of data has another layout"
        )
    return Transfer(log, _address(log.topics[1]), _address(log.topics[2]), int.from_bytes(log.data, "big"))


def _partition_transfer(log: RawLog) -> PartitionTransfer:
    """Reads by hand what matters of a partition's transfer, because every transfer has one. Raises
    _UnreadableError.

    Of its data, (operator, value, data, operator data), the value is the second word.
    """
    if len(log.topics) != 4 or len(log.data) < 2 * WORD_BYTES:
        raise _UnreadableError(
            f"TransferByPartition: a log with {len(log.topics)} topics and {len(log.data)} bytes of data has "
            "another layout"
        )
    value = int.from_bytes(log.data[WORD_BYTES : 2 * WORD_BYTES], "big")
    return PartitionTransfer(log, _address(log.topics[2]), _address(log.topics[3]), value)


def _address(word: bytes) -> str:
    if len(word) != WORD_BYTES or not word.startswith(_ADDRESS_PADDING):
        raise _UnreadableError(f"Transfer: 0x{word.hex()} is no address")
    return f"0x{word[-ADDRESS_BYTES:].hex()}"


# --- Layouts ------------------------------------------------------------------------------------------------


def _read_by_layouts(known: Mapping[bytes, Sequence[_Layout]], log: RawLog) -> Fact | None:
    """Reads a log by the first layout that fits. Raises _UnreadableError with the complaint of the last one."""
    problem = ""
    for layout in known.get(log.topics[0], ()) if log.topics else ():
        try:
            return _read_by_layout(layout, log)
        except (UndecodableError, _UnreadableError) as error:
            problem = str(error)
    raise _UnreadableError(problem)


def _read_by_layout(layout: _Layout, log: RawLog) -> Fact | None:
    """Reads a log by one layout.

    If the event tells nothing that matters, only the number of topics is compared.
    """
    if layout.read is not None:
        return layout.read(log, layout.event.decode(log.topics, log.data))
    if len(log.topics) != 1 + sum(layout.event.indexed):
        raise _UnreadableError(f"{layout.event.name}: a log with {len(log.topics)} topics has another layout")
    return None


def _unknown(
    log: RawLog, problem: str = "", *, touched: Iterable[str] = (), touches_everybody: bool = False
) -> Fact:
    return Fact(
        FactKind.UNKNOWN,
        log,
        touched=_holders(touched),
        touches_everybody=touches_everybody,
        problem=problem[:_MAX_PROBLEM_LENGTH],
    )


def _named_accounts(log: RawLog) -> list[str]:
    """Returns the accounts that the log names. A log that is not understood may have changed their holdings."""
    return [address for address in named_addresses(log) if int(address, 16) > _LAST_RESERVED_ADDRESS]


def _holders(accounts: Iterable[str]) -> tuple[str, ...]:
    """Returns each holder once, without the zero address."""
    return tuple(account for account in dict.fromkeys(accounts) if account != ZERO_ADDRESS.value)


def _fact(kind: FactKind, log: RawLog, /, *, touched: Iterable[str] = (), **details: str) -> Fact:
    """Makes a fact with all details of its kind. Details that are not given are empty."""
    return Fact(kind, log, {name: details.get(name, "") for name in DETAILS[kind]}, _holders(touched))


# --- Values -------------------------------------------------------------------------------------------------


def _number(value: int, what: str) -> str:
    """Reads an identifier. Raises _UnreadableError for a number that no event can carry."""
    if value > _MAX_NUMBER:
        raise _UnreadableError(f"{what} {value} is out of range")
    return str(value)


def _time(value: int, what: str) -> str:
    """Reads seconds since 1970. Raises _UnreadableError for a time after the year 9999."""
    if value > LATEST_TIME_SECONDS:
        raise _UnreadableError(f"{what} {value} is no time")
    return str(value)


def _flag(value: bool) -> str:
    return "true" if value else "false"


# --- Corporate actions and snapshots ------------------------------------------------------------------------


def _read_dividend(log: RawLog, values: _Values) -> Fact:
    _, dividend_id, _, record_time, execution_time, amount, amount_decimals = values
    return _fact(
        FactKind.CORPORATE_ACTION_ANNOUNCED,
        log,
        kind=DIVIDEND,
        action_id=_number(dividend_id, "dividend"),
        record_time=_time(record_time, "record date"),
        execution_time=_time(execution_time, "execution date"),
        amount=str(amount),
        amount_decimals=str(amount_decimals),
    )


def _read_coupon(log: RawLog, values: _Values) -> Fact:
    _, coupon_id, _, coupon = values
    record_time, execution_time, _, _, fixing_time, rate, rate_decimals, rate_status = coupon
    if rate_status not in (interfaces.COUPON_RATE_PENDING, interfaces.COUPON_RATE_SET):
        raise _UnreadableError(f"rate status {rate_status} is neither pending nor set")
    return _fact(
        FactKind.CORPORATE_ACTION_ANNOUNCED,
        log,
        kind=COUPON,
        action_id=_number(coupon_id, "coupon"),
        record_time=_time(record_time, "record date"),
        execution_time=_time(execution_time, "execution date"),
        rate=str(rate),
        rate_decimals=str(rate_decimals),
        rate_set=_flag(rate_status == interfaces.COUPON_RATE_SET),
        fixing_time=_time(fixing_time, "fixing date") if fixing_time else "",
    )


def _read_coupon_of_version_2(log: RawLog, values: _Values) -> Fact:
    """Reads a coupon of version 2. Its rate is always given, and there is no fixing date."""
    _, coupon_id, _, record_time, execution_time, rate, rate_decimals, _ = values
    return _fact(
        FactKind.CORPORATE_ACTION_ANNOUNCED,
        log,
        kind=COUPON,
        action_id=_number(coupon_id, "coupon"),
        record_time=_time(record_time, "record date"),
        execution_time=_time(execution_time, "execution date"),
        rate=str(rate),
        rate_decimals=str(rate_decimals),
        rate_set=_flag(True),
    )


def _read_cancellation(log: RawLog, values: _Values, *, kind: str, forced: bool) -> Fact:
    action_id, _ = values
    return _fact(
        FactKind.CORPORATE_ACTION_CANCELLED,
        log,
        kind=kind,
        action_id=_number(action_id, "corporate action"),
        forced=_flag(forced),
    )


def _read_snapshot_taken(log: RawLog, values: _Values) -> Fact:
    _, snapshot_id = values
    return _snapshot(log, snapshot_id, scheduled=False)


def _read_snapshot_triggered(log: RawLog, values: _Values) -> Fact:
    snapshot_id, _ = values
    return _snapshot(log, snapshot_id, scheduled=True)


def _read_snapshot_triggered_of_version_2(log: RawLog, values: _Values) -> Fact:
    _, snapshot_id = values
    return _snapshot(log, snapshot_id, scheduled=True)


def _snapshot(log: RawLog, snapshot_id: int, *, scheduled: bool) -> Fact:
    return _fact(
        FactKind.SNAPSHOT_TAKEN,
        log,
        snapshot_id=_number(snapshot_id, "snapshot"),
        scheduled=_flag(scheduled),
    )


def _read_amortization(log: RawLog, values: _Values) -> Fact:
    _, amortization_id, *_ = values
    return _unknown(log, f"amortization {amortization_id} was announced: none is followed or paid here")


def _read_failed_task(log: RawLog, values: _Values) -> Fact:
    """Reads a failed scheduled task. It may have been an adjustment that balances showed before it ran."""
    _, _, scheduled_time = values
    return _unknown(log, f"the task scheduled for {scheduled_time} failed", touches_everybody=True)


# --- Pauses -------------------------------------------------------------------------------------------------


def _read_pause(log: RawLog, values: _Values, *, lifecycle_contract: bool, paused: bool) -> Fact:
    return _fact(FactKind.PAUSE_CHANGED, log, lifecycle_contract=_flag(lifecycle_contract), paused=_flag(paused))


# --- Restrictions -------------------------------------------------------------------------------------------


def _restriction(
    log: RawLog,
    kind: str,
    holder: str,
    *,
    restricted: bool,
    amount: int | None = None,
    touched: Iterable[str] = (),
) -> Fact:
    return _fact(
        FactKind.HOLDER_RESTRICTION_CHANGED,
        log,
        touched=touched,
        holder=holder,
        kind=kind,
        restricted=_flag(restricted),
        amount_base_units="" if amount is None else str(amount),
    )


def _read_control_list(log: RawLog, values: _Values, *, listed: bool) -> Fact:
    _, account = values
    return _restriction(log, CONTROL_LIST, account, restricted=listed)


def _read_account_frozen(log: RawLog, values: _Values) -> Fact:
    account, frozen, _ = values
    return _restriction(log, ACCOUNT_FROZEN, account, restricted=frozen)


def _read_tokens_frozen(log: RawLog, values: _Values, *, frozen: bool) -> Fact:
    account, amount, _ = values
    return _restriction(log, TOKENS_FROZEN, account, restricted=frozen, amount=amount, touched=[account])


def _read_locked(log: RawLog, values: _Values) -> Fact:
    _, holder, _, _, amount, _ = values
    return _restriction(log, TOKENS_LOCKED, holder, restricted=True, amount=amount, touched=[holder])


def _read_lock_released(log: RawLog, values: _Values) -> Fact:
    _, holder, _, _ = values
    return _restriction(log, TOKENS_LOCKED, holder, restricted=False, touched=[holder])


def _read_transferred_and_locked(log: RawLog, values: _Values) -> Fact:
    _, sender, receiver, amount, *_ = values
    return _restriction(log, TOKENS_LOCKED, receiver, restricted=True, amount=amount, touched=[sender, receiver])


def _read_held(log: RawLog, values: _Values) -> Fact:
    """Reads a hold, or a hold that awaits clearing, which has the same fields up to the hold."""
    _, holder, _, _, (amount, *_), *_ = values
    return _restriction(log, TOKENS_HELD, holder, restricted=True, amount=amount, touched=[holder])


def _read_hold_executed(log: RawLog, values: _Values) -> Fact:
    holder, _, _, amount, receiver = values
    return _restriction(log, TOKENS_HELD, holder, restricted=False, amount=amount, touched=[holder, receiver])


def _read_hold_released(log: RawLog, values: _Values) -> Fact:
    holder, _, _, amount = values
    return _restriction(log, TOKENS_HELD, holder, restricted=False, amount=amount, touched=[holder])


def _read_hold_reclaimed(log: RawLog, values: _Values) -> Fact:
    _, holder, _, _, amount = values
    return _restriction(log, TOKENS_HELD, holder, restricted=False, amount=amount, touched=[holder])


def _read_amortization_hold(log: RawLog, values: _Values) -> Fact:
    _, _, holder, _, amount = values
    return _restriction(log, TOKENS_HELD, holder, restricted=True, amount=amount, touched=[holder])


def _read_amortization_hold_released(log: RawLog, values: _Values) -> Fact:
    _, _, holder, _ = values
    return _restriction(log, TOKENS_HELD, holder, restricted=False, touched=[holder])


def _read_cleared_transfer(log: RawLog, values: _Values) -> Fact:
    """Reads a cleared transfer. The receiver is noted too, as version 2 does not name it at the approval."""
    _, holder, receiver, _, _, amount, *_ = values
    return _restriction(log, TOKENS_HELD, holder, restricted=True, amount=amount, touched=[holder, receiver])


def _read_cleared_redemption(log: RawLog, values: _Values) -> Fact:
    _, holder, _, _, amount, *_ = values
    return _restriction(log, TOKENS_HELD, holder, restricted=True, amount=amount, touched=[holder])


def _read_clearing_approved(log: RawLog, values: _Values) -> Fact:
    """Reads an approved clearing. A Transfer tells where the tokens went. An approved hold goes on as a hold."""
    _, holder, _, _, operation, _ = values
    still_held = operation == interfaces.CLEARING_OF_HOLD
    return _restriction(log, TOKENS_HELD, holder, restricted=still_held, touched=[holder])


def _read_clearing_approved_of_version_2(log: RawLog, values: _Values) -> Fact:
    """Reads an approved clearing of version 2. No log tells where the tokens went, so everybody is read."""
    _, holder, _, _, operation = values
    still_held = operation == interfaces.CLEARING_OF_HOLD
    fact = _restriction(log, TOKENS_HELD, holder, restricted=still_held, touched=[holder])
    return replace(fact, touches_everybody=operation == interfaces.CLEARING_OF_TRANSFER)


def _read_clearing_ended(log: RawLog, values: _Values) -> Fact:
    """Reads a clearing that was cancelled, or reclaimed after its time."""
    _, holder, _, _, _ = values
    return _restriction(log, TOKENS_HELD, holder, restricted=False, touched=[holder])


# --- Whatever else changes holdings -------------------------------------------------------------------------


def _read_adjustment(log: RawLog, values: _Values) -> Fact:
    _, factor, more_decimals = values
    details = {"factor": str(factor), "more_decimals": str(more_decimals)}
    return Fact(FactKind.BALANCES_ADJUSTED, log, details, touches_everybody=True)


def _read_scheduled_adjustment(log: RawLog, values: _Values) -> Fact:
    """Reads a scheduled adjustment.

    From its time on balances change without a log, until something triggers it.
    """
    _, _, _, execution_time, factor, decimals = values
    return _unknown(
        log,
        f"all balances change by {factor} with {decimals} more decimals at {execution_time}: no log tells when"
        " they do",
    )


def _read_force_cancelled_adjustment(log: RawLog, values: _Values) -> Fact:
    """Reads a cancelled adjustment. It can be cancelled after its time, when balances already showed it."""
    adjustment_id, _ = values
    return _unknown(
        log, f"the scheduled balance adjustment {adjustment_id} was cancelled by force", touches_everybody=True
    )


def _read_recovery(log: RawLog, values: _Values) -> Fact:
    lost, new, _ = values
    return _unknown(log, f"the holdings of {lost} were moved to {new}", touched=[lost, new])


# --- The lifecycle contract ---------------------------------------------------------------------------------


def _read_execution(log: RawLog, values: _Values, *, event: Event, has_reference: bool) -> Fact:
    """Reads an execution. The last three values are the failed payees, the paid ones, and the amount each of these
    got.

    The zero address among them is padding. A cash-out has no reference.
    """
    *head, failed, succeeded, amounts = values
    if len(succeeded) != len(amounts):
        raise _UnreadableError(f"{event.name}: {len(succeeded)} payees and {len(amounts)} amounts")
    paid = [amount for payee, amount in zip(succeeded, amounts, strict=True) if payee != ZERO_ADDRESS.value]
    return _fact(
        FactKind.PAYOUT_EXECUTED,
        log,
        method=event.name,
        reference_id=_number(head[0], "snapshot or corporate action") if has_reference else "0",
        succeeded_count=str(len(paid)),
        failed_count=str(sum(payee != ZERO_ADDRESS.value for payee in failed)),
        paid_base_units=str(sum(paid)),
    )


def _read_payment_token_changed(log: RawLog, values: _Values) -> Fact:
    (payment_token,) = values
    return _unknown(log, f"the lifecycle contract pays with another token now, {payment_token}")


# --- The tables ---------------------------------------------------------------------------------------------


def _by_topic(layouts: Iterable[_Layout]) -> dict[bytes, list[_Layout]]:
    table: dict[bytes, list[_Layout]] = {}
    for layout in layouts:
        table.setdefault(layout.event.topic, []).append(layout)
    return table


_TOKEN_LAYOUTS = _by_topic(
    (
        _Layout(interfaces.DIVIDEND_SET, _read_dividend),
        _Layout(interfaces.DIVIDEND_CANCELLED, partial(_read_cancellation, kind=DIVIDEND, forced=False)),
        _Layout(interfaces.DIVIDEND_FORCE_CANCELLED_V8, partial(_read_cancellation, kind=DIVIDEND, forced=True)),
        _Layout(interfaces.COUPON_SET_V2, _read_coupon_of_version_2),
        _Layout(interfaces.COUPON_SET_V7, _read_coupon),
        _Layout(interfaces.COUPON_SET_V8, _read_coupon),
        _Layout(interfaces.COUPON_CANCELLED_V7, partial(_read_cancellation, kind=COUPON, forced=False)),
        _Layout(interfaces.COUPON_CANCELLED_V8, partial(_read_cancellation, kind=COUPON, forced=False)),
        _Layout(interfaces.COUPON_FORCE_CANCELLED_V8, partial(_read_cancellation, kind=COUPON, forced=True)),
        _Layout(interfaces.SNAPSHOT_TAKEN, _read_snapshot_taken),
        _Layout(interfaces.SNAPSHOT_TRIGGERED_V2, _read_snapshot_triggered_of_version_2),
        _Layout(interfaces.SNAPSHOT_TRIGGERED, _read_snapshot_triggered),
        _Layout(interfaces.AMORTIZATION_SET_V8, _read_amortization),
        _Layout(interfaces.TASK_EXECUTION_FAILED_V8, _read_failed_task),
        *(
            _Layout(event, partial(_read_pause, lifecycle_contract=False, paused=paused))
            for event, paused in (
                (interfaces.TOKEN_PAUSED_V7, True),
                (interfaces.TOKEN_UNPAUSED_V7, False),
                (interfaces.TOKEN_PAUSED_V8, True),
                (interfaces.TOKEN_UNPAUSED_V8, False),
            )
        ),
        _Layout(interfaces.ADDED_TO_CONTROL_LIST, partial(_read_control_list, listed=True)),
        _Layout(interfaces.REMOVED_FROM_CONTROL_LIST, partial(_read_control_list, listed=False)),
        _Layout(interfaces.ADDRESS_FROZEN_V8, _read_account_frozen),
        _Layout(interfaces.TOKENS_FROZEN, partial(_read_tokens_frozen, frozen=True)),
        _Layout(interfaces.TOKENS_UNFROZEN, partial(_read_tokens_frozen, frozen=False)),
        _Layout(interfaces.LOCKED_BY_PARTITION_V8, _read_locked),
        _Layout(interfaces.LOCK_BY_PARTITION_RELEASED_V8, _read_lock_released),
        _Layout(interfaces.PARTITION_TRANSFERRED_AND_LOCKED_V8, _read_transferred_and_locked),
        *(_Layout(event, _read_held) for event in interfaces.HELD_EVENTS_V8),
        _Layout(interfaces.HOLD_BY_PARTITION_EXECUTED_V8, _read_hold_executed),
        _Layout(interfaces.HOLD_BY_PARTITION_RELEASED_V8, _read_hold_released),
        _Layout(interfaces.HOLD_BY_PARTITION_RECLAIMED_V8, _read_hold_reclaimed),
        _Layout(interfaces.AMORTIZATION_HOLD_SET_V8, _read_amortization_hold),
        _Layout(interfaces.AMORTIZATION_HOLD_RELEASED_V8, _read_amortization_hold_released),
        *(_Layout(event, _read_held) for event in interfaces.CLEARED_HOLD_EVENTS_V8),
        *(_Layout(event, _read_cleared_transfer) for event in interfaces.CLEARED_TRANSFER_EVENTS_V8),
        *(_Layout(event, _read_cleared_redemption) for event in interfaces.CLEARED_REDEEM_EVENTS_V8),
        _Layout(interfaces.CLEARING_OPERATION_APPROVED_V2, _read_clearing_approved_of_version_2),
        _Layout(interfaces.CLEARING_OPERATION_APPROVED_V8, _read_clearing_approved),
        _Layout(interfaces.CLEARING_OPERATION_CANCELED_V8, _read_clearing_ended),
        _Layout(interfaces.CLEARING_OPERATION_RECLAIMED_V8, _read_clearing_ended),
        _Layout(interfaces.ADJUSTMENT_BALANCE_SET, _read_adjustment),
        _Layout(interfaces.SCHEDULED_BALANCE_ADJUSTMENT_SET_V8, _read_scheduled_adjustment),
        _Layout(interfaces.SCHEDULED_BALANCE_ADJUSTMENT_FORCE_CANCELLED_V8, _read_force_cancelled_adjustment),
        _Layout(interfaces.RECOVERY_SUCCESS_V8, _read_recovery),
        _Layout(interfaces.REDEEMED_BY_PARTITION, None),
        *(_Layout(event, None) for event in interfaces.HARMLESS_ASSET_EVENTS),
    )
)

_EXECUTIONS_WITH_REFERENCE = (
    interfaces.AMOUNT_SNAPSHOT_EXECUTED,
    interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED,
    interfaces.PERCENTAGE_SNAPSHOT_EXECUTED,
    interfaces.PERCENTAGE_SNAPSHOT_BY_ADDRESSES_EXECUTED,
    interfaces.DISTRIBUTION_EXECUTED,
    interfaces.DISTRIBUTION_BY_ADDRESSES_EXECUTED,
)
_CASH_OUTS = (interfaces.CASH_OUT_EXECUTED, interfaces.CASH_OUT_BY_ADDRESSES_EXECUTED)

_LIFECYCLE_LAYOUTS = _by_topic(
    (
        *(
            _Layout(event, partial(_read_execution, event=event, has_reference=True))
            for event in _EXECUTIONS_WITH_REFERENCE
        ),
        *(_Layout(event, partial(_read_execution, event=event, has_reference=False)) for event in _CASH_OUTS),
        _Layout(interfaces.LIFECYCLE_PAUSED, partial(_read_pause, lifecycle_contract=True, paused=True)),
        _Layout(interfaces.LIFECYCLE_UNPAUSED, partial(_read_pause, lifecycle_contract=True, paused=False)),
        _Layout(interfaces.PAYMENT_TOKEN_CHANGED, _read_payment_token_changed),
        *(_Layout(event, None) for event in interfaces.HARMLESS_LIFECYCLE_EVENTS),
    )
)
