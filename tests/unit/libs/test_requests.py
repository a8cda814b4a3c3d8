"""What is common to requests: names, request ids, page tokens; and errors on their way out and back in."""

import base64
import json
from uuid import UUID, uuid4

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from masspayout.asset.v1 import asset_service_pb2 as asset_pb
from masspayout.payout.v1 import payout_service_pb2 as pb
from sqlalchemy.exc import OperationalError

from libs.errors import ERROR_DOMAIN, AppError, Code, Reason, code_of
from libs.grpc_kit.errors import as_app_error, from_rpc_error, to_status
from libs.grpc_kit.requests import (
    next_page_token,
    parse_number_page,
    parse_page,
    parse_request_key,
    parse_resource_name,
    require,
)
from libs.idempotency import LoggedRequest, RequestKey, repeated_resource_id
from libs.persistence.errors import is_transient

SCOPE = "ListBatches/payouts/1"


def page(token: str = "", size: int = 0) -> pb.ListBatchesRequest:
    return pb.ListBatchesRequest(page_token=token, page_size=size)


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def test_a_token_leads_behind_its_row() -> None:
    assert parse_number_page(page(next_page_token(SCOPE, "17"), 5), SCOPE) == (5, 17)
    assert parse_number_page(page(), SCOPE) == (100, 0)
    assert parse_page(page(), SCOPE).after is None
    assert parse_page(page(next_page_token(SCOPE, "0xab"), 1000), SCOPE).after == "0xab"


@pytest.mark.parametrize(
    "token",
    [
        next_page_token("ListBatches/payouts/2", "17"),
        next_page_token(SCOPE, "-1"),
        next_page_token(SCOPE, "1.5"),
        next_page_token(SCOPE, "00"),
        next_page_token(SCOPE, "9" * 19),
        next_page_token(SCOPE, "9" * 5000),
        next_page_token(SCOPE, "٣"),
        next_page_token(SCOPE, "1\n"),
        encoded([SCOPE]),
        encoded([SCOPE, 1, 2]),
        encoded({"scope": SCOPE}),
        encoded([SCOPE, None]),
        encoded([[SCOPE], "1"]),
        "!!!",
        "YQ",
        "YQ==",
        "é",
    ],
)
def test_a_token_that_this_list_has_not_given_is_refused(token: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_number_page(page(token), SCOPE)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_PAGE_TOKEN, "page_token")


@pytest.mark.parametrize("size", [-1, 1001, 2**31 - 1])
def test_a_size_out_of_bounds_is_refused(size: int) -> None:
    with pytest.raises(AppError) as caught:
        parse_page(page(size=size), SCOPE)
    assert caught.value.reason is Reason.INVALID_PAGE_SIZE


def test_a_name_holds_its_id() -> None:
    payout_id = uuid4()
    assert parse_resource_name(f"payouts/{payout_id}", "payouts", "name") == payout_id


@pytest.mark.parametrize(
    "name",
    [
        "payouts/",
        "payouts/1",
        "assets/{id}",
        "payouts/{id}/batches/1",
        "{id}",
        "payouts/{{id}}",
        "payouts/urn:uuid:{id}",
    ],
)
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_resource_name(name.format(id=uuid4()), "payouts", "name")
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_RESOURCE_NAME, "name")


def test_an_empty_field_is_missing() -> None:
    assert require("x", "field") == "x"
    for call in (lambda: require("", "field"), lambda: parse_resource_name("", "payouts", "field")):
        with pytest.raises(AppError) as caught:
            call()
        assert (caught.value.reason, caught.value.field) == (Reason.REQUIRED_FIELD_MISSING, "field")


REQUEST_ID = "b091e8a1-53f5-4d8a-af3f-313cac6ca2ea"


def import_request(**changes: str) -> asset_pb.ImportAssetRequest:
    return asset_pb.ImportAssetRequest(**{"request_id": REQUEST_ID, "token": "0x1", **changes})


def test_a_request_is_known_by_its_id_and_the_rest_of_it() -> None:
    key = parse_request_key(import_request(), "ImportAsset")
    assert key.request_id == UUID(REQUEST_ID)
    assert parse_request_key(import_request(), "ImportAsset") == key
    other_id = parse_request_key(import_request(request_id=str(uuid4())), "ImportAsset")
    assert other_id.request_hash == key.request_hash, "the id is no part of the content"
    assert parse_request_key(import_request(token="0x2"), "ImportAsset").request_hash != key.request_hash


