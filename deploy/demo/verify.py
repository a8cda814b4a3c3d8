"""Verifies payments without trusting the services: reads the chain with web3, compares it with what was issued."""

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
    """The result of the check against the chain. `differences` are sentences; none means verified."""

    paid_holder_count: int
    paid_base_units: int
    left_in_contract_base_units: int
    differences: tuple[str, ...]

    @property
    def is_verified(self) -> bool:
        """True if nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Claim:
    """What should be on the chain, in base units: tokens and money of each account, and what was deposited."""

    token: ChecksumAddress
    payment_token: ChecksumAddress
    lifecycle_contract: ChecksumAddress
    tokens: Mapping[ChecksumAddress, int]
    money: Mapping[ChecksumAddress, int]
    deposited_base_units: int


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
    supply = sum(issued.values())
    money = {holder: total_base_units * balance // supply for holder, balance in issued.items()}
    claim = Claim(token, payment_token, lifecycle_contract, issued, money, total_base_units)
    return await verify_claim(rpc_url, claim, artifacts_dir)


async def verify_claim(rpc_url: str, claim: Claim, artifacts_dir: Path = DEFAULT_ARTIFACTS_DIR) -> Verification:
    """Compares every account's tokens and money, and the supply. Checks that payments and what is left add up."""
    web3 = AsyncWeb3(AsyncHTTPProvider(rpc_url, request_kwargs={"timeout": 60}))
    try:
        payment = web3.eth.contract(claim.payment_token, abi=load_contract("PaymentToken", artifacts_dir).abi)
        # What is asked of it, equities and bonds have in common.
        security = web3.eth.contract(claim.token, abi=load_contract("EquityToken", artifacts_dir).abi)
        supply = int(await security.functions.totalSupply().call())
        holds = await _balances(web3, security, list(claim.tokens))
        got = await _balances(web3, payment, list(claim.money))
        left = int(await payment.functions.balanceOf(claim.lifecycle_contract).call())
    finally:
        await web3.provider.disconnect()
    differences = [
        f"{holder} holds {got[holder]} base units, due {due}"
        for holder, due in claim.money.items()
        if got[holder] != due
    ]
    differences += [
        f"{holder} holds {holds[holder]} tokens (base units), expected {expected}"
        for holder, expected in claim.tokens.items()
        if holds[holder] != expected
    ]
    if sum(claim.tokens.values()) != supply:
        differences.append(f"the supply is {supply}, expected are {sum(claim.tokens.values())}")
    paid = sum(got.values())
    if paid + left != claim.deposited_base_units:
        differences.append(f"paid {paid} + left {left} is not what was deposited, {claim.deposited_base_units}")
    return Verification(
        paid_holder_count=sum(amount > 0 for amount in got.values()),
        paid_base_units=paid,
        left_in_contract_base_units=left,
        differences=tuple(differences),
    )


async def _balances(
    web3: AsyncWeb3[Any], token: AsyncContract, holders: list[ChecksumAddress]
) -> dict[ChecksumAddress, int]:
    balances: dict[ChecksumAddress, int] = {}
    for start in range(0, len(holders), _CHUNK):
        chunk = holders[start : start + _CHUNK]
        async with web3.batch_requests() as batch:
            for holder in chunk:
                batch.add(token.functions.balanceOf(holder))
            answers: list[Any] = list(await batch.async_execute())
        balances.update({holder: int(answer) for holder, answer in zip(chunk, answers, strict=True)})
    return balances
