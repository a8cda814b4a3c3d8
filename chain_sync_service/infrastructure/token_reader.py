"""What tokens tell of themselves, each description read at one block."""

from eth_utils.address import to_checksum_address

from chain_sync_service.domain.tokens import (
    PaymentTokenDescription,
    TokenDescription,
    clean_text,
    security_type,
)
from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.evm import interfaces
from libs.evm.rpc import JsonRpc, RpcRefusedError, RpcUnavailableError
from libs.evm.tokens import security_token_metadata, try_call

_FIELD = "token"
# Any account will do; the token only has to know the question.
_ANYBODY = "0x" + "0" * 39 + "1"


class EvmTokenReader:
    """See the port."""

    def __init__(self, rpc: JsonRpc, chain_id: int) -> None:
        self._rpc = rpc
        self._chain_id = chain_id

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        """See the port."""
        number = await self._block_with_code(token)
        block = hex(number)
        metadata = await security_token_metadata(self._rpc, token.value, block)
        supply = await try_call(self._rpc, token.value, interfaces.TOTAL_SUPPLY, block=block)
        holders = await try_call(self._rpc, token.value, interfaces.GET_TOTAL_SECURITY_HOLDERS, block=block)
        if metadata is None or supply is None or holders is None:
            raise _not_a_security_token(token)
        try:
            return TokenDescription(
                chain_id=self._chain_id,
                token=token,
                display_name=clean_text(metadata.name),
                symbol=clean_text(metadata.symbol),
                isin=clean_text(metadata.isin),
                decimals=metadata.decimals,
                security_type=security_type(metadata.security_type),
                total_supply=supply[0],
                holder_count=holders[0],
                block_number=number,
            )
        except ValueError:
            raise _not_a_security_token(token) from None

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        """See the port."""
        block = hex(await self._block_with_code(token))
        decimals = await try_call(self._rpc, token.value, interfaces.DECIMALS, block=block)
        symbol = await try_call(self._rpc, token.value, interfaces.SYMBOL, block=block)
        balance = await try_call(self._rpc, token.value, interfaces.BALANCE_OF, _ANYBODY, block=block)
        if decimals is None or symbol is None or balance is None:
            raise _not_a_payment_token(token)
        try:
            return PaymentTokenDescription(self._chain_id, token, clean_text(symbol[0]), decimals[0])
        except ValueError:
            raise _not_a_payment_token(token) from None

    async def _block_with_code(self, token: EvmAddress) -> int:
        """Number of the newest block, at which the address has code. Raises AppError NOT_A_CONTRACT."""
        try:
            head = await self._rpc.latest_block()
            code = await self._rpc.code(token.value)
        except RpcRefusedError as error:
            raise RpcUnavailableError(f"the node refused: {error}") from error
        if not code:
            raise AppError(
                Reason.NOT_A_CONTRACT, f"there is no contract at {to_checksum_address(token.value)}", field=_FIELD
            )
        return head.number


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
