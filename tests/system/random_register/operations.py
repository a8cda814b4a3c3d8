"""What is done to a security token at random, so that all of it takes effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.abi import function_signature_to_4byte_selector

from tests.system.random_register.node import call_data

_GAS = 400_000
_GAS_PER_ISSUED_HOLDER = 120_000
_BATCH_HOLDERS = 20
_LARGEST_ISSUE = 10**12
# A lock that has expired when it is made can be released at once.
_EXPIRED = 1
_PARTITION = 1
_WEIGHTS = {
    "issue": 11,
    "issue_batch": 2,
    "transfer": 34,
    "transfer_to_self": 2,
    # Version 7 tells no Transfer of what is asked by partition.
    "transfer_by_partition": 8,
    "redeem": 8,
    "redeem_by_partition": 4,
    "freeze": 9,
    "unfreeze": 7,
    "lock": 8,
    "release": 6,
    "block": 2,
    "unblock": 2,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A transaction to send."""

    kind: str
    sender: ChecksumAddress
    data: str
    gas: int = _GAS


@dataclass(slots=True)
class Account:
    """What a holder should have."""

    free: int = 0
    frozen: int = 0
    is_blocked: bool = False
    # By their ids; what is released is gone.
    locks: dict[int, int] = field(default_factory=dict)
    lock_count: int = 0


