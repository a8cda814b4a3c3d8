"""Use case: import an asset."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from asset_service.application.ports import (
    Account,
    LifecycleContractInUseError,
    ReadinessChecker,
    TokenAlreadyImportedError,
    TokenDescriber,
    UnitOfWork,
    UnitOfWorkFactory,
)
from asset_service.domain.asset import Asset
from asset_service.domain.register import Register
from libs.chain.address import EvmAddress
from libs.clock import Clock
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey, repeated_resource_id


@dataclass(frozen=True, slots=True)
class ImportAssetCommand:
    """A caller's request to import an asset. Without a lifecycle contract, one is deployed."""

    key: RequestKey
    token: Account
    payment_token: Account
    lifecycle_contract: EvmAddress | None


@dataclass(frozen=True, slots=True)
class ImportAsset:
    """Has the tokens described, reports what is still missing, and starts the import."""

    unit_of_work: UnitOfWorkFactory
    tokens: TokenDescriber
    readiness: ReadinessChecker
    clock: Clock
    new_id: Callable[[], UUID]

    async def __call__(self, command: ImportAssetCommand) -> UUID:
        """Returns the asset's id: the new one, or the one that a call with the same request id made.

        Raises AppError: INVALID_ADDRESS, REQUEST_ID_REUSED, ASSET_ALREADY_IMPORTED, LIFECYCLE_CONTRACT_IN_USE,
        and what TokenDescriber and ReadinessChecker raise.
        """
        _refuse_same_contracts(command.token, command.payment_token, command.lifecycle_contract)
        async with self.unit_of_work() as uow:
            known_id = await _repeated(uow, command.key)
        if known_id is not None:
            return known_id
        # Asks the chain outside of any transaction.
        asset = await self._describe(command)
        async with self.unit_of_work() as uow:
            # First, so that a call with the same id at the same time waits here and then finds this one.
            if not await uow.add_request(command.key, asset.asset_id):
                return await self._lost_race(command.key)
            try:
                await uow.assets.add(asset)
            except TokenAlreadyImportedError as error:
                raise _already_imported(asset.token.address, error.asset_id) from error
            except LifecycleContractInUseError as error:
                raise _contract_in_use(command.lifecycle_contract, error.asset_id) from error
            await uow.registers.add(Register.empty(asset.asset_id, asset.create_time))
            await uow.commit()
        return asset.asset_id

    async def _describe(self, command: ImportAssetCommand) -> Asset:
        token = (await self.tokens.describe_token(command.token)).token
        payment_token = await self.tokens.describe_payment_token(command.payment_token)
        contract = command.lifecycle_contract
        # Again: one may have been given by its Hedera id, another by its EVM address.
        _refuse_same_contracts(token.address, payment_token.address, contract)
        conditions = await self.readiness.check_readiness(token.address, payment_token.address, contract)
        return Asset.start_import(self.new_id(), token, payment_token, contract, conditions, self.clock.now())

    async def _lost_race(self, key: RequestKey) -> UUID:
        async with self.unit_of_work() as uow:
            known_id = await _repeated(uow, key)
        if known_id is None:
            raise RuntimeError(f"request {key.request_id} was recorded and is gone")
        return known_id


async def _repeated(uow: UnitOfWork, key: RequestKey) -> UUID | None:
    logged = await uow.find_request(key.request_id)
    return repeated_resource_id(key, logged) if logged else None


def _refuse_same_contracts(token: Account, payment_token: Account, lifecycle_contract: EvmAddress | None) -> None:
    if payment_token == token:
        raise AppError(
            Reason.INVALID_ADDRESS, "the payment token cannot be the security token", field="payment_token"
        )
    if lifecycle_contract in (token, payment_token):
        raise AppError(
            Reason.INVALID_ADDRESS,
            "the lifecycle contract cannot be one of the tokens",
            field="lifecycle_contract",
        )


def _already_imported(token: EvmAddress, asset_id: UUID) -> AppError:
    return AppError(
        Reason.ASSET_ALREADY_IMPORTED,
        f"{token} is imported already as assets/{asset_id}",
        field="token",
        metadata={"asset": f"assets/{asset_id}"},
    )


def _contract_in_use(contract: EvmAddress | None, asset_id: UUID) -> AppError:
    return AppError(
        Reason.LIFECYCLE_CONTRACT_IN_USE,
        f"{contract} pays for assets/{asset_id} already",
        field="lifecycle_contract",
        metadata={"asset": f"assets/{asset_id}"},
    )
