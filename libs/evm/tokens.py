"""What tokens tell of themselves: one dull typed function per question."""

from dataclasses import dataclass

from libs.evm import interfaces
from libs.evm.abi import UndecodableError
from libs.evm.rpc import CallRevertedError, JsonRpc, RpcRefusedError


@dataclass(frozen=True, slots=True)
class SecurityTokenMetadata:
    """Answer of getERC20Metadata()."""

    name: str
    symbol: str
    isin: str
    decimals: int
    security_type: int


async def security_token_metadata(rpc: JsonRpc, token: str, block: str) -> SecurityTokenMetadata | None:
    """Metadata of a security token; None when the contract is not one. Raises RpcUnavailableError."""
    try:
        ((name, symbol, isin, decimals), security_type), *_ = await rpc.call(
            token, interfaces.GET_ERC20_METADATA, block=block
        )
    except (CallRevertedError, RpcRefusedError, UndecodableError):
        return None
    return SecurityTokenMetadata(name, symbol, isin, decimals, security_type)


async def erc20_balance(rpc: JsonRpc, token: str, account: str, block: str = "latest") -> int:
    """Balance of an ERC-20 token in base units. Raises as JsonRpc.call."""
    (balance,) = await rpc.call(token, interfaces.BALANCE_OF, account, block=block)
    return int(balance)
