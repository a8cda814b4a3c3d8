"""A contract whose logs have Transfer's topic, but not always its layout."""

from libs.evm.interfaces import TRANSFER

_TOPIC = TRANSFER.topic.hex()
# Without calldata: LOG1 with the topic alone. With (receiver, amount): an issue as ERC-20 logs it.
_ODD = f"7f{_TOPIC}60006000a100"
_ISSUE = f"5b60203560005260003560007f{_TOPIC}60206000a300"
_RUNTIME = f"3660{4 + len(_ODD) // 2:02x}57{_ODD}{_ISSUE}"
_SIZE = f"{len(_RUNTIME) // 2:02x}"
CREATION_CODE = f"0x60{_SIZE}600c60003960{_SIZE}6000f3{_RUNTIME}"


def issue_call(receiver: str, amount: int) -> str:
    """Calldata of an issue."""
    return f"0x{receiver[2:].lower():0>64}{amount:064x}"
