"""Computes the fees per gas to offer, at first and for a replacement, from what the chain asks for."""

from dataclasses import KW_ONLY, dataclass

from libs.chain.quantities import Wei

# Nodes take a replacement only if every fee is a tenth higher (geth's default); an eighth is on the safe side.
_BUMP_NUMERATOR, _BUMP_DENOMINATOR = 9, 8


class FeeCapReachedError(Exception):
    """The chain asks for more per gas than the configured cap. A transaction signed now would not be mined."""


@dataclass(frozen=True, slots=True)
class FeeQuote:
    """What the chain asks for now, in wei per gas.

    `base_fee_wei` is the newest block's base fee (EIP-1559) with the usual tip, or None on a chain without one,
    where `gas_price_wei` is all there is.
    """

    gas_price_wei: Wei
    _: KW_ONLY
    base_fee_wei: Wei | None = None
    priority_fee_wei: Wei = Wei(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """The fees that a transaction offers, in wei per gas.

    Without a priority fee it is a legacy transaction (EIP-155).
    """

    max_fee_per_gas_wei: Wei
    max_priority_fee_per_gas_wei: Wei | None


def first_fees(quote: FeeQuote, cap_wei: Wei) -> Fees:
    """Returns the fees to offer first: twice the base fee and a tip, or a legacy price as quoted; at most the cap.
    EIP-1559 raises the base fee by at most an eighth per block, so the offer suffices for six full blocks.

    Raises FeeCapReachedError.
    """
    if quote.base_fee_wei is None:
        if quote.gas_price_wei > cap_wei:
            raise _cap_reached(quote.gas_price_wei, cap_wei)
        return Fees(max_fee_per_gas_wei=quote.gas_price_wei, max_priority_fee_per_gas_wei=None)
    if quote.base_fee_wei > cap_wei:
        raise _cap_reached(quote.base_fee_wei, cap_wei)
    max_fee = min(_twice_the_base(quote.base_fee_wei, quote), cap_wei)
    return Fees(max_fee_per_gas_wei=max_fee, max_priority_fee_per_gas_wei=min(quote.priority_fee_wei, max_fee))


def replacement_fees(previous: Fees, quote: FeeQuote, cap_wei: Wei) -> Fees:
    """Returns the fees to replace an attempt: raised by an eighth, and at least what the chain asks for now.

    Raises FeeCapReachedError: the attempt that is out stays, and is sent again.
    """
    fees = _raised(previous, first_fees(quote, cap_wei))
    if fees.max_fee_per_gas_wei > cap_wei:
        raise _cap_reached(fees.max_fee_per_gas_wei, cap_wei)
    return fees


def no_op_fees(previous: Fees, quote: FeeQuote, cap_wei: Wei) -> Fees:
    """Returns the fees of a no-op that replaces an attempt: as for any replacement, but never above the cap.

    At the cap a node may refuse it as underpriced; then the attempt that is out decides.
    """
    asked = Fees(max_fee_per_gas_wei=quote.gas_price_wei, max_priority_fee_per_gas_wei=None)
    if quote.base_fee_wei is not None:
        asked = Fees(
            max_fee_per_gas_wei=_twice_the_base(quote.base_fee_wei, quote),
            max_priority_fee_per_gas_wei=quote.priority_fee_wei,
        )
    fees = _raised(previous, asked)
    tip = fees.max_priority_fee_per_gas_wei
    return Fees(
        max_fee_per_gas_wei=min(fees.max_fee_per_gas_wei, cap_wei),
        max_priority_fee_per_gas_wei=None if tip is None else min(tip, cap_wei),
    )


def _twice_the_base(base_fee_wei: Wei, quote: FeeQuote) -> Wei:
    return Wei(2 * base_fee_wei + quote.priority_fee_wei)


def _raised(previous: Fees, asked: Fees) -> Fees:
    max_fee = max(_bumped(previous.max_fee_per_gas_wei), asked.max_fee_per_gas_wei)
    if previous.max_priority_fee_per_gas_wei is None or asked.max_priority_fee_per_gas_wei is None:
        return Fees(max_fee_per_gas_wei=max_fee, max_priority_fee_per_gas_wei=None)
    tip = max(_bumped(previous.max_priority_fee_per_gas_wei), asked.max_priority_fee_per_gas_wei)
    return Fees(max_fee_per_gas_wei=max_fee, max_priority_fee_per_gas_wei=min(tip, max_fee))


def _bumped(wei: Wei) -> Wei:
    """Returns an eighth more, rounded up, and always more."""
    return Wei(max(wei + 1, -(-wei * _BUMP_NUMERATOR // _BUMP_DENOMINATOR)))


def _cap_reached(asked_wei: Wei, cap_wei: Wei) -> FeeCapReachedError:
    return FeeCapReachedError(f"{asked_wei} wei per gas are asked for, the cap is {cap_wei}")