class Ledger:
    """What a token should hold, kept only to draw operations that succeed; the chain alone is right.

    `take` goes back to a copy after a reorganisation.
    """

    def __init__(self, admin: ChecksumAddress, holders: list[ChecksumAddress]) -> None:
        self._admin = admin
        self._holders = holders
        self._accounts = {holder: Account() for holder in holders}

    def copy(self) -> dict[ChecksumAddress, Account]:
        """What it holds now."""
        return _copy(self._accounts)

    def take(self, copied: dict[ChecksumAddress, Account]) -> None:
        """Holds what it held then."""
        self._accounts = _copy(copied)

    def draw(self, random: Random) -> Operation:
        """An operation of a random kind on random holders; an issue where that kind is not possible now."""
        (kind,) = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        return self._draw(kind, random) or self.issue(random)

    def issue(self, random: Random) -> Operation:
        """More tokens for somebody."""
        holder, to = self._any(random, is_blocked=False)
        amount = random.randrange(1, _LARGEST_ISSUE)
        to.free += amount
        return self._by_admin("issue", "issue(address,uint256)", holder, amount)

    def adjust(self, factor: int) -> Operation:
        """Every amount times `factor`."""
        for each in self._accounts.values():
            each.free *= factor
            each.frozen *= factor
            each.locks = {lock_id: amount * factor for lock_id, amount in each.locks.items()}
        return self._by_admin("adjust", "adjustBalances(uint256,uint8)", factor, 0)

    # ------------------------------------------------------------------------------ kinds

    def _draw(self, kind: str, random: Random) -> Operation | None:
        match kind:
            case "issue":
                return self.issue(random)
            case "issue_batch":
                return self._issue_batch(random)
            case "transfer" | "transfer_to_self" | "transfer_by_partition":
                return self._transfer(random, kind)
            case "redeem" | "redeem_by_partition":
                return self._redeem(random, kind)
            case "freeze":
                return self._freeze(random)
            case "unfreeze":
                return self._unfreeze(random)
            case "lock":
                return self._lock(random)
            case "release":
                return self._release(random)
            case _:
                return self._block(random, blocks=kind == "block")

    def _issue_batch(self, random: Random) -> Operation:
        free = [holder for holder in self._holders if not self._accounts[holder].is_blocked]
        holders = random.sample(free, _BATCH_HOLDERS)
        amounts = [random.randrange(_LARGEST_ISSUE) for _ in holders]
        for holder, amount in zip(holders, amounts, strict=True):
            self._accounts[holder].free += amount
        selector = function_signature_to_4byte_selector("issueBatch(address[],uint256[])")
        data = "0x" + (selector + encode(["address[]", "uint256[]"], [holders, amounts])).hex()
        return Operation("issue_batch", self._admin, data, _GAS + len(holders) * _GAS_PER_ISSUED_HOLDER)

    def _transfer(self, random: Random, kind: str) -> Operation | None:
        sender = self._some(random, lambda each: each.free > 0 and not each.is_blocked)
        if sender is None:
            return None
        to_self = kind == "transfer_to_self"
        receiver, to = (sender, self._accounts[sender]) if to_self else self._any(random, is_blocked=False)
        amount = _amount(random, self._accounts[sender].free)
        self._accounts[sender].free -= amount
        to.free += amount
        if kind == "transfer_by_partition":
            function = "transferByPartition(bytes32,(address,uint256),bytes)"
            return Operation(kind, sender, call_data(function, _PARTITION, receiver, amount, *_no_bytes(after=4)))
        return Operation(kind, sender, call_data("transfer(address,uint256)", receiver, amount))

    def _redeem(self, random: Random, kind: str) -> Operation | None:
        sender = self._some(random, lambda each: each.free > 0 and not each.is_blocked)
        if sender is None:
            return None
        amount = _amount(random, self._accounts[sender].free)
        self._accounts[sender].free -= amount
        if kind == "redeem_by_partition":
            function = "redeemByPartition(bytes32,uint256,bytes)"
            return Operation(kind, sender, call_data(function, _PARTITION, amount, *_no_bytes(after=3)))
        return Operation(kind, sender, call_data("redeem(uint256)", amount))

    def _freeze(self, random: Random) -> Operation | None:
        holder = self._some(random, lambda each: each.free > 0)
        if holder is None:
            return None
        amount = _amount(random, self._accounts[holder].free)
        self._accounts[holder].free -= amount
        self._accounts[holder].frozen += amount
        return self._by_admin("freeze", "freezePartialTokens(address,uint256)", holder, amount)

    def _unfreeze(self, random: Random) -> Operation | None:
        holder = self._some(random, lambda each: each.frozen > 0)
        if holder is None:
            return None
        amount = _amount(random, self._accounts[holder].frozen)
        self._accounts[holder].frozen -= amount
        self._accounts[holder].free += amount
        return self._by_admin("unfreeze", "unfreezePartialTokens(address,uint256)", holder, amount)

    def _lock(self, random: Random) -> Operation | None:
        holder = self._some(random, lambda each: each.free > 0)
        if holder is None:
            return None
        locked = self._accounts[holder]
        amount = _amount(random, locked.free, least=1)
        locked.free -= amount
        locked.lock_count += 1
        locked.locks[locked.lock_count] = amount
        return self._by_admin("lock", "lock(uint256,address,uint256)", amount, holder, _EXPIRED)

    def _release(self, random: Random) -> Operation | None:
        holder = self._some(random, lambda each: bool(each.locks))
        if holder is None:
            return None
        released = self._accounts[holder]
        lock_id = random.choice(list(released.locks))
        released.free += released.locks.pop(lock_id)
        return self._by_admin("release", "release(uint256,address)", lock_id, holder)

    def _block(self, random: Random, *, blocks: bool) -> Operation | None:
        holder = self._some(random, lambda each: each.is_blocked is not blocks)
        if holder is None:
            return None
        self._accounts[holder].is_blocked = blocks
        function = "addToControlList(address)" if blocks else "removeFromControlList(address)"
        return self._by_admin("block" if blocks else "unblock", function, holder)

    # ------------------------------------------------------------------------------ choosing

    def _any(self, random: Random, *, is_blocked: bool) -> tuple[ChecksumAddress, Account]:
        holder = self._some(random, lambda each: each.is_blocked is is_blocked)
        assert holder is not None
        return holder, self._accounts[holder]

    def _some(self, random: Random, fits: Callable[[Account], bool]) -> ChecksumAddress | None:
        """A random one of those who fit; None if nobody does."""
        fitting = [holder for holder, each in self._accounts.items() if fits(each)]
        return random.choice(fitting) if fitting else None

    def _by_admin(self, kind: str, function: str, *arguments: ChecksumAddress | int) -> Operation:
        return Operation(kind, self._admin, call_data(function, *arguments))


def _no_bytes(*, after: int) -> tuple[int, int]:
    """An argument that is empty bytes, the last of a call with `after` words before them: where, how many."""
    return after * 32, 0


def _copy(accounts: dict[ChecksumAddress, Account]) -> dict[ChecksumAddress, Account]:
    return {holder: replace(each, locks=dict(each.locks)) for holder, each in accounts.items()}


def _amount(random: Random, most: int, *, least: int = 0) -> int:
    """Often all, now and then the least that is possible, else anything in between."""
    chance = random.random()
    if chance < 0.2:
        return most
    return least if chance < 0.25 else random.randint(least, most)
