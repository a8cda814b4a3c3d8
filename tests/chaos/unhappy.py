"""Scenarios beyond the straight payout: a payee is refused, a call would revert, an operator intervenes."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar
from uuid import uuid4

from eth_typing import ChecksumAddress, HexStr

from deploy.devnet.deployer import seeded_holders
from libs.errors import AppError, Code
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import (
    CancelPayoutRequest,
    GetSweepRequest,
    PausePayoutRequest,
    ReconcileSignerRequest,
    ResumePayoutRequest,
    Sweep,
    SweepLeftoverRequest,
    SweepState,
)
from tests.chaos.books import read_books
from tests.chaos.final import LedgerEntry
from tests.chaos.scenarios import Job, PayAReadyAsset, Scenario, in_state, job_of
from tests.chaos.world import PAYOUT_SERVICE, World
from tests.system.harness import eventually

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
# Calls that the service may be killed in: tried again for so long only.
_ASK_SECONDS = 2.0
_EVENTUALLY_SECONDS = 180.0
# Answers with so much that the caller runs out of gas when it takes the answer over: PUSH3 PUSH1 RETURN.
_ENDLESS_ANSWER = HexStr("0x623150006000f3")
# Reverts without a reason: PUSH1 PUSH1 REVERT.
_REVERT = HexStr("0x60006000fd")


class SweepLeftoverMoney(Scenario):
    """Money in the contract that is promised to nobody goes to a treasurer."""

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Deposits it and asks for it; the service may be killed in the call."""
        stage, asset = await world.ready_asset()
        ((receiver, _),) = seeded_holders(1, world.next_seed())
        await world.harness.devnet.mint_payment_token(stage.payment_token, stage.contract, total_base_units)
        mark = await world.chain.mark(stage.payment_token, [receiver], stage.contract)
        job = Job(
            token=stage.token,
            payment_token=stage.payment_token,
            contract=stage.contract,
            owed={receiver: total_base_units},
            mark=mark,
            asset=asset.name,
            distribution=None,
            total_base_units=total_base_units,
            snapshots_due=0,
            request_id=str(uuid4()),
            sweep_receiver=receiver.lower(),
        )
        await _ask(world, world.harness.client.payouts.sweep_leftover, self._request(job, receiver))
        return job

    async def finish(self, world: World, job: Job) -> Job:
        """Asks again with the same request id, and waits for the sweep."""
        found: list[Sweep] = []

        async def is_done() -> bool:
            found.append(await self._sweep(world, job))
            return found[-1].state is SweepState.SUCCEEDED

        await eventually(is_done, "the sweep", lambda: found[-1], seconds=_EVENTUALLY_SECONDS)
        return job

    async def ledgers(self, world: World, job: Job) -> list[list[LedgerEntry]]:
        """The sweep."""
        sweep = await self._sweep(world, job)
        return [
            [
                LedgerEntry(
                    holder=sweep.to.evm_address.lower() if sweep.to else "",
                    amount_base_units=int(sweep.amount.base_units) if sweep.amount else -1,
                    state="PAID" if sweep.state is SweepState.SUCCEEDED else str(sweep.state.name),
                    transaction_hash=sweep.transaction_hash.lower(),
                )
            ]
        ]

    async def _sweep(self, world: World, job: Job) -> Sweep:
        payouts = world.harness.client.payouts
        (receiver,) = job.owed
        sweep = await world.harness.call(payouts.sweep_leftover, self._request(job, receiver))
        return await world.harness.call(payouts.get_sweep, GetSweepRequest(name=sweep.name))

    def _request(self, job: Job, receiver: ChecksumAddress) -> SweepLeftoverRequest:
        return SweepLeftoverRequest(
            request_id=job.request_id,
            asset=job.asset,
            to=receiver,
            amount_base_units=str(job.total_base_units),
        )


class _Unfunded(Scenario):
    """A distribution that waits for money, on which an operator acts."""

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Creates it, waits until it waits, and makes the call; the service may be killed in it."""
        stage, asset = await world.ready_asset()
        held = await world.chain.mark(stage.payment_token, stage.holders, stage.contract)
        total = held.contract_balance + total_base_units
        distribution = await world.harness.create(asset.name, total, allow_unfunded=True)
        job = self.named(job_of(stage, asset, held, distribution))
        await in_state(world, job, DistributionState.WAITING_FOR_FUNDS)
        await self.ask(world, job)
        return job

    def named(self, job: Job) -> Job:
        """With the id of the operator's call."""
        return replace(job, request_id=str(uuid4()))

    @abstractmethod
    async def ask(self, world: World, job: Job) -> None:
        """Makes the operator's call."""


class PauseAndResume(_Unfunded):
    """The operator pauses it; later it is resumed and funded."""

    async def ask(self, world: World, job: Job) -> None:
        """Pauses."""
        await _ask(world, world.harness.client.payouts.pause_payout, self._request(job))

    async def finish(self, world: World, job: Job) -> Job:
        """Asks again with the same request id, resumes, funds and waits."""
        harness = world.harness
        await harness.call(harness.client.payouts.pause_payout, self._request(job))
        await in_state(world, job, DistributionState.PAUSED)
        resume = ResumePayoutRequest(request_id=str(uuid4()), name=f"payouts/{job.payout_id}")
        await harness.call(harness.client.payouts.resume_payout, resume)
        return await fund_and_wait(world, job)

    def _request(self, job: Job) -> PausePayoutRequest:
        return PausePayoutRequest(request_id=job.request_id, name=f"payouts/{job.payout_id}")


