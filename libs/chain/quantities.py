"""Types of the numbers and texts that are easily taken for each other.

mypy refuses one where another belongs, and a plain `int` or `str` where any of them does. At run time each is a
plain `int` or `str`: nothing is checked or wrapped then, so that they cost next to nothing.

A value gets its type where it enters, from whoever knows what it is: the adapters that decode a node's answers,
and the readers of requests and events. What comes out of a database's row or of the ABI decoder has no type for
mypy; there the names say what it is. What calculates gives the result its type again.

Counts, ordinals, places in a list and gas stay plain: where one of them stands beside a typed number, mypy refuses
to swap the two, and two of them are taken by keyword (tests/unit/test_confusable_numbers.py). Messages and rows of
registers, which come by the hundred thousand, stay plain too: they are checked where they are read.
"""

from typing import NewType

BlockNumber = NewType("BlockNumber", int)
"""Number of a block; 0 is the genesis block."""

SnapshotId = NewType("SnapshotId", int)
"""Number that an asset gives one of its snapshots, from 1; 0 where there is none."""

Nonce = NewType("Nonce", int)
"""Place of a transaction among those of its sender, from 0. A count of transactions is the next nonce."""

Wei = NewType("Wei", int)
"""Smallest unit of the native currency; on Hedera's relay weibars."""

BaseUnits = NewType("BaseUnits", int)
"""Smallest unit of the payment token: what is paid, promised and owed."""

TokenUnits = NewType("TokenUnits", int)
"""Smallest unit of the security token: what holders have, and their supply."""

HolderAddress = NewType("HolderAddress", str)
"""EVM address of a holder, 0x and 40 lower-case digits: `EvmAddress.value`, as lists of holders have it."""
