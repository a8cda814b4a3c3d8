"""The gRPC servicer of DistributionService: reads requests, calls use cases, writes answers."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.distribution.v1 import distribution_service_pb2_grpc as pb_grpc

from distribution_service.api.requests import list_scope, parse_position, parse_written_terms, position_key
from distribution_service.api.watches import DistributionWatches
from distribution_service.application.create_distribution import CreateDistribution, CreateDistributionCommand
from distribution_service.application.queries import DistributionQueries
from distribution_service.messages.resources import distribution_message, preview_message
from libs.grpc_kit.context import Context
from libs.grpc_kit.requests import next_page_token, parse_page, parse_request_key, parse_resource_name


class DistributionServicer(pb_grpc.DistributionServiceServicer):
    """Answers the RPCs of DistributionService; protos/ says what each of them promises."""

    def __init__(
        self,
        create_distribution: CreateDistribution,
        queries: DistributionQueries,
        watches: DistributionWatches,
    ) -> None:
        self._create_distribution = create_distribution
        self._queries = queries
        self._watches = watches

    async def CreateDistribution(self, request: pb.CreateDistributionRequest, context: Context) -> pb.Distribution:
        command = CreateDistributionCommand(
            key=parse_request_key(request, "CreateDistribution"),
            asset_id=parse_resource_name(request.asset, "assets", "asset"),
            terms=parse_written_terms(request.terms),
            allow_unfunded=request.allow_unfunded,
        )
        return distribution_message(await self._create_distribution(command))

    async def GetDistribution(self, request: pb.GetDistributionRequest, context: Context) -> pb.Distribution:
        distribution_id = parse_resource_name(request.name, "distributions", "name")
        return distribution_message(await self._queries.get(distribution_id))

    async def ListDistributions(
        self, request: pb.ListDistributionsRequest, context: Context
    ) -> pb.ListDistributionsResponse:
        asset_id = parse_resource_name(request.asset, "assets", "asset") if request.asset else None
        scope = list_scope(asset_id)
        page = parse_page(request, scope)
        after = parse_position(page.after) if page.after else None
        found = await self._queries.page(asset_id, after, page.size)
        token = next_page_token(scope, position_key(found.distributions[-1])) if found.has_more else ""
        distributions = [distribution_message(distribution) for distribution in found.distributions]
        for each in distributions:
            # A page of long rules would be larger than a message may be; GetDistribution tells them.
            each.terms.ClearField("rules")
        return pb.ListDistributionsResponse(distributions=distributions, next_page_token=token)

    async def PreviewDistribution(
        self, request: pb.PreviewDistributionRequest, context: Context
    ) -> pb.PreviewDistributionResponse:
        asset_id = parse_resource_name(request.asset, "assets", "asset")
        return preview_message(await self._queries.preview(asset_id, parse_written_terms(request.terms)))

    async def WatchDistribution(
        self, request: pb.WatchDistributionRequest, context: Context
    ) -> AsyncIterator[pb.WatchDistributionResponse]:
        """Ends with OK after COMPLETED, CANCELLED and FAILED, and also after INCOMPLETE and DEFERRED: nothing more
        happens soon by itself then, an operator or a later payout is needed. It goes on in PAUSED: what has left
        is still being settled. Changes that follow each other faster than they are read are sent as one.
        """
        distribution_id = parse_resource_name(request.name, "distributions", "name")
        # Closed at once when the caller goes away, not when the garbage collector comes by.
        async with aclosing(self._watches.follow(distribution_id)) as changes:
            async for distribution in changes:
                yield pb.WatchDistributionResponse(distribution=distribution_message(distribution))
