"""Reads what the asset says that holders are owed: dividends, coupons, the principal of a bond.

Versions 7 and 8 of the asset are told apart by what they answer. Of dividends and coupons nothing that is read
here differs: version 8 answers getCouponFor in another order, but both begin with the balance. Bonds do differ:
version 8 has no getBondDetails, and tells the principal of tokens that it will not redeem.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress
from libs.errors import AppError, Reason
from libs.evm import interfaces
from libs.evm.abi import Function
from libs.evm.tokens import security_token_metadata, try_call
from libs.payout_terms.terms import PayoutKind
from payout_service.application.ports.security_token import CorporateAction, EntitlementSource
from payout_service.domain.plan import Entitlement
from payout_service.infrastructure.chain.reader import EvmReader


@dataclass(frozen=True, slots=True)
class _Getters:
    """The asset's functions for one kind of payout. Functions of an action take its id as their first argument."""

    count: Function
    page: Function
    # Its first value is the balance that the amount is of.
    balance_of: Function
    # Begins with the numerator and the denominator of the amount in whole payment tokens.
    amount_of: Function
    action: Function | None = None


_DIVIDEND = _Getters(
    count=interfaces.GET_TOTAL_DIVIDEND_HOLDERS,
    page=interfaces.GET_DIVIDEND_HOLDERS,
    balance_of=interfaces.GET_DIVIDEND_FOR,
    amount_of=interfaces.GET_DIVIDEND_AMOUNT_FOR,
    action=interfaces.GET_DIVIDEND,
)
_COUPON = _Getters(
    count=interfaces.GET_TOTAL_COUPON_HOLDERS,
    page=interfaces.GET_COUPON_HOLDERS,
    balance_of=replace(interfaces.GET_COUPON_FOR_V7, outputs=("uint256",)),
    amount_of=interfaces.GET_COUPON_AMOUNT_FOR,
    action=interfaces.GET_COUPON,
)
_PRINCIPAL = _Getters(
    count=interfaces.GET_TOTAL_SECURITY_HOLDERS,
    page=interfaces.GET_SECURITY_HOLDERS,
    balance_of=interfaces.BALANCE_OF,
    amount_of=interfaces.GET_PRINCIPAL_FOR,
)
_GETTERS = {
    PayoutKind.DIVIDEND: _DIVIDEND,
    PayoutKind.COUPON: _COUPON,
    PayoutKind.REDEMPTION: _PRINCIPAL,
}

_PARTS_THAT_ARE_NOT_FREE = (
    interfaces.GET_FROZEN_TOKENS,
    interfaces.GET_LOCKED_AMOUNT_FOR,
    interfaces.GET_HELD_AMOUNT_FOR,
    interfaces.GET_CLEARED_AMOUNT_FOR,
)

# What only another version of the asset answers, of a coupon its first word.
_OTHER_VERSIONS = {
    PayoutKind.DIVIDEND: interfaces.GET_DIVIDENDS_V2,
    PayoutKind.COUPON: replace(interfaces.GET_COUPON, outputs=("uint256",)),
}


