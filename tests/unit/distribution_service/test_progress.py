"""The progress of a payout: the same figures in the message, in the domain and in the database."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields

import pytest
from google.protobuf.descriptor import FieldDescriptor
from masspayout.type.v1 import amount_pb2, progress_pb2

from distribution_service.domain.payout_report import Progress
from distribution_service.messages.progress import message_field, progress_message, read_progress
from libs.chain.address import EvmAddress
from libs.grpc_kit.accounts import checksummed
from tests.unit.distribution_service.fakes import LIFECYCLE_CONTRACT, TOKEN

_NAMES = [each.name for each in fields(Progress)]
_AMOUNTS = [name for name in _NAMES if name.endswith("_base_units")]
_IN_MESSAGE = progress_pb2.PayoutProgress.DESCRIPTOR.fields_by_name


def _each_another(least: int = 1) -> Progress:
    """Progress in which no two figures are the same."""
    return Progress(**dict(zip(_NAMES, range(least, least + len(_NAMES)), strict=True)))


def test_no_side_lacks_a_figure() -> None:
    assert sorted(map(message_field, _NAMES)) == sorted(_IN_MESSAGE)


def test_base_units_are_amounts_and_all_others_are_counts() -> None:
    amount = amount_pb2.TokenAmount.DESCRIPTOR
    amounts = {name for name, field in _IN_MESSAGE.items() if field.message_type == amount}
    assert amounts == {message_field(name) for name in _AMOUNTS}
    counts = {field.type for name, field in _IN_MESSAGE.items() if name not in amounts}
    assert counts <= {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64}


def test_each_figure_goes_there_and_back() -> None:
    progress = _each_another()
    message = progress_message(progress, TOKEN)
    assert read_progress(message, TOKEN.address) == progress
    for name, figure in asdict(progress).items():
        shown = getattr(message, message_field(name))
        assert figure == (int(shown.base_units) if name in _AMOUNTS else shown)


def test_an_amount_is_shown_with_its_token() -> None:
    assert progress_message(_each_another(1_500_000), TOKEN).withheld_amount == amount_pb2.TokenAmount(
        base_units=str(1_500_000 + _NAMES.index("withheld_base_units")),
        decimal_amount="1.500011",
        decimals=6,
        symbol="USDC",
        token=checksummed(TOKEN.address),
    )


def test_amounts_of_any_size_are_exact() -> None:
    progress = Progress(**dict.fromkeys(_NAMES, 0) | dict.fromkeys(_AMOUNTS, 2**200 + 1))
    assert read_progress(progress_message(progress, TOKEN), TOKEN.address) == progress
    assert Progress(**json.loads(json.dumps(asdict(progress)))) == progress


def test_before_the_plan_amounts_are_unset_and_read_as_zero() -> None:
    told = read_progress(progress_pb2.PayoutProgress(holder_count=3), TOKEN.address)
    assert told == Progress(**dict.fromkeys(_NAMES, 0) | {"holder_count": 3})


def _of_another_token(amount: amount_pb2.TokenAmount) -> None:
    amount.token = checksummed(LIFECYCLE_CONTRACT)


def _malformed(amount: amount_pb2.TokenAmount) -> None:
    amount.base_units = "1.0"


def _empty(amount: amount_pb2.TokenAmount) -> None:
    amount.base_units = ""


def _of_no_token(amount: amount_pb2.TokenAmount) -> None:
    amount.token = ""


@pytest.mark.parametrize("name", _AMOUNTS)
@pytest.mark.parametrize("spoil", [_of_another_token, _of_no_token, _malformed, _empty])
def test_an_amount_that_is_not_one_of_the_payment_token_is_refused(
    name: str, spoil: Callable[[amount_pb2.TokenAmount], None]
) -> None:
    message = progress_message(_each_another(), TOKEN)
    spoil(getattr(message, message_field(name)))
    with pytest.raises(ValueError):
        read_progress(message, TOKEN.address)


@pytest.mark.parametrize("name", [name for name in _NAMES if name not in _AMOUNTS])
def test_a_negative_count_is_refused(name: str) -> None:
    message = progress_message(_each_another(), TOKEN)
    setattr(message, name, -1)
    with pytest.raises(ValueError, match=name):
        read_progress(message, EvmAddress(TOKEN.address.value))


def test_what_was_stored_is_read_strictly() -> None:
    stored = asdict(_each_another())
    with pytest.raises(TypeError):
        Progress(**stored | {"lost_count": 1})
    del stored["paid_count"]
    with pytest.raises(TypeError):
        Progress(**stored)
