"""Bad input through the published client: the canonical code, the reason, the field, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest
from eth_utils.address import to_checksum_address

from deploy.demo.payout import terms_of_total
from libs.errors import Code, Reason
from libs.protogen.typed.masspayout.asset.v1 import (
    Asset,
    GetAssetRequest,
    ImportAssetRequest,
    ListAssetsRequest,
    ListHoldersRequest,
)
from libs.protogen.typed.masspayout.distribution.v1 import (
    CreateDistributionRequest,
    GetDistributionRequest,
    ListDistributionsRequest,
)
from libs.protogen.typed.masspayout.payout.v1 import GetPayoutRequest, ListBatchesRequest, ListPaymentsRequest
from libs.protogen.typed.masspayout.type.v1 import AmountInput, PayoutTerms
from tests.system.harness import Harness, Stage, import_request

_NOBODY = to_checksum_address("0x" + "11" * 20)


@dataclass(frozen=True)
class BadImport:
    """A change that spoils an import, and how it is refused."""

    change: Callable[[Stage], dict[str, str]]
    reason: Reason
    field: str


_BAD_IMPORTS = {
    "no token": BadImport(lambda _: {"token": ""}, Reason.REQUIRED_FIELD_MISSING, "token"),
    "malformed": BadImport(lambda _: {"token": "0x12"}, Reason.INVALID_ADDRESS, "token"),
    "typing error": BadImport(
        lambda stage: {"token": stage.token[:-1] + ("a" if stage.token[-1] != "a" else "b")},
        Reason.INVALID_ADDRESS,
        "token",
    ),
    "hedera id": BadImport(lambda _: {"token": "0.0.1234"}, Reason.HEDERA_ID_NEEDS_MIRROR_NODE, "token"),
    "no contract": BadImport(lambda _: {"token": _NOBODY}, Reason.NOT_A_CONTRACT, "token"),
    "not a security": BadImport(
        lambda stage: {"token": stage.payment_token, "payment_token": stage.token},
        Reason.NOT_A_SECURITY_TOKEN,
        "token",
    ),
    "no payment token": BadImport(
        lambda stage: {"payment_token": stage.contract, "lifecycle_contract": ""},
        Reason.NOT_A_PAYMENT_TOKEN,
        "payment_token",
    ),
    "lifecycle contract is none": BadImport(
        lambda _: {"lifecycle_contract": _NOBODY}, Reason.NOT_A_CONTRACT, "lifecycle_contract"
    ),
    "no request id": BadImport(lambda _: {"request_id": ""}, Reason.INVALID_REQUEST_ID, "request_id"),
    "request id is no uuid": BadImport(lambda _: {"request_id": "7"}, Reason.INVALID_REQUEST_ID, "request_id"),
}


@pytest.mark.parametrize("case", _BAD_IMPORTS)
async def test_a_bad_import_is_refused_by_name_and_writes_nothing(harness: Harness, case: str) -> None:
    bad = _BAD_IMPORTS[case]
    stage = await harness.stage(1)
    before = await _asset_count(harness)

    error = await harness.refusal(harness.client.assets.import_asset, import_request(stage, **bad.change(stage)))

    assert (error.reason, error.field) == (bad.reason, bad.field)
    assert await _asset_count(harness) == before


async def test_an_asset_is_imported_once_and_a_request_id_means_one_request(harness: Harness) -> None:
    stage = await harness.stage(1)
    first = import_request(stage)
    asset = await harness.call(harness.client.assets.import_asset, first)

    twice = await harness.refusal(harness.client.assets.import_asset, import_request(stage))
    assert (twice.reason, twice.code) == (Reason.ASSET_ALREADY_IMPORTED, Code.ALREADY_EXISTS)
    assert twice.metadata == {"asset": asset.name}

    other = ImportAssetRequest(request_id=first.request_id, token=stage.token, payment_token=stage.payment_token)
    reused = await harness.refusal(harness.client.assets.import_asset, other)
    assert (reused.reason, reused.field) == (Reason.REQUEST_ID_REUSED, "request_id")


@dataclass(frozen=True)
class BadAmount:
    """An amount, and how it is refused."""

    amount: AmountInput | None
    reason: Reason
    field: str


_BASE_UNITS = "terms.total_amount.base_units"
_DECIMAL = "terms.total_amount.decimal_amount"
_BAD_AMOUNTS = {
    "none": BadAmount(None, Reason.REQUIRED_FIELD_MISSING, "terms"),
    "zero": BadAmount(AmountInput(base_units="0"), Reason.AMOUNT_NOT_POSITIVE, _BASE_UNITS),
    "negative": BadAmount(AmountInput(decimal_amount="-1"), Reason.AMOUNT_NOT_POSITIVE, _DECIMAL),
    "too many decimals": BadAmount(
        AmountInput(decimal_amount="1.0000001"), Reason.AMOUNT_TOO_MANY_DECIMALS, _DECIMAL
    ),
    "no number": BadAmount(AmountInput(base_units="1e6"), Reason.INVALID_AMOUNT, _BASE_UNITS),
    "too large": BadAmount(AmountInput(base_units=str(2**256)), Reason.AMOUNT_TOO_LARGE, _BASE_UNITS),
    "above the funds": BadAmount(AmountInput(base_units="11"), Reason.INSUFFICIENT_FUNDS, "terms.total_amount"),
}


async def test_bad_amounts_are_refused_by_name_and_write_nothing(harness: Harness) -> None:
    stage = await harness.stage(2)
    asset = await harness.import_stage(stage)
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, 10)
    for case, bad in _BAD_AMOUNTS.items():
        request = CreateDistributionRequest(
            request_id=str(uuid4()), asset=asset.name, terms=PayoutTerms(total_amount=bad.amount)
        )
        error = await harness.refusal(harness.client.distributions.create_distribution, request)
        assert (case, error.reason, error.field) == (case, bad.reason, bad.field)
    assert await _distribution_count(harness, asset) == 0


async def test_an_asset_without_holders_cannot_be_paid(harness: Harness) -> None:
    stage = await harness.stage(0)
    asset = await harness.import_stage(stage)
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, 10)
    request = CreateDistributionRequest(request_id=str(uuid4()), asset=asset.name, terms=terms_of_total(10))
    error = await harness.refusal(harness.client.distributions.create_distribution, request)
    assert (error.reason, error.code) == (Reason.NO_HOLDERS, Code.FAILED_PRECONDITION)
    assert await _distribution_count(harness, asset) == 0


async def test_unknown_ids_and_bad_pages_are_told_by_name(harness: Harness) -> None:
    client, unknown = harness.client, uuid4()
    assert [
        (error.reason, error.code, error.field)
        for error in (
            await harness.refusal(client.assets.get_asset, GetAssetRequest(name=f"assets/{unknown}")),
            await harness.refusal(client.assets.get_asset, GetAssetRequest(name=f"asset/{unknown}")),
            await harness.refusal(client.assets.list_holders, ListHoldersRequest(parent=f"assets/{unknown}")),
            await harness.refusal(
                client.distributions.get_distribution,
                GetDistributionRequest(name=f"distributions/{unknown}"),
            ),
            await harness.refusal(client.payouts.get_payout, GetPayoutRequest(name=f"payouts/{unknown}")),
            await harness.refusal(client.payouts.list_batches, ListBatchesRequest(parent=f"payouts/{unknown}")),
            await harness.refusal(
                client.payouts.list_payments,
                ListPaymentsRequest(parent=f"payouts/{unknown}", page_token="nonsense"),
            ),
            await harness.refusal(client.assets.list_assets, ListAssetsRequest(page_size=1001)),
            await harness.refusal(
                client.distributions.list_distributions, ListDistributionsRequest(page_token="nonsense")
            ),
        )
    ] == [
        (Reason.ASSET_NOT_FOUND, Code.NOT_FOUND, None),
        (Reason.INVALID_RESOURCE_NAME, Code.INVALID_ARGUMENT, "name"),
        (Reason.ASSET_NOT_FOUND, Code.NOT_FOUND, None),
        (Reason.DISTRIBUTION_NOT_FOUND, Code.NOT_FOUND, None),
        (Reason.PAYOUT_NOT_FOUND, Code.NOT_FOUND, None),
        (Reason.PAYOUT_NOT_FOUND, Code.NOT_FOUND, None),
        (Reason.INVALID_PAGE_TOKEN, Code.INVALID_ARGUMENT, "page_token"),
        (Reason.INVALID_PAGE_SIZE, Code.INVALID_ARGUMENT, "page_size"),
        (Reason.INVALID_PAGE_TOKEN, Code.INVALID_ARGUMENT, "page_token"),
    ]


async def test_an_asset_that_is_not_known_yet_is_unavailable_not_missing(harness: Harness) -> None:
    request = CreateDistributionRequest(
        request_id=str(uuid4()), asset=f"assets/{uuid4()}", terms=terms_of_total(1)
    )
    create = harness.client.distributions.create_distribution
    error = await harness.refusal(create, request, unavailable=Reason.ASSET_NOT_YET_KNOWN)
    assert (error.reason, error.code) == (Reason.ASSET_NOT_YET_KNOWN, Code.UNAVAILABLE)


async def _asset_count(harness: Harness) -> int:
    page = await harness.call(harness.client.assets.list_assets, ListAssetsRequest(page_size=1000))
    return len(page.assets)


async def _distribution_count(harness: Harness, asset: Asset) -> int:
    request = ListDistributionsRequest(asset=asset.name)
    return len((await harness.call(harness.client.distributions.list_distributions, request)).distributions)
