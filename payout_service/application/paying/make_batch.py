"""Makes the next batch, with as many payees as the caps and a gas estimate on the present chain allow."""

from dataclasses import dataclass
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from payout_service.application.engine import Engine, StepResult
from payout_service.application.paying.check_batch import check_amounts, what_changed
from payout_service.application.paying.hold_back import hold_back, reverts_alone
from payout_service.application.ports.rail import CallWouldRevertError
from payout_service.domain.batch_sizing import GasModel, fits, gas_limit
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import Batch
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.transaction import ContractCall, Purpose
from payout_service.domain.waits import Wait, WaitFor

_LARGE_PROBE = 16
# Each shrinking takes a tenth off; so many reach one payee from any size that fits into a block.
_MAX_SHRINKINGS = 64


@dataclass(frozen=True, slots=True)
class _SizedBatch:
    payees: list[PlannedPayment]
    call: ContractCall
    gas_limit: int


async def make_batch(engine: Engine, payout_id: UUID, contract: LifecycleContract) -> StepResult | None:
    """Stores one batch with its intent in one transaction. Returns None when no payee is without a batch."""
    async with engine.unit_of_work() as work:
        payout = await work.payouts.get(payout_id)
        if payout is None or payout.state is not PayoutState.EXECUTING:
            return StepResult(0)
        candidates = await work.batches.unbatched(payout_id, engine.settings.batch_limits.max_payees)
    if not candidates:
        return None
    changed = await what_changed(engine, payout, contract)
    if changed:
        return StepResult(engine.settings.blocked_poll_seconds, changed)
    signer = engine.signer_of_batch(payout.progress.batch_count + 1)
    sizing = _Sizing(engine, payout, contract, signer, candidates[0].withholding_basis_points)
    try:
        sized = await sizing.size(candidates)
    except CallWouldRevertError as error:
        # Of a redemption the payee may hold nothing any more: then nothing is to be called for.
        moved = await check_amounts(engine, payout, contract, candidates[:1])
        return moved or await _explain_revert(sizing, candidates[0], error)
    if sized is None:
        detail = "not even one payee fits under the configured gas cap"
        return StepResult(engine.settings.blocked_poll_seconds, Wait(WaitFor.BATCH_CAPS_TOO_LOW, detail))
    stopped = await check_amounts(engine, payout, contract, sized.payees)
    if stopped:
        return stopped
    await _store(engine, payout, signer, sized)
    return StepResult(0)


async def _explain_revert(sizing: "_Sizing", first: PlannedPayment, why: CallWouldRevertError) -> StepResult:
    """Finds out why the call reverts with the first payee alone.

    If it also reverts with nobody, the payee is not the cause.
    """
    engine = sizing.engine
    try:
        await sizing.estimate([])
    except CallWouldRevertError as error:
        return StepResult(engine.settings.blocked_poll_seconds, Wait(WaitFor.BATCH_WOULD_REVERT, error.reason))
    if why.is_by_pause:
        # Unpaused between two looks: nobody is to blame.
        return StepResult(engine.settings.poll_seconds, Wait(WaitFor.BATCH_WOULD_REVERT, why.reason))
    await hold_back(engine, sizing.payout, {first: reverts_alone(why.reason)})
    return StepResult(0)


@dataclass(frozen=True, slots=True)
class _Sizing:
    """Estimates the gas of one payout's calls on the present chain."""

    engine: Engine
    payout: Payout
    contract: LifecycleContract
    signer: EvmAddress
    # Of all candidates: they may share one call.
    withholding_basis_points: int

    async def size(self, candidates: list[PlannedPayment]) -> _SizedBatch | None:
        """Fits a line through two probes, then estimates the actual call; takes fewer payees until it fits.

        A payee in the middle that makes the call revert ends the batch before it: halves lead there, and in the
        end it is the first. Raises CallWouldRevertError when the first payee alone makes the call revert.
        """
        limits = self.engine.settings.batch_limits
        small_gas = await self.estimate(candidates[:1])
        count = await self._first_guess(candidates, small_gas)
        for _ in range(_MAX_SHRINKINGS):
            if count < 1:
                return None
            payees = candidates[:count]
            try:
                estimate = await self.estimate(payees)
            except CallWouldRevertError:
                if count == 1:
                    raise
                count //= 2
                continue
            if fits(estimate, limits):
                return _SizedBatch(
                    payees, self.call(payees), gas_limit(estimated_gas=estimate, max_gas=limits.max_gas)
                )
            count = count * 9 // 10
        return None

    async def _first_guess(self, candidates: list[PlannedPayment], small_gas: int) -> int:
        probe = min(_LARGE_PROBE, len(candidates))
        try:
            large_gas = await self.estimate(candidates[:probe])
        except CallWouldRevertError:
            return probe // 2
        model = GasModel.fit(small_count=1, small_gas=small_gas, large_count=probe, large_gas=large_gas)
        most = model.payees_within(
            self.engine.settings.batch_limits, makes_child_records=self.contract.payment_token.is_long_zero
        )
        return min(most, len(candidates))

    async def estimate(self, payees: list[PlannedPayment]) -> int:
        """Returns the gas of the call with these payees. Raises CallWouldRevertError."""
        return await self.engine.rail.estimate_gas(self.signer, self.call(payees))

    def call(self, payees: list[PlannedPayment]) -> ContractCall:
        """Returns the call that pays these payees."""
        execution = self.payout.execution_of([payee.holder for payee in payees], self.withholding_basis_points)
        return self.engine.lifecycle_contract.pay_batch(_address(self.contract), self.contract.token, execution)


async def _store(engine: Engine, payout: Payout, signer: EvmAddress, sized: _SizedBatch) -> None:
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING or locked.version != payout.version:
            # Another replica has made a batch, or held a payee back: look again.
            return
        number = locked.add_batch(engine.now())
        key = f"batch/{payout.payout_id}/{number}"
        batch = Batch(
            number=number,
            holder_count=len(sized.payees),
            amount_base_units=BaseUnits(sum(payee.amount_base_units for payee in sized.payees)),
            intent_key=key,
            create_time=engine.now(),
        )
        await work.batches.add_batch(payout.payout_id, batch, sized.payees)
        await work.journal.add(
            engine.new_intent(
                Purpose.BATCH, payout.payout_id, key, sized.call, signer=signer, gas_limit=sized.gas_limit
            )
        )
        await work.payouts.save(locked)
        await engine.failpoints.reach("batch.before_store_commit")
        await work.commit()
    engine.nudge()
    await engine.failpoints.reach("batch.stored")


def _address(contract: LifecycleContract) -> EvmAddress:
    if contract.address is None:
        raise RuntimeError(f"asset {contract.asset_id} has no lifecycle contract")
    return contract.address
