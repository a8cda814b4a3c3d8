"""PAID needs a proof, and nothing makes one of sources that disagree."""

import ast
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from libs.chain.quantities import BaseUnits, HolderAddress
from payout_service.domain.payments import PaymentOutcome, PaymentState
from payout_service.domain.proof import Due, PaidProof, prove_paid
from tests.support.payout.amounts import fixed_due, principal_due

SERVICE = Path(__file__).parents[3] / "payout_service"
PROOF_MODULE = "domain/proof.py"
# The one place that turns a proof into an outcome.
OUTCOME_MODULE = "domain/payments.py"


@pytest.mark.parametrize(
    ("event", "transferred", "due"),
    [
        (254, 0, fixed_due(254)),
        (0, 254, fixed_due(254)),
        (None, 254, fixed_due(254)),
        (254, 253, fixed_due(254)),
        (254, 254, fixed_due(253)),
        (0, 0, fixed_due(0)),
        # Paid, and nothing was burned; burned, and another amount was paid; nothing was there before.
        (254, 254, principal_due(10, 254, 0)),
        (254, 254, principal_due(10, 255, 10)),
        (254, 254, principal_due(0, 0, 10)),
        # All was paid for, half was burned.
        (254, 254, principal_due(10, 254, 5)),
        # 10 tokens were worth 33.3, so that 467 are worth 1556: paid was for 471, of which 4 were frozen.
        (1570, 1570, principal_due(10, 33, 467, Fraction(10, 3))),
        (1557, 1557, principal_due(10, 33, 467, Fraction(10, 3))),
        (1555, 1555, principal_due(10, 33, 467, Fraction(10, 3))),
    ],
)
def test_what_does_not_agree_is_no_proof(event: BaseUnits | None, transferred: BaseUnits, due: Due) -> None:
    assert prove_paid(event_base_units=event, transferred_base_units=transferred, due=due) is None
    if event is not None:
        with pytest.raises(ValueError, match=r"says|was due"):
            PaidProof(event_base_units=event, transferred_base_units=transferred, due=due)


@pytest.mark.parametrize(
    "due",
    [
        fixed_due(254),
        principal_due(10, 254, 10),
        principal_due(20, 508, 10),
        # The worth of a token is known: it does not matter how little there was before.
        principal_due(1, 2, 100, Fraction(254, 100)),
        principal_due(0, 0, 100, Fraction(2549, 1000)),
    ],
)
def test_what_agrees_is_one(due: Due) -> None:
    proof = prove_paid(event_base_units=BaseUnits(254), transferred_base_units=BaseUnits(254), due=due)
    assert proof == PaidProof(event_base_units=BaseUnits(254), transferred_base_units=BaseUnits(254), due=due)
    outcome = PaymentOutcome.paid(HolderAddress("0xa"), proof, "0xother")
    assert (outcome.state, outcome.amount_base_units, outcome.transaction_hash) == (
        PaymentState.PAID,
        254,
        "0xother",
    )


def test_an_outcome_cannot_say_paid_without_a_proof_or_another_amount() -> None:
    proof = prove_paid(event_base_units=BaseUnits(254), transferred_base_units=BaseUnits(254), due=fixed_due(254))
    with pytest.raises(ValueError, match="is no outcome"):
        PaymentOutcome(HolderAddress("0xa"), PaymentState.PAID, amount_base_units=BaseUnits(254))
    with pytest.raises(ValueError, match="not what its proof says"):
        PaymentOutcome(HolderAddress("0xa"), PaymentState.PAID, amount_base_units=BaseUnits(255), proof=proof)
    with pytest.raises(ValueError, match="is no outcome"):
        PaymentOutcome(HolderAddress("0xa"), PaymentState.ZERO_DUE, amount_base_units=BaseUnits(254), proof=proof)


def _calls(name: str) -> Iterator[str]:
    """Modules of the service that call a function or a class of this name, or a method of it."""
    for path in sorted(SERVICE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield path.relative_to(SERVICE).as_posix()


def test_proofs_are_made_in_one_place() -> None:
    assert set(_calls("PaidProof")) == {PROOF_MODULE}
    assert set(_calls("prove_paid")) == set(_calls("PaymentOutcome.paid")) == {"domain/settlement.py"}


def test_no_statement_writes_paid_past_an_outcome() -> None:
    """Repositories write the state of an outcome; none writes PAID by itself."""
    for path in sorted((SERVICE / "infrastructure").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "state":
                assert "PAID" not in ast.unparse(node.value), f"{path.name}:{node.value.lineno}"