@pytest.mark.parametrize("text", ["", "1", REQUEST_ID.replace("-", ""), "{" + REQUEST_ID + "}", REQUEST_ID + " "])
def test_a_request_id_is_a_uuid(text: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_request_key(import_request(request_id=text), "ImportAsset")
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_REQUEST_ID, "request_id")


def test_a_repeated_call_names_its_resource_and_another_one_is_refused() -> None:
    key = RequestKey(uuid4(), "ImportAsset", b"\x01", "anonymous")
    logged = LoggedRequest(key, uuid4())
    assert repeated_resource_id(key, logged) == logged.resource_id
    for other in (
        RequestKey(key.request_id, "CreateDistribution", b"\x01", "anonymous"),
        RequestKey(key.request_id, "ImportAsset", b"\x02", "anonymous"),
    ):
        with pytest.raises(AppError) as caught:
            repeated_resource_id(other, logged)
        assert caught.value.reason is Reason.REQUEST_ID_REUSED


# ------------------------------------------------------------------------------------------------ errors


def received(error: AppError) -> grpc.aio.AioRpcError:
    """The error as the caller's library raises it."""
    status = to_status(error)
    return grpc.aio.AioRpcError(
        status.code,
        grpc.aio.Metadata(),
        trailing_metadata=grpc.aio.Metadata(*status.trailing_metadata),
        details=status.details,
    )


def details(error: AppError) -> list[str]:
    status = status_pb2.Status.FromString(dict(to_status(error).trailing_metadata)["grpc-status-details-bin"])
    return [detail.TypeName().rpartition(".")[2] for detail in status.details]


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("field", [None, "total_amount.base_units"])
def test_an_error_survives_the_way_to_the_caller(reason: Reason, field: str | None) -> None:
    error = AppError(reason, "what: happened", field=field, metadata={"key": "value"})
    back = from_rpc_error(received(error), "peer")
    assert (back.reason, dict(back.metadata or {})) == (reason, {"key": "value"})
    assert to_status(error).code.value[0] == code_of(reason).value
    has_field_detail = error.code in (Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION)
    if field is None or has_field_detail:
        assert (back.field, back.message) == (field, "what: happened")


def test_details_fit_the_code() -> None:
    assert details(AppError(Reason.INVALID_AMOUNT, "m", field="f")) == ["ErrorInfo", "BadRequest"]
    assert details(AppError(Reason.INVALID_AMOUNT, "m")) == ["ErrorInfo"]
    assert details(AppError(Reason.NO_HOLDERS, "m")) == ["ErrorInfo", "PreconditionFailure"]
    assert details(AppError(Reason.PAYOUT_NOT_FOUND, "m", field="f")) == ["ErrorInfo"]


def _plain(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


def test_a_peer_that_did_not_decide_is_unavailable() -> None:
    for code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL):
        error = from_rpc_error(_plain(code), "chain_sync_service")
        assert error.reason is Reason.PEER_UNAVAILABLE
        assert error.metadata == {"peer": "chain_sync_service"}


@pytest.mark.parametrize(("domain", "reason"), [("example.com", "NO_HOLDERS"), (ERROR_DOMAIN, "NEWER_THAN_WE")])
def test_reasons_that_are_not_ours_are_not_passed_on(domain: str, reason: str) -> None:
    info = error_details_pb2.ErrorInfo(domain=domain, reason=reason)
    status = status_pb2.Status(code=9, message="m")
    status.details.add().Pack(info)
    metadata = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    error = grpc.aio.AioRpcError(grpc.StatusCode.FAILED_PRECONDITION, grpc.aio.Metadata(), metadata, details="m")
    assert from_rpc_error(error, "peer").reason is Reason.PEER_UNAVAILABLE


def test_nothing_unexpected_shows_its_content() -> None:
    secret = "postgresql://role:hunter2@host"
    for error, reason in (
        (RuntimeError(secret), Reason.INTERNAL),
        (OperationalError(secret, {}, Exception()), Reason.DATABASE_UNAVAILABLE),
    ):
        told = as_app_error(error, "/method")
        assert told.reason is reason
        assert "hunter2" not in f"{told} {to_status(told)}"
    ours = AppError(Reason.NO_HOLDERS, "none")
    assert as_app_error(ours, "/method") is ours


def test_what_passes_by_itself_is_transient() -> None:
    assert is_transient(AppError(Reason.CHAIN_UNAVAILABLE, "m"))
    assert is_transient(OperationalError("q", {}, Exception()))
    assert is_transient(ConnectionResetError())
    assert not is_transient(AppError(Reason.NO_HOLDERS, "m"))
    assert not is_transient(ValueError())