class Cancel(_Unfunded):
    """The operator cancels it: nobody is paid."""

    def named(self, job: Job) -> Job:
        """To be given up."""
        return replace(super().named(job), is_given_up=True)

    async def ask(self, world: World, job: Job) -> None:
        """Cancels."""
        await _ask(world, world.harness.client.payouts.cancel_payout, self._request(job))

    async def finish(self, world: World, job: Job) -> Job:
        """Asks again with the same request id, and waits."""
        await world.harness.call(world.harness.client.payouts.cancel_payout, self._request(job))
        await in_state(world, job, DistributionState.CANCELLED)
        return job

    def _request(self, job: Job) -> CancelPayoutRequest:
        return CancelPayoutRequest(request_id=job.request_id, name=f"payouts/{job.payout_id}")


class RefusedPayee(PayAReadyAsset):
    """The payment token refuses the largest payee for a while."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Tried again soon."""
        return {"PAYOUT_SERVICE_RETRY_FIRST_SECONDS": "1"}

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Blocks the payee until the refusal is seen."""
        stage, _ = await world.ready_asset()
        devnet = world.harness.devnet
        payee = max(stage.holders, key=lambda holder: stage.holders[holder])
        await devnet.block_payee(stage.payment_token, payee)
        job = await super().begin(world, total_base_units)

        async def is_refused() -> bool:
            books = await read_books(world.database_url, job.whose(world.harness.signer))
            is_waiting = any(payment.state == "WAITING" for payment in books.payments)
            return is_waiting or not world.stack.services[PAYOUT_SERVICE].running

        await eventually(is_refused, f"{payee} waits for another try", seconds=_EVENTUALLY_SECONDS)
        await devnet.unblock_payee(stage.payment_token, payee)
        return job


class BrokenContract(PayAReadyAsset):
    """The lifecycle contract (or the payment token) fails from a failpoint on, until the service is dead."""

    def __init__(self, holds_at: str, *, is_token: bool) -> None:
        self._holds_at = holds_at
        self._is_token = is_token

    @property
    def holds_at(self) -> str:
        """Where the contract breaks."""
        return self._holds_at

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Puts other code in the contract's place while the service holds, and its own back when that is dead."""
        job = await super().begin(world, total_base_units)
        await world.held()
        if self._is_token:
            await world.replace_code(job.payment_token, _ENDLESS_ANSWER)
        elif job.contract:
            await world.replace_code(job.contract, _REVERT)
        world.release()
        await world.is_killed()
        await world.restore_code()
        return job


class ForeignUseOfTheKey(PayAReadyAsset):
    """Somebody else uses the signer's key; the signer stops until an operator has it reconciled."""

    async def begin(self, world: World, total_base_units: int) -> Job:
        """Sends a transaction past the service, which then may not take its snapshot, and reconciles."""
        stage, asset = await world.ready_asset()
        devnet = world.harness.devnet
        signer = world.harness.signer
        arguments = [next(iter(stage.holders)), 0]
        await devnet.mint_payment_token(stage.payment_token, stage.contract, total_base_units)
        mark = await world.chain.mark(stage.payment_token, stage.holders, stage.contract)
        receipt = await devnet.transact("PaymentToken", stage.payment_token, "approve", arguments, sender=signer)
        distribution = await world.harness.create(asset.name, total_base_units)
        job = replace(
            job_of(stage, asset, mark, distribution),
            request_id=str(uuid4()),
            foreign=frozenset({receipt["transactionHash"].to_0x_hex().lower()}),
        )
        service = world.stack.services[PAYOUT_SERVICE]
        deadline = asyncio.get_running_loop().time() + _EVENTUALLY_SECONDS
        while service.running and asyncio.get_running_loop().time() < deadline:
            await _ask(world, world.harness.client.payouts.reconcile_signer, self._request(world, job))
        return job

    async def finish(self, world: World, job: Job) -> Job:
        """Reconciles, and waits for the distribution."""
        harness = world.harness
        await harness.call(harness.client.payouts.reconcile_signer, self._request(world, job))
        return await super().finish(world, job)

    def _request(self, world: World, job: Job) -> ReconcileSignerRequest:
        return ReconcileSignerRequest(request_id=job.request_id, name=f"signers/{world.harness.signer.lower()}")


async def fund_and_wait(world: World, job: Job) -> Job:
    """Deposits what is lacking, and waits for the distribution."""
    if job.contract is None:
        raise AssertionError("there is no contract to fund")
    lacking = job.total_base_units - job.mark.contract_balance
    await world.harness.devnet.mint_payment_token(job.payment_token, job.contract, lacking)
    await in_state(world, job, DistributionState.COMPLETED)
    return replace(job, mark=replace(job.mark, contract_balance=job.total_base_units))


async def _ask(world: World, method: Callable[[_Request], _Response], request: _Request) -> None:
    """Makes a call that the service may not survive, or may refuse for the moment."""
    try:
        await world.harness.client.call(method, request, timeout_seconds=_ASK_SECONDS)
    except AppError as error:
        if error.code not in (Code.UNAVAILABLE, Code.FAILED_PRECONDITION):
            raise
