"""Which version a service's schema is brought to, read without Alembic."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from libs.persistence.migrate import newest_versions
from tests.support.changed import REPOSITORY


@pytest.mark.parametrize(
    "service", ["asset_service", "distribution_service", "payout_service", "chain_sync_service"]
)
def test_it_is_what_alembic_says(service: str) -> None:
    folder = REPOSITORY / service / "infrastructure" / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder))
    heads = ScriptDirectory.from_config(config).get_heads()
    assert newest_versions(folder) == set(heads)
    assert len(heads) == 1


def test_no_versions_no_newest(tmp_path: Path) -> None:
    assert newest_versions(tmp_path) == set()
