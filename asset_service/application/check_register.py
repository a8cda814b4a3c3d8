"""Use case: compare one register after the other with the chain, and have holdings that differ read again."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from asset_service.application.ports import UnitOfWorkFactory
from asset_service.application.record_discrepancies import Recorded, raise_alarm, record_discrepancies
from asset_service.application.register_ports import (
    Alarms,
    ChainHoldingsReader,
    RefreshScope,
    RegisterReader,
    SampleSize,
)
from asset_service.domain.register_check import TOTAL, ChainHoldings, Discrepancy, RegisterSample, compare
from libs.clock import Clock
from libs.errors import AppError, Code, Reason

_log = logging.getLogger(__name__)
# chain_sync_service reads at most 1,000 holders at once: at most 500 by chance (a setting), and these.
_RECENT_HOLDERS = 10
_DISCREPANT_HOLDERS = 400
_ASSETS_AT_ONCE = 100
_REFRESHED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """The shortest time between two checks of one register, and how many holders are chosen at random."""

    interval: timedelta
    random_sample: int


@dataclass(frozen=True, slots=True)
class CheckRegister:
    """One step of the worker.

    Open work is stored in the database, so a worker may die or run twice at any time.
    """

    unit_of_work: UnitOfWorkFactory
    reader: RegisterReader
    chain: ChainHoldingsReader
    alarms: Alarms
    clock: Clock
    limits: CheckLimits

    async def __call__(self) -> bool:
        """Checks the register that has gone unchecked longest.

        Returns False when there is no more to do until the next poll.
        """
        # First what an earlier step has recorded and did not live to ask for.
        await self._refresh_all()
        asset_id = await self._claim()
        sample = await self._sample(asset_id) if asset_id else None
        if sample is None:
            return False
        chain = await self._read_chain(sample)
        if chain is None:
            return False
        recorded = await self._record(sample, chain)
        raise_alarm(self.alarms, recorded)
        if recorded.finding_count:
            await self._refresh_all()
        return False

    async def _claim(self) -> UUID | None:
        now = self.clock.now()
        async with self.unit_of_work() as uow:
            asset_id = await uow.registers.claim_check(now - self.limits.interval, now)
            await uow.commit()
        return asset_id

    async def _sample(self, asset_id: UUID) -> RegisterSample | None:
        size = SampleSize(self.limits.random_sample, _RECENT_HOLDERS, _DISCREPANT_HOLDERS)
        return await self.reader.sample(asset_id, size)

    async def _read_chain(self, sample: RegisterSample) -> ChainHoldings | None:
        """Reads the same holders at the same block.

        Returns None where the chain cannot tell: nothing can be compared then.
        """
        asset_id, position = sample.register.asset_id, sample.position
        try:
            chain = await self.chain.read_holdings(asset_id, list(sample.holdings), position.number)
        except AppError as error:
            # INVALID_BLOCK: a reorganisation took the block away, or the asset is followed anew.
            if error.code is not Code.UNAVAILABLE and error.reason is not Reason.INVALID_BLOCK:
                raise
            _log.warning("assets/%s cannot be checked at block %d: %s", asset_id, position.number, error)
            return None
        if chain.block_hash != position.block_hash:
            _log.info("assets/%s is not checked: block %d was reorganised", asset_id, position.number)
            return None
        return chain

    async def _record(self, sample: RegisterSample, chain: ChainHoldings) -> Recorded:
        asset_id = sample.register.asset_id
        async with self.unit_of_work() as uow:
            # Two checks, or a check and a change, record one after the other.
            await uow.registers.lock(asset_id)
            recorded = await record_discrepancies(
                uow, asset_id, compare(sample, chain), sample.subjects, self.clock.now()
            )
            await uow.commit()
        return recorded

    async def _refresh_all(self) -> None:
        async with self.unit_of_work() as uow:
            asset_ids = await uow.discrepancies.assets_to_refresh(_ASSETS_AT_ONCE)
        for asset_id in asset_ids:
            try:
                await self._refresh(asset_id)
            except AppError as error:
                # It stays open and is asked for again in the next step; other assets need not wait for this one.
                _log.warning("holdings of assets/%s cannot be read again: %s", asset_id, error)

    async def _refresh(self, asset_id: UUID) -> None:
        async with self.unit_of_work() as uow:
            discrepancies = await uow.discrepancies.to_refresh(asset_id, _REFRESHED_AT_ONCE)
        if not discrepancies:
            return
        is_total = any(each.finding.subject == TOTAL for each in discrepancies)
        holders = sorted({each.finding.subject.holder for each in discrepancies} - {TOTAL.holder})
        scope = RefreshScope.ALL_KNOWN if is_total else RefreshScope.HOLDERS
        await self.chain.refresh_holdings(refresh_request_id(discrepancies), asset_id, scope, holders)
        async with self.unit_of_work() as uow:
            await uow.registers.lock(asset_id)
            await uow.discrepancies.refresh_requested(discrepancies, self.clock.now())
            await uow.commit()


def refresh_request_id(discrepancies: Sequence[Discrepancy]) -> UUID:
    """Returns the request id with which these holdings are read again in this round.

    It follows from them, so that what is asked again after a crash is the same request, and another set of them,
    or another round, is another one.
    """
    rounds = ",".join(f"{each.discrepancy_id}.{each.refresh_round}" for each in discrepancies)
    return uuid5(NAMESPACE_URL, f"masspayout:register-discrepancies:{discrepancies[0].asset_id}:{rounds}")