class EvmEntitlements(EvmReader):
    """Implements a part of the port `SecurityToken`: what holders are owed."""

    async def corporate_action(
        self, token: EvmAddress, kind: PayoutKind, action_id: int, block_number: BlockNumber | None = None
    ) -> CorporateAction | None:
        """Raises ValueError for a kind that is no corporate action."""
        getter = _GETTERS[kind].action if kind.is_corporate_action else None
        if getter is None:
            raise ValueError(f"{kind} is no corporate action")
        block = "latest" if block_number is None else hex(block_number)
        answer = await try_call(self._rpc, token.value, getter, action_id, block=block)
        if answer is None:
            await self._refuse_another_version(token, kind, action_id, block)
            return None
        (terms, snapshot_id), is_cancelled = answer
        record_time, execution_time, *_ = terms
        is_rate_set = kind is not PayoutKind.COUPON or terms[-1] == interfaces.COUPON_RATE_SET
        return CorporateAction(
            record_time=record_time,
            execution_time=execution_time,
            snapshot_id=snapshot_id,
            is_cancelled=is_cancelled,
            is_rate_set=is_rate_set,
        )

    async def _refuse_another_version(
        self, token: EvmAddress, kind: PayoutKind, action_id: int, block: str
    ) -> None:
        """Refuses versions 2 to 5. They report no cancellation, and the lifecycle contract reverts on their
        actions.

        Their dividends have another getter, their coupons fewer words. Raises AppError
        ASSET_VERSION_NOT_SUPPORTED.
        """
        known, other = _GETTERS[kind].action, _OTHER_VERSIONS[kind]
        if known is None or await try_call(self._rpc, token.value, other, action_id, block=block) is None:
            return
        raise AppError(
            Reason.ASSET_VERSION_NOT_SUPPORTED,
            f"the asset {token} has {kind.value.lower()} {action_id} and does not tell it by {known.signature}"
            f" (0x{known.selector.hex()}) as the lifecycle contract needs it, but as versions 2 to 5 of the asset"
            f" do, by {other.signature} (0x{other.selector.hex()})",
            field=f"{kind.value.lower()}_id",
        )

    async def maturity_time(self, token: EvmAddress) -> int | None:
        metadata = await security_token_metadata(self._rpc, token.value, "latest")
        if metadata is None or metadata.security_type == interfaces.SECURITY_TYPE_EQUITY:
            return None
        for getter in (interfaces.GET_BOND_DETAILS_V7, interfaces.GET_MATURITY_DATE_V8):
            answer = await try_call(self._rpc, token.value, getter, block="latest")
            if answer is not None:
                return int(answer[-1])
        return None

    async def entitled_count(self, source: EntitlementSource, block_number: BlockNumber) -> int:
        getter = _GETTERS[source.kind].count
        (count,) = await self._read(source.token.value, getter, *_action(source), block=hex(block_number))
        return int(count)

    async def entitled_page(
        self, source: EntitlementSource, *, page: int, length: int, block_number: BlockNumber
    ) -> list[Entitlement]:
        getter, block = _GETTERS[source.kind].page, hex(block_number)
        holders = await self._page_of_holders(source.token.value, getter, _action(source), page, length, block)
        return await self._entitlements(source, holders, block)

    async def entitlements(
        self, source: EntitlementSource, holders: Sequence[HolderAddress], block_number: BlockNumber | None = None
    ) -> list[Entitlement]:
        block = await self._newest_block() if block_number is None else hex(block_number)
        return await self._entitlements(source, holders, block)

    async def _entitlements(
        self, source: EntitlementSource, holders: Sequence[HolderAddress], block: str
    ) -> list[Entitlement]:
        token, getters = source.token.value, _GETTERS[source.kind]
        arguments = [(*_action(source), holder) for holder in holders]
        balances = await self._read_each(token, getters.balance_of, arguments, block)
        amounts = await self._read_each(token, getters.amount_of, arguments, block)
        if source.kind is not PayoutKind.REDEMPTION or not holders:
            return [
                Entitlement(holder, balance[0], _base_units(amount, source.payment_token_decimals))
                for holder, balance, amount in zip(holders, balances, amounts, strict=True)
            ]
        totals = await self._total_balances(token, holders, [balance for balance, *_ in balances], block)
        is_principal_of_all = not await self._is_bond_of_version_7(token, block)
        return [
            Entitlement(
                holder,
                free,
                _base_units(amount, source.payment_token_decimals),
                _obstacle(free, total),
                is_overpaid=is_principal_of_all and free != total,
                per_token_base_units=_per_token(
                    amount, total if is_principal_of_all else free, source.payment_token_decimals
                ),
            )
            for holder, (free, *_), amount, total in zip(holders, balances, amounts, totals, strict=True)
        ]

    async def _total_balances(
        self, token: str, holders: Sequence[HolderAddress], free_balances: Sequence[int], block: str
    ) -> list[int]:
        """Returns balances including tokens that are not free.

        Sums the parts if the asset does not (npm package 2.0.0).
        """
        arguments = [(holder,) for holder in holders]
        if await try_call(self._rpc, token, interfaces.GET_TOTAL_BALANCE_FOR, holders[0], block=block):
            found = await self._read_each(token, interfaces.GET_TOTAL_BALANCE_FOR, arguments, block)
            return [total for (total,) in found]
        totals = list(free_balances)
        for part in _PARTS_THAT_ARE_NOT_FREE:
            if await try_call(self._rpc, token, part, holders[0], block=block) is None:
                continue
            found = await self._read_each(token, part, arguments, block)
            totals = [total + amount for total, (amount,) in zip(totals, found, strict=True)]
        return totals

    async def _is_bond_of_version_7(self, token: str, block: str) -> bool:
        """Returns True for version 7, which reports the principal of free tokens only: it redeems only those."""
        return await try_call(self._rpc, token, interfaces.GET_BOND_DETAILS_V7, block=block) is not None


def _obstacle(free: int, total: int) -> str:
    return "" if free == total else f"{total - free} of {total} tokens are frozen, locked or held"


def _action(source: EntitlementSource) -> tuple[int, ...]:
    return (source.action_id,) if source.kind.is_corporate_action else ()


def _per_token(amount: Sequence[Any], tokens: int, payment_token_decimals: int) -> Fraction | None:
    """Returns the worth of each of these tokens, before any rounding."""
    numerator, denominator = amount[:2]
    return (
        Fraction(numerator * 10**payment_token_decimals, denominator * tokens) if denominator and tokens else None
    )


def _base_units(amount: Sequence[Any], payment_token_decimals: int) -> BaseUnits:
    """Returns the amount that the lifecycle contract computes.

    Before the record date, or if cancelled, 0/0 counts as 0.
    """
    numerator, denominator = amount[:2]
    return BaseUnits(numerator * 10**payment_token_decimals // denominator if denominator else 0)
