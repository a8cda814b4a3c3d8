"""Random events against the simplest register there is: a dict."""

from uuid import UUID

from hypothesis import strategies as st

from asset_service.application.apply_balance_changes import ApplyBalanceChanges, ApplyBalanceChangesCommand
from asset_service.application.register_ports import HolderOrder, HolderPage, RegisterReader
from asset_service.domain.register import NOTHING, BalanceChanges, BlockPosition, Holding
from tests.unit.asset_service.samples import BLOCK_HASH, address, incoming

HOLDERS = tuple(address(number).value for number in range(11, 15))
# Large ones are large for any machine number, and yet their sums are within what a total supply can be.
_AMOUNTS = st.integers(0, 3) | st.integers(2**249, 2**250)
_HOLDINGS = st.builds(Holding, _AMOUNTS, _AMOUNTS, _AMOUNTS, _AMOUNTS, _AMOUNTS)
# For each event: whether it is an old one, which tells deltas alone, and what some holders have after it.
EVENTS = st.lists(
    st.tuples(st.booleans(), st.dictionaries(st.sampled_from(HOLDERS), _HOLDINGS)),
    max_size=10,
)


async def require_register_follows(
    apply_changes: ApplyBalanceChanges,
    reader: RegisterReader,
    asset_id: UUID,
    events: list[tuple[bool, dict[str, Holding]]],
) -> None:
    """Tells the events to an empty register: rows, totals and, in the end, the history are right."""
    model: dict[str, Holding] = {}
    for sequence, (is_old, wanted) in enumerate(events, 1):
        had = {holder: model.get(holder, NOTHING) for holder in wanted}
        told = {
            holder: had[holder]._replace(balance=holding.balance) if is_old else holding
            for holder, holding in wanted.items()
        }
        changes = BalanceChanges(
            list(told),
            [holding.balance - had[holder].balance for holder, holding in told.items()],
            [sequence] * len(told),
            None if is_old else list(told.values()),
        )
        position = BlockPosition(sequence, BLOCK_HASH)
        await apply_changes(
            ApplyBalanceChangesCommand(incoming(asset_id), asset_id, sequence, changes, sequence, position)
        )
        model = {holder: holding for holder, holding in (model | told).items() if holding.total}
        await _require_rows_and_totals(reader, asset_id, model)
    await _require_history(reader, asset_id, model)
    assert await reader.discrepancies(asset_id, None, 10, unresolved_only=False) == []


async def _require_rows_and_totals(reader: RegisterReader, asset_id: UUID, model: dict[str, Holding]) -> None:
    found = await reader.holders(asset_id, HolderPage(HolderOrder.ADDRESS, 0, None, 100))
    assert found
    assert {row.address: row.holding for row in found.rows} == model
    assert found.register.holder_count == len(model)
    assert found.register.total_balance_base_units == sum(holding.balance for holding in model.values())
    assert found.register.total_restricted_base_units == sum(holding.restricted for holding in model.values())


async def _require_history(reader: RegisterReader, asset_id: UUID, model: dict[str, Holding]) -> None:
    rows = await reader.changes(asset_id, None, None, 1_000)
    assert rows is not None
    sums = dict.fromkeys(HOLDERS, (0, 0))
    for row in reversed(rows):
        balance, restricted = sums[row.address]
        sums[row.address] = (balance + row.delta_base_units, restricted + row.restricted_delta_base_units)
        assert sums[row.address] == (row.balance_base_units, row.restricted_base_units)
    has = {holder: model.get(holder, NOTHING) for holder in HOLDERS}
    assert sums == {holder: (holding.balance, holding.restricted) for holder, holding in has.items()}
