"""Role ids of the asset: version 8 has other ids than those before it."""

from dataclasses import dataclass
from typing import Final

from hexbytes import HexBytes

DEFAULT_ADMIN: Final = HexBytes("0x" + "00" * 32)


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles that tests name, and those of an issuer's administration.

    Its administration has not what a payout needs (snapshot, maturity redeemer) nor what clearing does.
    """

    snapshot: HexBytes
    maturity_redeemer: HexBytes
    corporate_action: HexBytes
    clearing: HexBytes
    clearing_validator: HexBytes
    administration: tuple[HexBytes, ...]


VERSION_2: Final = Roles(
    snapshot=HexBytes("0x3fbb44760c0954eea3f6cb9f1f210568f5ae959dcbbef66e72f749dbaa7cc2da"),
    maturity_redeemer=HexBytes("0xa0d696902e9ed231892dc96649f0c62b808a1cb9dd1269e78e0adc1cc4b8358c"),
    corporate_action=HexBytes("0x8a139eeb747b9809192ae3de1b88acfd2568c15241a5c4f85db0443a536d77d6"),
    clearing=HexBytes("0x2292383e7bb988fb281e5195ab88da11e62fec74cf43e8685cff613d6b906450"),
    clearing_validator=HexBytes("0x7b688898673e16c47810f5da9ce1262a3d7d022dfe27c8ff9305371cd435c619"),
    administration=(
        DEFAULT_ADMIN,
        # Adjustments, agent, control list, controller, corporate actions, freezes, issuer, locks, pause.
        HexBytes("0x6d0d63b623e69df3a6ea8aebd01f360a0250a880cbc44f7f10c49726a80a78a9"),
        HexBytes("0xc4aed0454da9bde6defa5baf93bb49d4690626fc243d138104e12d1def783ea6"),
        HexBytes("0xca537e1c88c9f52dc5692c96c482841c3bea25aafc5f3bfe96f645b5f800cac3"),
        HexBytes("0xa72964c08512ad29f46841ce735cff038789243c2b506a89163cc99f76d06c0f"),
        HexBytes("0x8a139eeb747b9809192ae3de1b88acfd2568c15241a5c4f85db0443a536d77d6"),
        HexBytes("0xd0e5294c1fc630933e135c5b668c5d577576754d33964d700bbbcdbfd7e1361b"),
        HexBytes("0x4be32e8849414d19186807008dabd451c1d87dae5f8e22f32f5ce94d486da842"),
        HexBytes("0xd8aa8c6f92fe8ac3f3c0f88216e25f7c08b3a6c374b4452a04d200c29786ce88"),
        HexBytes("0x6f65556918c1422809d0d567462eafeb371be30159d74b38ac958dc58864faeb"),
    ),
)

VERSION_8: Final = Roles(
    snapshot=HexBytes("0xf7d999723d2160432933a2aeffaae83e262a5a46fe94f34614a7676d1d1f67c6"),
    maturity_redeemer=HexBytes("0x433f48f8aca23480f6ab07666cbc9131d32a0b4672033453f65e18f4dd390523"),
    corporate_action=HexBytes("0xa1acfc499025c99f55059195e6276f639d34a18aad7b8121b9192b7f438c55cd"),
    clearing=HexBytes("0xd0fe259e861ec493f60fb83851f1a173155b0f2acc3da153de2a23fb0ad26db6"),
    clearing_validator=HexBytes("0xa24ef577c383d98a9326f932c69c76129dd89a71abcb626993d9f047f4e74abb"),
    administration=(
        DEFAULT_ADMIN,
        # Adjustment of balances, agent, control list, controller, corporate actions, forced cancellation, freezes.
        HexBytes("0xb246506a8ded65dd6360e8ce033fd9462936d1be64fb9f85c5f60d28cd3ca6da"),
        HexBytes("0x9830aa071a741c08855dd42130bdb0ff50f7bdf5a4b72f12181eefded0c6542b"),
        HexBytes("0x6ed9a91e996c6475ecdc28ecbdbe9bd1122fc62b30cdbe6da8271884b51ec74d"),
        HexBytes("0xb4d2b850c3ed8a234d390d5c157bbb1824883213c335ffe2a0f0761bb168713e"),
        HexBytes("0xa1acfc499025c99f55059195e6276f639d34a18aad7b8121b9192b7f438c55cd"),
        HexBytes("0x34c18461eba17dd4b2a410f90e80f2a3d6e466af7753bf1b9519c24697c199f5"),
        HexBytes("0x71ae38482e1ab1c28e767d64766d686215b490c8c1bd7dfe6b101525187c2155"),
        # Interest rates, issuer, KPIs, locks, maturity, nominal value, pause.
        HexBytes("0xfa80c71f8de1628faf2c0e9bd02c2f4a3da1f16823b75e61e84b90164a07b4a4"),
        HexBytes("0x5eeaf5602c75bf26e73b5206d0bd6ee82f621166255e5fd73cc06bc7bd84a95f"),
        HexBytes("0x7895574f0552ac1a42245f5d7ea23bea04d0cfbc73df53282d588fdaa00f7fb3"),
        HexBytes("0xd327cd9a2be405896f3d4584b3b437d798833cc4aa0aafb34c870659c0d47184"),
        HexBytes("0xc20b7fd7efe1a2c9f69003a21c2c55c79ef84e16252b62599246ff01f6207314"),
        HexBytes("0xebf9ab6852aef7bc1e4068a64bd360845c54d5d95d4fed9fd47c52bbe7c15b8b"),
        HexBytes("0x3cb8b459fdb6e7dc3d2a2aa529e530f885d45e03584adb438423209c86a2731f"),
        HexBytes("0x29baa8e752c40494481d6b4caa718d054ad999653716d39b1aa896387c68ae78"),
    ),
)
