"""Issues the bond of the scenarios coupon and redemption: its nominal value is 100.00 a token."""

from __future__ import annotations

from collections.abc import Mapping

from eth_typing import ChecksumAddress

from deploy.demo.scene import DECIMALS, Listing, Scene
from deploy.devnet.terms import BondTerms, SecurityType

NOMINAL_VALUE, NOMINAL_VALUE_DECIMALS = 100_00, 2
DAY_SECONDS = 86_400
YEAR_SECONDS = 365 * DAY_SECONDS


async def issue_bond(scene: Scene, *, starts: int, matures: int) -> Listing:
    """Issues a bond with holders and imports it. `starts` and `matures` are in seconds since 1970."""
    settings = scene.settings
    scene.tell(
        "Issuing",
        f"a bond (version {settings.version}) of 100.00 a token to {settings.holder_count:,} holders "
        f"(seed {settings.seed})",
    )
    payment_token = await scene.devnet.deploy_payment_token()
    terms = BondTerms(
        nominal_value=NOMINAL_VALUE,
        nominal_value_decimals=NOMINAL_VALUE_DECIMALS,
        starting_date=starts,
        maturity_date=matures,
        security_type=SecurityType.BOND_VARIABLE_RATE,
    )
    token = await scene.devnet.deploy_bond_token(
        "Demo Bond", "DBND", "US0378331005", DECIMALS, terms, settings.version
    )
    holders = scene.holders()
    await scene.devnet.issue(token, holders)
    listing = await scene.import_token(token, payment_token, holders)
    await scene.devnet.grant_maturity_redeemer_role(token, listing.contract)
    return listing


def principal(balances: Mapping[ChecksumAddress, int]) -> dict[ChecksumAddress, int]:
    """The nominal value of each balance in base units of the payment token: 100 of them a base unit, no dust.

    Both tokens have the same decimals.
    """
    return {holder: balance * NOMINAL_VALUE // 10**NOMINAL_VALUE_DECIMALS for holder, balance in balances.items()}
