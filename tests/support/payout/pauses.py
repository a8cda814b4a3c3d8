"""Decides, from a seed, when a step lets other tasks go first at the database and the chain in memory."""

import random

# A turn is so many pauses at most, each number as likely; drawn from as many bits as `randrange` takes.
_PAUSES_PER_TURN = 4
_BITS_PER_TURN = _PAUSES_PER_TURN.bit_length()
_CHANCE_AT_STATEMENT = 0.2


class Pauses:
    """Pauses drawn from a seed. Without a seed nobody waits, and tasks run as they come."""

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed) if seed is not None else None

    def at_turn(self) -> int:
        """Returns how often others go first before an answer, or around a transaction."""
        if self._random is None:
            return 0
        pauses = self._random.getrandbits(_BITS_PER_TURN)
        while pauses >= _PAUSES_PER_TURN:
            pauses = self._random.getrandbits(_BITS_PER_TURN)
        return pauses

    def at_statement(self) -> bool:
        """Returns whether others go first at a statement of a transaction: now and then."""
        return self._random is not None and self._random.random() < _CHANCE_AT_STATEMENT
