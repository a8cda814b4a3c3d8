"""Issues to a hundred thousand holders without spending minutes on it, as web3's encoder and receipts would."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from eth_typing import ChecksumAddress

from deploy.devnet.deployer import Devnet
from libs.evm.abi import Function
from libs.evm.rpc import JsonRpc, quantity

_ISSUE_BATCH = Function("issueBatch", ("address[]", "uint256[]"), ())
# 56,000 gas each: two thirds of a transaction on Hedera, and well within a block of anvil.
_HOLDERS_PER_TRANSACTION = 200
_GAS = 15_000_000
_MAX_FEE_WEI = 100 * 10**9
_PRIORITY_FEE_WEI = 10**9
_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.005


class NotIssuedError(Exception):
    """The node took a transaction and did not make its block in time."""


async def issue(devnet: Devnet, token: ChecksumAddress, holders: Mapping[ChecksumAddress, int]) -> None:
    """Issues to all holders, who are new to the token; the sender is the embedded chain's admin.

    Raises NotIssuedError, and the errors of Devnet and JsonRpc.
    """
    admin = await devnet.admin()
    rpc = JsonRpc(str(devnet.web3.provider.endpoint_uri), timeout_seconds=_TIMEOUT_SECONDS)
    try:
        first_nonce = quantity(await rpc.request("eth_getTransactionCount", admin, "latest"))
        batches = issue_calldata(list(holders.items()))
        for nonce, calldata in enumerate(batches, first_nonce):
            transaction = {
                "from": admin,
                "to": token,
                "data": calldata,
                "nonce": hex(nonce),
                "gas": hex(_GAS),
                "maxFeePerGas": hex(_MAX_FEE_WEI),
                "maxPriorityFeePerGas": hex(_PRIORITY_FEE_WEI),
            }
            await rpc.request("eth_sendTransaction", transaction)
            # One at a time: see DevnetNode for what anvil does to several.
            await _mined(rpc, admin, nonce + 1)
    finally:
        await rpc.close()


def issue_calldata(entries: Sequence[tuple[ChecksumAddress, int]]) -> list[str]:
    """The calldata of each transaction. Plain words: an encoder that checks every one takes half a minute."""
    found = []
    for start in range(0, len(entries), _HOLDERS_PER_TRANSACTION):
        page = entries[start : start + _HOLDERS_PER_TRANSACTION]
        accounts = [len(page), *(int(holder, 16) for holder, _ in page)]
        amounts = [len(page), *(amount for _, amount in page)]
        offsets = [2 * 32, (2 + len(accounts)) * 32]
        words = "".join(f"{word:064x}" for word in (*offsets, *accounts, *amounts))
        found.append("0x" + _ISSUE_BATCH.selector.hex() + words)
    return found


async def _mined(rpc: JsonRpc, sender: ChecksumAddress, nonce: int) -> None:
    """Waits until all transactions below the nonce are in blocks."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while quantity(await rpc.request("eth_getTransactionCount", sender, "latest")) < nonce:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise NotIssuedError(
            f"transactions below nonce {nonce} are not in blocks after {_TIMEOUT_SECONDS} s"
        ) from None
