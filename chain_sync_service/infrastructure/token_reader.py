"""Asks tokens for their descriptions, supplies, holdings, holders and coupons, each at one block."""

from collections.abc import Iterable, Sequence
from typing import Any

from eth_utils.address import to_checksum_address

from chain_sync_service.application.ports import Coupon, TokenUnreadableError
from chain_sync_service.application.source import ContractCall, Source, StateUnavailableError
from chain_sync_service.domain.holdings import Holding
from chain_sync_service.domain.tokens import (
    PaymentTokenDescription,
    TokenDescription,
    clean_text,
    security_type,
)
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.evm import interfaces
from libs.evm.abi import Function, UndecodableError

_FIELD = "token"
# Any account will do; the token only has to know the question.
_ANYBODY = "0x" + "0" * 39 + "1"
_PARTS = (
    interfaces.GET_FROZEN_TOKENS,
    interfaces.GET_LOCKED_AMOUNT_FOR,
    interfaces.GET_HELD_AMOUNT_FOR,
    interfaces.GET_CLEARED_AMOUNT_FOR,
)

Question = tuple[EvmAddress, Function, tuple[object, ...]]


class SourceTokenReader:
    """Describes tokens by asking the chain."""

    def __init__(self, source: Source, chain_id: int) -> None:
        self._source = source
        self._chain_id = chain_id

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        block_number = await self._block_with_code(token)
        metadata, supply, holders, is_paused, is_paused_v8 = await self._ask_now(
            token,
            block_number,
            interfaces.GET_ERC20_METADATA,
            interfaces.TOTAL_SUPPLY,
            interfaces.GET_TOTAL_SECURITY_HOLDERS,
            interfaces.IS_PAUSED,
            interfaces.PAUSED_V8,
        )
        if metadata is None or supply is None or holders is None:
            raise _not_a_security_token(token)
        (((name, symbol, isin, decimals), kind),) = metadata
        try:
            return TokenDescription(
                chain_id=self._chain_id,
                token=token,
                hedera_id=await self._source.hedera_id(token),
                display_name=clean_text(name),
                symbol=clean_text(symbol),
                isin=clean_text(isin),
                decimals=decimals,
                security_type=security_type(kind),
                total_supply=supply[0],
                holder_count=holders[0],
                is_paused=bool((is_paused or is_paused_v8 or (False,))[0]),
                block_number=block_number,
            )
        except ValueError:
            raise _not_a_security_token(token) from None

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        block_number = await self._block_with_code(token)
        decimals, symbol = await self._ask_now(token, block_number, interfaces.DECIMALS, interfaces.SYMBOL)
        (balance,) = await self._ask([(token, interfaces.BALANCE_OF, (_ANYBODY,))], block_number)
        if decimals is None or symbol is None or balance is None:
            raise _not_a_payment_token(token)
        hedera_id = await self._source.hedera_id(token)
        try:
            return PaymentTokenDescription(
                chain_id=self._chain_id,
                token=token,
                hedera_id=hedera_id,
                symbol=clean_text(symbol[0]),
                decimals=decimals[0],
            )
        except ValueError:
            raise _not_a_payment_token(token) from None

    async def supplies(self, tokens: Sequence[EvmAddress], block_number: BlockNumber) -> list[int | None]:
        answers = await self._ask([(token, interfaces.TOTAL_SUPPLY, ()) for token in tokens], block_number)
        return [None if answer is None else int(answer[0]) for answer in answers]

    async def holdings(
        self, token: EvmAddress, holders: Sequence[str], block_number: BlockNumber, *, with_parts: Iterable[str]
    ) -> list[Holding]:
        balances = await self._ask([(token, interfaces.BALANCE_OF, (holder,)) for holder in holders], block_number)
        for holder, balance in zip(holders, balances, strict=True):
            if balance is None:
                raise TokenUnreadableError(
                    f"{token} does not tell the balance of {holder} at block {block_number}"
                )
        wanted = set(with_parts)
        split = [holder for holder in holders if holder in wanted]
        questions: list[Question] = [(token, part, (holder,)) for holder in split for part in _PARTS]
        answers = await self._ask(questions, block_number)
        amounts = [0 if answer is None else int(answer[0]) for answer in answers]
        parts = {
            holder: tuple(amounts[index * len(_PARTS) : (index + 1) * len(_PARTS)])
            for index, holder in enumerate(split)
        }
        nothing = (0,) * len(_PARTS)
        return [
            Holding(int(balance[0]), *parts.get(holder, nothing))
            for holder, balance in zip(holders, balances, strict=True)
            if balance is not None
        ]

    async def holder_count(self, token: EvmAddress, block_number: BlockNumber) -> int | None:
        (answer,) = await self._ask([(token, interfaces.GET_TOTAL_SECURITY_HOLDERS, ())], block_number)
        return None if answer is None else int(answer[0])

    async def holder_page(
        self, token: EvmAddress, *, page_index: int, page_size: int, block_number: BlockNumber
    ) -> list[str] | None:
        (answer,) = await self._ask(
            [(token, interfaces.GET_SECURITY_HOLDERS, (page_index, page_size))], block_number
        )
        return None if answer is None else [holder.lower() for holder in answer[0]]

    async def coupons(
        self, asked: Sequence[tuple[EvmAddress, int]], block_number: BlockNumber
    ) -> list[Coupon | None]:
        answers = await self._ask(
            [(token, interfaces.GET_COUPON, (action_id,)) for token, action_id in asked], block_number
        )
        return [None if answer is None else _coupon(answer) for answer in answers]

    async def _ask_now(
        self, token: EvmAddress, block_number: BlockNumber, *functions: Function
    ) -> list[tuple[Any, ...] | None]:
        try:
            return await self._ask([(token, function, ()) for function in functions], block_number)
        except StateUnavailableError as error:
            raise AppError(Reason.CHAIN_UNAVAILABLE, str(error)) from error

    async def _ask(self, questions: Sequence[Question], block_number: BlockNumber) -> list[tuple[Any, ...] | None]:
        """Returns decoded answers; None where a call reverts or the answer has another shape."""
        if not questions:
            return []
        calls = [
            ContractCall(contract, function.encode(*arguments)) for contract, function, arguments in questions
        ]
        answers = await self._source.call_many(calls, block_number)
        return [
            None if answer is None else _decoded(function, answer)
            for (_, function, _), answer in zip(questions, answers, strict=True)
        ]

    async def _block_with_code(self, token: EvmAddress) -> BlockNumber:
        """Returns the number of the newest block, at which the address has code.

        Raises AppError NOT_A_CONTRACT.
        """
        head = await self._source.head()
        if not await self._source.has_code(token):
            raise AppError(
                Reason.NOT_A_CONTRACT, f"there is no contract at {to_checksum_address(token.value)}", field=_FIELD
            )
        return head.number


def _decoded(function: Function, answer: bytes) -> tuple[Any, ...] | None:
    try:
        return function.decode(answer)
    except UndecodableError:
        return None


def _coupon(answer: tuple[Any, ...]) -> Coupon:
    ((coupon, _), _) = answer
    *_, rate, rate_decimals, rate_status = coupon
    return Coupon(rate=rate, rate_decimals=rate_decimals, is_rate_set=rate_status == interfaces.COUPON_RATE_SET)


def _not_a_security_token(token: EvmAddress) -> AppError:
    return AppError(
        Reason.NOT_A_SECURITY_TOKEN,
        f"the contract at {to_checksum_address(token.value)} does not answer as a security token does",
        field=_FIELD,
    )


def _not_a_payment_token(token: EvmAddress) -> AppError:
    return AppError(
        Reason.NOT_A_PAYMENT_TOKEN,
        f"the contract at {to_checksum_address(token.value)} does not answer as an ERC-20 token does",
        field=_FIELD,
    )
