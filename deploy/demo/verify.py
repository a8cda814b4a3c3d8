"""The check that trusts no service: plain web3, the chain's own figures, and the balances that the demo issued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.contract import AsyncContract

from deploy.devnet.artifacts import DEFAULT_ARTIFACTS_DIR, load_contract

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Verification:
    """What the chain says. `differences` are sentences; none means verified."""

    paid_holder_count: int
    paid_base_units: int
    left_in_contract_base_units: int
    differences: tuple[str, ...]

    @property
    def is_verified(self) -> bool:
        """True if nothing differs."""
        return not self.differences


async def verify(
    rpc_url: str,
    issued: Mapping[ChecksumAddress, int],
    token: ChecksumAddress,
    payment_token: ChecksumAddress,
    lifecycle_contract: ChecksumAddress,
    total_base_units: int,
    artifacts_dir: Path = DEFAULT_ARTIFACTS_DIR,
) -> Verification:
    """Compares every holder's payment-token balance with floor(total x balance / supply); sum + dust = total."""
    web3 = AsyncWeb3(AsyncHTTPProvider(rpc_url, request_kwargs={"timeout": 60}))
    try:
        payment = web3.eth.contract(payment_token, abi=load_contract("PaymentToken", artifacts_dir).abi)
        equity = web3.eth.contract(token, abi=load_contract("EquityToken", artifacts_dir).abi)
        supply = int(await equity.functions.totalSupply().call())
        got = await _balances(web3, payment, list(issued))
        left = int(await payment.functions.balanceOf(lifecycle_contract).call())
    finally:
        await web3.provider.disconnect()
    differences = [
        f"{holder} holds {got[holder]} base units, due {total_base_units * balance // supply}"
        for holder, balance in issued.items()
        if got[holder] != total_base_units * balance // supply
    ]
    if sum(issued.values()) != supply:
        differences.append(f"the supply is {supply}, issued were {sum(issued.values())}")
    if sum(got.values()) + left != total_base_units:
        differences.append(f"paid {sum(got.values())} + left {left} is not the total {total_base_units}")
    return Verification(
        paid_holder_count=sum(amount > 0 for amount in got.values()),
        paid_base_units=sum(got.values()),
        left_in_contract_base_units=left,
        differences=tuple(differences),
    )


async def _balances(
    web3: AsyncWeb3[Any], payment: AsyncContract, holders: list[ChecksumAddress]
) -> dict[ChecksumAddress, int]:
    balances: dict[ChecksumAddress, int] = {}
    for start in range(0, len(holders), _CHUNK):
        chunk = holders[start : start + _CHUNK]
        async with web3.batch_requests() as batch:
            for holder in chunk:
                batch.add(payment.functions.balanceOf(holder))
            answers: list[Any] = list(await batch.async_execute())
        balances.update({holder: int(answer) for holder, answer in zip(chunk, answers, strict=True)})
    return balances
