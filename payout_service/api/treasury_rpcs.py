"""Answers the gRPC calls about the money in lifecycle contracts: treasuries and sweeps."""

from masspayout.payout.v1 import payout_service_pb2 as pb

from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.requests import next_page_token, parse_number_page, parse_request_key, parse_resource_name
from payout_service.api.answers import sweep_message, treasury_message
from payout_service.api.asset_contracts import AssetContracts
from payout_service.api.requests import on_our_chain, parse_amount, parse_treasury_name
from payout_service.application.engine import Engine
from payout_service.application.ports.reads import PayoutReads
from payout_service.application.treasury.sweep_leftover import SweepLeftoverCommand, sweep_leftover
from payout_service.application.treasury.treasury import get_treasury
from payout_service.domain.sweep import Sweep


class TreasuryRpcs:
    """Answers the calls about treasuries and sweeps. See the proto for what each promises."""

    def __init__(self, engine: Engine, queries: PayoutReads) -> None:
        self._engine = engine
        self._queries = queries

    async def get(self, request: pb.GetTreasuryRequest) -> pb.Treasury:
        """GetTreasury."""
        asset_id = parse_treasury_name(request.name)
        return treasury_message(asset_id, await get_treasury(self._engine, asset_id))

    async def sweep_leftover(self, request: pb.SweepLeftoverRequest) -> pb.Sweep:
        """SweepLeftover."""
        amount = request.amount_base_units
        command = SweepLeftoverCommand(
            key=parse_request_key(request, "SweepLeftover"),
            asset_id=parse_resource_name(request.asset, "assets", "asset"),
            to=parse_evm_account(request.to, "to"),
            amount_base_units=parse_amount(amount, "amount_base_units") if amount else None,
        )
        return await self._message(await on_our_chain(sweep_leftover(self._engine, command)))

    async def get_sweep(self, request: pb.GetSweepRequest) -> pb.Sweep:
        """GetSweep."""
        sweep_id = parse_resource_name(request.name, "sweeps", "name")
        return await self._message(await self._queries.sweep(sweep_id, "name"))

    async def list_sweeps(self, request: pb.ListSweepsRequest) -> pb.ListSweepsResponse:
        """ListSweeps."""
        asset_id = parse_resource_name(request.asset, "assets", "asset") if request.asset else None
        scope = f"ListSweeps/{request.asset}"
        size, after = parse_number_page(request, scope)
        rows = await self._queries.sweeps(asset_id, after=after, limit=size + 1)
        page, contracts = rows[:size], AssetContracts(self._engine)
        return pb.ListSweepsResponse(
            sweeps=[sweep_message(sweep, await contracts.of(sweep.asset_id)) for _, sweep in page],
            next_page_token=next_page_token(scope, str(page[-1][0])) if len(rows) > size else "",
        )

    async def _message(self, sweep: Sweep) -> pb.Sweep:
        return sweep_message(sweep, await AssetContracts(self._engine).of(sweep.asset_id))
