"""Makes sure that a call which changes an asset takes effect only once per request id."""

from uuid import UUID

from asset_service.application.ports import UnitOfWork
from libs.idempotency import RequestKey, repeated_resource_id


async def is_first_call(uow: UnitOfWork, key: RequestKey, resource_id: UUID) -> bool:
    """Records a call in the transaction of its effect. Returns False when the call was carried out before.

    Waits for a call with the same id that goes on at the same time. Raises AppError REQUEST_ID_REUSED.
    """
    return await uow.add_request(key, resource_id) or not await was_carried_out(uow, key)


async def was_carried_out(uow: UnitOfWork, key: RequestKey) -> bool:
    """Returns True if a call with this id was carried out before. Raises AppError REQUEST_ID_REUSED."""
    logged = await uow.find_request(key.request_id)
    if logged is None:
        return False
    repeated_resource_id(key, logged)
    return True
