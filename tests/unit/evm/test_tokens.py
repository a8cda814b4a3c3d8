"""A contract that does not answer is one thing, a node that does not is another."""

from typing import Any

import pytest
from eth_abi.abi import encode

from libs.evm.interfaces import DECIMALS, GET_ERC20_METADATA
from libs.evm.rpc import RpcUnavailableError
from libs.evm.tokens import SecurityTokenMetadata, security_token_metadata, try_call
from tests.unit.evm.canned import CannedRpc, error

TOKEN = "0x" + "ab" * 20


def token_says(answer: dict[str, Any], otherwise: dict[str, Any] | None = None) -> CannedRpc:
    """A node on which calls to the token give `answer`, and all others `otherwise` (by default nothing)."""
    other = otherwise or {"result": "0x"}
    return CannedRpc(lambda call: answer if call["params"][0]["to"] == TOKEN else other)


async def test_metadata_is_read() -> None:
    data = encode(GET_ERC20_METADATA.outputs, [(("Acme", "ACM", "CH1", 2), 1)])
    rpc = token_says({"result": "0x" + data.hex()})
    assert await security_token_metadata(rpc, TOKEN, "0x1") == SecurityTokenMetadata(
        name="Acme", symbol="ACM", isin="CH1", decimals=2, security_type=1
    )


@pytest.mark.parametrize(
    "answer",
    [{"result": "0x"}, {"result": "0x1234"}, error(3, "execution reverted"), error(-32000, "invalid opcode")],
)
async def test_a_contract_without_the_function_is_none(answer: dict[str, Any]) -> None:
    assert await security_token_metadata(token_says(answer), TOKEN, "0x1") is None
    assert await try_call(token_says(answer), TOKEN, DECIMALS, block="0x1") is None


async def test_a_node_that_refuses_everything_is_unavailable() -> None:
    refusal = error(-32005, "limit exceeded")
    with pytest.raises(RpcUnavailableError, match="limit exceeded"):
        await try_call(token_says(refusal, otherwise=refusal), TOKEN, DECIMALS, block="0x1")


async def test_nonsense_is_unavailable() -> None:
    with pytest.raises(RpcUnavailableError):
        await try_call(token_says({"result": 7}), TOKEN, DECIMALS, block="0x1")
