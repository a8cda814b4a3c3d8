"""The steps of paying holders through the published client: import an asset, preview, create, list payments."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import uuid4

from eth_typing import ChecksumAddress

from deploy.demo.settings import DemoError
from libs.client.client import MassPayoutClient
from libs.protogen.typed.masspayout.asset.v1 import (
    Asset,
    AssetState,
    GetAssetRequest,
    ImportAssetRequest,
    ListHoldersRequest,
)
from libs.protogen.typed.masspayout.distribution.v1 import (
    CreateDistributionRequest,
    Distribution,
    GetDistributionRequest,
    PreviewDistributionRequest,
    PreviewDistributionResponse,
)
from libs.protogen.typed.masspayout.payout.v1 import (
    Batch,
    GetPayoutRequest,
    ListBatchesRequest,
    ListPaymentsRequest,
    Payment,
    Payout,
)
from libs.protogen.typed.masspayout.type.v1 import AmountInput, PayeeRules, PayoutTerms

_ACTIVE_SECONDS = 120.0
_REGISTER_SECONDS = 120.0
_POLL_SECONDS = 0.25
_PAGE_SIZE = 1000
_PREVIEW_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class PaidDistribution:
    """A distribution with its payout and batches."""

    distribution: Distribution
    payout: Payout
    batches: list[Batch]


async def import_asset(client: MassPayoutClient, token: ChecksumAddress, payment_token: ChecksumAddress) -> Asset:
    """Imports an asset. payout_service deploys its lifecycle contract."""
    request = ImportAssetRequest(request_id=str(uuid4()), token=token, payment_token=payment_token)
    return await client.call(client.assets.import_asset, request)


async def wait_until_active(client: MassPayoutClient, name: str) -> Asset:
    """Waits until all readiness conditions hold and returns the asset. Raises DemoError that names the others."""
    deadline = asyncio.get_running_loop().time() + _ACTIVE_SECONDS
    while True:
        asset = await client.call(client.assets.get_asset, GetAssetRequest(name=name))
        if asset.state is AssetState.ACTIVE:
            return asset
        if asset.state is AssetState.FAILED or asyncio.get_running_loop().time() > deadline:
            still_open = [f"{each.detail}; {each.remedy}" for each in asset.readiness if not each.satisfied]
            raise DemoError(f"the asset did not become active: {asset.failure_reason or still_open}")
        await asyncio.sleep(_POLL_SECONDS)


async def wait_for_register(client: MassPayoutClient, name: str, holder_count: int) -> int:
    """Waits until the register knows every holder and returns the seconds. Raises DemoError if it does not."""
    began = asyncio.get_running_loop().time()
    while True:
        page = await client.call(client.assets.list_holders, ListHoldersRequest(parent=name, page_size=1))
        if page.register is not None and page.register.holder_count == holder_count:
            return round(asyncio.get_running_loop().time() - began)
        if asyncio.get_running_loop().time() - began > _REGISTER_SECONDS:
            known = page.register.holder_count if page.register else 0
            raise DemoError(f"the register knows {known} of {holder_count} holders")
        await asyncio.sleep(_POLL_SECONDS)


def terms_of_total(base_units: int, rules: PayeeRules | None = None) -> PayoutTerms:
    """All holders together are paid this, in base units of the payment token."""
    return PayoutTerms(total_amount=AmountInput(base_units=str(base_units)), rules=rules)


async def preview(client: MassPayoutClient, asset: str, terms: PayoutTerms) -> PreviewDistributionResponse:
    """Returns what would be paid now."""
    request = PreviewDistributionRequest(asset=asset, terms=terms)
    return await client.call(client.distributions.preview_distribution, request, timeout_seconds=_PREVIEW_SECONDS)


async def create(client: MassPayoutClient, asset: str, terms: PayoutTerms) -> Distribution:
    """Creates a distribution, which is released for payment at once."""
    request = CreateDistributionRequest(request_id=str(uuid4()), asset=asset, terms=terms)
    return await client.call(client.distributions.create_distribution, request)


async def paid_distribution(client: MassPayoutClient, name: str) -> PaidDistribution:
    """Returns a distribution as it is now, with its payout and batches."""
    distribution = await client.call(client.distributions.get_distribution, GetDistributionRequest(name=name))
    payout = await client.call(client.payouts.get_payout, GetPayoutRequest(name=distribution.payout))
    return PaidDistribution(distribution, payout, await list_batches(client, distribution.payout))


async def list_batches(client: MassPayoutClient, payout: str) -> list[Batch]:
    """Returns all batches of a payout."""
    batches: list[Batch] = []
    token = ""
    while True:
        request = ListBatchesRequest(parent=payout, page_size=_PAGE_SIZE, page_token=token)
        page = await client.call(client.payouts.list_batches, request)
        batches.extend(page.batches)
        token = page.next_page_token
        if not token:
            return batches


async def list_payments(client: MassPayoutClient, payout: str) -> list[Payment]:
    """Returns all payments of a payout."""
    payments: list[Payment] = []
    token = ""
    while True:
        request = ListPaymentsRequest(parent=payout, page_size=_PAGE_SIZE, page_token=token)
        page = await client.call(client.payouts.list_payments, request)
        payments.extend(page.payments)
        token = page.next_page_token
        if not token:
            return payments
