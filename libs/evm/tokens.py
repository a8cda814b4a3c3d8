"""Asks tokens for their metadata and balances: one typed function per question."""

from dataclasses import dataclass
from typing import Any

from libs.evm import interfaces
from libs.evm.abi import Function, UndecodableError
from libs.evm.rpc import CallRevertedError, JsonRpc, RpcRefusedError, RpcUnavailableError

# Nobody has its key and nothing is deployed there: a call to it succeeds with an empty answer.
_NO_CONTRACT = "0x000000000000000000000000000000000000dEaD"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityTokenMetadata:
    """The answer of getERC20Metadata()."""

    name: str
    symbol: str
    isin: str
    decimals: int
    security_type: int


async def security_token_metadata(rpc: JsonRpc, token: str, block: str) -> SecurityTokenMetadata | None:
    """Returns a security token's metadata; None when the contract is not one. Raises RpcUnavailableError."""
    answer = await try_call(rpc, token, interfaces.GET_ERC20_METADATA, block=block)
    if answer is None:
        return None
    (((name, symbol, isin, decimals), security_type),) = answer
    return SecurityTokenMetadata(
        name=name, symbol=symbol, isin=isin, decimals=decimals, security_type=security_type
    )


async def try_call(
    rpc: JsonRpc, contract: str, function: Function, *arguments: object, block: str
) -> tuple[Any, ...] | None:
    """Returns the decoded answer of a function that a contract may not have; None when it has not.

    Raises RpcUnavailableError. A node that refuses the call without saying that it reverted is asked another
    question about the same block: if it answers that, the refusal was about the contract.
    """
    try:
        return await rpc.call(contract, function, *arguments, block=block)
    except (CallRevertedError, UndecodableError):
        return None
    except RpcRefusedError as refusal:
        try:
            await rpc.request("eth_call", {"to": _NO_CONTRACT, "data": "0x"}, block)
        except RpcRefusedError:
            raise RpcUnavailableError(f"the node refused {function.name}: {refusal}") from refusal
        return None


async def erc20_balance(rpc: JsonRpc, token: str, account: str, block: str = "latest") -> int:
    """Returns the balance of an ERC-20 token in base units. Raises as JsonRpc.call."""
    (balance,) = await rpc.call(token, interfaces.BALANCE_OF, account, block=block)
    return int(balance)
