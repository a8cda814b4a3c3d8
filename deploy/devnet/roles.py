"""The ids of the roles of the lifecycle contract and of the security tokens (docs/facts-contracts.md#roles)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hexbytes import HexBytes

from deploy.devnet.terms import AssetVersion

DEFAULT_ADMIN_ROLE: Final = HexBytes("0x" + "00" * 32)
PAUSER_ROLE: Final = HexBytes("0x8943226357c41253cf6ffc651e04f2a3a7cf1255138972ce150e207c0393cbce")
PAYOUT_ROLE: Final = HexBytes("0x88ad01da1e5558735d5b478c04a0f1667377fb68a98cb0278159d0b790f08c10")
CASHOUT_ROLE: Final = HexBytes("0xe0d6eef1076057afbcdc5a0534cf7ab9071fa4fdd3750e202da3d49c8913a144")
TRANSFERER_ROLE: Final = HexBytes("0x4a16419d45be80f6de7609caac23eb8c7bfe6336a71da3cefd43ea62183ad211")
PAYMENT_TOKEN_MANAGER_ROLE: Final = HexBytes("0x15e92345f55818ea6e01143954b5841c1ba74302c2b157a2b4d0f21f9ad40286")
OPERATOR_ROLES: Final = (
    DEFAULT_ADMIN_ROLE,
    PAUSER_ROLE,
    PAYOUT_ROLE,
    CASHOUT_ROLE,
    TRANSFERER_ROLE,
    PAYMENT_TOKEN_MANAGER_ROLE,
)


@dataclass(frozen=True, slots=True)
class AssetRoles:
    """The names that one version of the asset uses for the roles that payouts need."""

    snapshot: HexBytes
    corporate_action: HexBytes
    maturity_redeemer: HexBytes


ASSET_ROLES: Final[Mapping[AssetVersion, AssetRoles]] = MappingProxyType(
    {
        AssetVersion.VERSION_7: AssetRoles(
            snapshot=HexBytes("0x3fbb44760c0954eea3f6cb9f1f210568f5ae959dcbbef66e72f749dbaa7cc2da"),
            corporate_action=HexBytes("0x8a139eeb747b9809192ae3de1b88acfd2568c15241a5c4f85db0443a536d77d6"),
            maturity_redeemer=HexBytes("0xa0d696902e9ed231892dc96649f0c62b808a1cb9dd1269e78e0adc1cc4b8358c"),
        ),
        AssetVersion.VERSION_8: AssetRoles(
            snapshot=HexBytes("0xf7d999723d2160432933a2aeffaae83e262a5a46fe94f34614a7676d1d1f67c6"),
            corporate_action=HexBytes("0xa1acfc499025c99f55059195e6276f639d34a18aad7b8121b9192b7f438c55cd"),
            maturity_redeemer=HexBytes("0x433f48f8aca23480f6ab07666cbc9131d32a0b4672033453f65e18f4dd390523"),
        ),
    }
)
