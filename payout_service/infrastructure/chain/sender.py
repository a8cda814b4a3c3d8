"""Signs transactions with the keys of this service and sends them to an EVM node or Hedera's JSON-RPC relay."""

import re
from collections.abc import Mapping, Sequence

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from libs.evm.rpc import JsonRpc, RpcRefusedError
from payout_service.application.ports.sender import BroadcastAnswer, BroadcastResult
from payout_service.domain.fees import Fees
from payout_service.domain.transaction import ContractCall, SignedTransaction
from payout_service.infrastructure.chain.signer import Signer

# What nodes say in their own words, in lower case; the first that fits counts. geth, reth, erigon, nethermind,
# besu, anvil and the Hedera relay. Anything else is NOT_TAKEN, which is always safe: the same bytes go out again
# and the outcome is looked for by nonce.
_WORDS: Sequence[tuple[BroadcastAnswer, re.Pattern[str]]] = tuple(
    (answer, re.compile("|".join(words)))
    for answer, words in (
        (
            BroadcastAnswer.ALREADY_KNOWN,
            (
                r"already ?known",
                r"already (been )?imported",
                r"already in (the )?mempool",
                r"transaction already exists",
                r"\bknown transaction",
            ),
        ),
        (
            # Another attempt with the nonce waits in the pool. Before "nonce used", as nethermind words it alike.
            BroadcastAnswer.FEE_TOO_LOW,
            (
                r"underpriced",
                r"could not replace existing",
                r"insufficient gas price to replace",
                r"replacement ?not ?allowed",
                r"ownnoncealreadyused",
                r"fee ?too ?low",
                r"gas ?price is too low",
                r"gas price below",
                r"below (the )?(configured )?minimum",
                r"(less|lower) than (the )?(current )?(block )?base ?fee",
                r"insufficient_tx_fee",
            ),
        ),
        (
            BroadcastAnswer.NONCE_USED,
            (r"nonce (is )?too low", r"noncetoolow", r"oldnonce", r"nonce .{0,20}already been used"),
        ),
        (
            BroadcastAnswer.NONCE_GAP,
            (
                r"nonce (is )?too high",
                r"noncetoohigh",
                r"nonce ?gap",
                r"gapped",
                r"nonce is too distant",
                r"future transaction tries to replace",
                r"invalid transaction with a lower nonce",
                # The network's word for both directions; of a relay that keeps no pool it means the gap.
                r"wrong_nonce",
            ),
        ),
        (
            BroadcastAnswer.NEVER_FITS,
            (
                r"exceeds (the )?block gas limit",
                r"exceeds max gas per sec",
                r"gas ?limit ?(is )?too ?high",
                r"gaslimitexceeded",
                r"intrinsic gas too (low|high)",
                r"intrinsic gas exceeds",
                r"insufficient of intrinsic gas",
                r"floor data gas",
                r"oversized data",
                r"max initcode size",
                r"maxtxsizeexceeded",
                r"transaction_oversize",
            ),
        ),
    )
)


class EvmSender:
    """Implements the port `Sender`. It signs for every signer whose key it was given."""

    def __init__(self, rpc: JsonRpc, signers: Sequence[Signer]) -> None:
        self._rpc = rpc
        self._signers: Mapping[EvmAddress, Signer] = {signer.address: signer for signer in signers}

    async def sign(
        self, signer: EvmAddress, call: ContractCall, *, chain_id: int, nonce: Nonce, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        """Raises ValueError for a signer whose key is not here."""
        if signer not in self._signers:
            raise ValueError(f"no key for {signer}")
        return await self._signers[signer].sign(
            call, chain_id=chain_id, nonce=nonce, gas_limit=gas_limit, fees=fees
        )

    async def broadcast(self, raw: bytes) -> BroadcastResult:
        try:
            await self._rpc.request("eth_sendRawTransaction", "0x" + raw.hex())
        except RpcRefusedError as error:
            return BroadcastResult(_meaning_of(error.message), error.message)
        return BroadcastResult(BroadcastAnswer.ACCEPTED)


def _meaning_of(message: str) -> BroadcastAnswer:
    """Returns what a node's refusal of signed bytes means."""
    said = message.lower()
    return next((answer for answer, words in _WORDS if words.search(said)), BroadcastAnswer.NOT_TAKEN)
