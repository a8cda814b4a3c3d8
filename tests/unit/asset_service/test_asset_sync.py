"""What an asset takes over from its token, and whether it is followed."""

from dataclasses import replace

import pytest

from asset_service.domain.asset import AssetEvent, SecurityToken, SecurityType, SyncState, TokenDiffersError
from tests.unit.asset_service.samples import LATER, NOW, address, new_asset, security_token


def test_a_new_asset_is_followed_and_was_read_just_now() -> None:
    asset = new_asset()
    assert (asset.sync_state, asset.sync_time) == (SyncState.ENABLED, NOW)


@pytest.mark.parametrize(
    "described",
    [
        replace(security_token(), display_name="Acme Bearer Shares"),
        replace(security_token(), symbol="ACM"),
        replace(security_token(), isin="CH0000000002"),
        replace(security_token(), decimals=9, total_supply_base_units=1_000_000),
        replace(security_token(), total_supply_base_units=0),
        replace(security_token(), is_paused=True),
        replace(security_token(), hedera_id="0.0.7"),
    ],
)
def test_what_differs_is_taken_over_and_announced(described: SecurityToken) -> None:
    asset = new_asset()
    synced = asset.sync(described, LATER)
    assert synced.token == described
    assert (synced.version, synced.events) == (asset.version + 1, (AssetEvent.CHANGED,))
    assert (synced.sync_time, synced.update_time) == (LATER, LATER)


def test_when_nothing_differs_only_the_time_is_noted() -> None:
    asset = new_asset()
    synced = asset.sync(security_token(), LATER)
    assert synced == replace(asset, sync_time=LATER, events=())


def test_kind_and_a_known_hedera_id_stay() -> None:
    asset = new_asset().sync(replace(security_token(), hedera_id="0.0.7"), NOW)
    synced = asset.sync(replace(security_token(), security_type=SecurityType.BOND), LATER)
    assert (synced.token.security_type, synced.token.hedera_id) == (SecurityType.EQUITY, "0.0.7")
    assert synced.version == asset.version


@pytest.mark.parametrize(
    "described", [security_token(address(9)), replace(security_token(), chain_id=1)], ids=["token", "chain"]
)
def test_another_token_is_never_taken_over(described: SecurityToken) -> None:
    with pytest.raises(TokenDiffersError):
        new_asset().sync(described, LATER)


def test_following_is_switched_off_and_on() -> None:
    asset = new_asset()
    off = asset.change_sync(SyncState.DISABLED, LATER)
    assert (off.sync_state, off.version, off.update_time) == (SyncState.DISABLED, 2, LATER)
    assert off.events == (AssetEvent.SYNC_CHANGED, AssetEvent.CHANGED)
    assert off.change_sync(SyncState.DISABLED, LATER) is off
    assert off.change_sync(SyncState.ENABLED, LATER).sync_state is SyncState.ENABLED
    assert asset.change_sync(SyncState.ENABLED, LATER) is asset
