"""One chain with the studio's contracts for all tests of a release; each test's doings are undone after it.

Tests run against every release of the package (release.py), one release after the other; `--package 2.0.0` runs
one. A test that is about what only some have says so: `@pytest.mark.releases("8.0.0")`.

`make test` leaves this folder out: it needs a package that `make setup` does not install. Naming the folder or
a file of it (`make test-ats`) runs it.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from eth_typing import ChecksumAddress

from deploy.ats.package import fetch
from deploy.devnet.artifacts import compile_contracts
from tests.ats.asset import Asset
from tests.ats.chain import Chain, running_chain
from tests.ats.lifecycle import Lifecycle, deploy_lifecycle, deploy_payment_token
from tests.ats.market import HEDERA_BATCH_GAS, Market, Services, open_services
from tests.ats.release import RELEASES, Release
from tests.ats.report import BatchSize, table_of
from tests.ats.scene import AMOUNTS, PROJECT, SECONDS_TO_MATURITY, SECONDS_TO_START, TOKEN_TERMS
from tests.ats.studio import Studio, deploy_studio

_HERE = Path(__file__).parent
_BATCH_SIZES = pytest.StashKey[dict[str, list[BatchSize]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--package`: only this release."""
    parser.addoption("--package", choices=list(RELEASES), help="the one release of the package to run")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line("markers", "releases(*versions): the releases that a test is about; all without it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Once for each release, if a test needs one."""
    if "release" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("--package")
    releases = [release for version, release in RELEASES.items() if asked in (None, version)]
    metafunc.parametrize("release", releases, ids=str, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a test's marker leaves out."""
    unwanted = [item for item in items if not _is_about_its_release(item)]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]


def _is_about_its_release(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("releases")
    if marker is None or not isinstance(item, pytest.Function):
        return True
    release = item.callspec.params["release"]
    return isinstance(release, Release) and release.version in marker.args


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignores what lies here unless it was asked for by name."""
    asked = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return None if any(path.resolve().is_relative_to(_HERE) for path in asked) else True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the sizes of batches, if a test has measured them."""
    for version, sizes in config.stash.get(_BATCH_SIZES, {}).items():
        terminalreporter.section(f"batches on the studio's contracts, {version}")
        terminalreporter.write_line("\n".join(table_of(sizes, HEDERA_BATCH_GAS)))


@pytest.fixture(scope="session")
def release(request: pytest.FixtureRequest) -> Release:
    """The release that a test runs against."""
    chosen: Release = request.param
    return chosen


@pytest.fixture
def batch_sizes(request: pytest.FixtureRequest, release: Release) -> list[BatchSize]:
    """What is printed at the end; a test adds to it."""
    return request.config.stash.setdefault(_BATCH_SIZES, {}).setdefault(release.version, [])


@pytest.fixture(scope="session")
def studio(release: Release) -> Iterator[Studio]:
    """The studio on a chain of its own, whose blocks are a second apart."""
    package = fetch(release.version)
    compile_contracts()
    with running_chain() as chain:
        chain.rpc("anvil_setBlockTimestampInterval", 1)
        yield deploy_studio(chain, release, package)


@pytest.fixture(scope="session")
def deployed_equity(studio: Studio) -> Asset:
    """The equity, before any test."""
    equity = studio.deploy_equity(TOKEN_TERMS)
    equity.issue(AMOUNTS)
    return equity


@pytest.fixture(scope="session")
def deployed_bond(studio: Studio) -> Asset:
    """The bond, before any test."""
    starts = studio.chain.now + SECONDS_TO_START
    bond = studio.deploy_bond(TOKEN_TERMS, starts=starts, matures=starts + SECONDS_TO_MATURITY)
    bond.issue(AMOUNTS)
    return bond


@pytest.fixture(scope="session")
def deployed_kpi_bond(studio: Studio) -> Asset:
    """The bond whose coupons' rates come later, before any test."""
    bond = studio.deploy_kpi_linked_bond(
        TOKEN_TERMS, matures=studio.chain.now + SECONDS_TO_MATURITY, project=PROJECT
    )
    bond.issue(AMOUNTS)
    return bond


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    """The four services on a chain of their own, which is never rewound; the same for all releases."""
    compile_contracts()
    with running_chain() as chain:
        async with open_services(chain, tmp_path_factory.mktemp("market")) as opened:
            opened.ticker.pause()
            yield opened


@pytest.fixture(scope="session")
def open_market(release: Release, services: Services) -> Market:
    """The services and a studio on their chain."""
    return Market(services, deploy_studio(services.chain, release, fetch(release.version)))


@pytest_asyncio.fixture(loop_scope="session")
async def market(open_market: Market, services: Services) -> AsyncIterator[Market]:
    """The services with small batches; each test deploys its tokens. The chain ticks while it runs."""
    services.ticker.resume()
    await open_market.run_payout_service()
    yield open_market
    services.ticker.pause()


@pytest.fixture
def chain(
    request: pytest.FixtureRequest, studio: Studio, deployed_equity: Asset, deployed_bond: Asset
) -> Iterator[Chain]:
    """The chain; rewound after the test to what it was."""
    if studio.release.has_open_rates:
        request.getfixturevalue("deployed_kpi_bond")
    with studio.chain.rewound():
        yield studio.chain


@pytest.fixture
def equity(chain: Chain, deployed_equity: Asset) -> Asset:
    """An equity of AMOUNTS."""
    return deployed_equity


@pytest.fixture
def bond(chain: Chain, deployed_bond: Asset) -> Asset:
    """A bond of AMOUNTS whose coupons' rates are given when they are announced."""
    return deployed_bond


@pytest.fixture
def kpi_bond(chain: Chain, deployed_kpi_bond: Asset) -> Asset:
    """A bond of AMOUNTS whose coupons' rates stay open until their fixing dates."""
    return deployed_kpi_bond


@pytest.fixture
def operator(chain: Chain) -> ChecksumAddress:
    """Who runs payouts; no roles yet."""
    return chain.accounts[1]


@pytest.fixture
def stranger(chain: Chain) -> ChecksumAddress:
    """Who has no role anywhere."""
    return chain.accounts[2]


@pytest.fixture
def equity_payer(chain: Chain, equity: Asset, operator: ChecksumAddress) -> Lifecycle:
    """The equity's lifecycle contract, without money."""
    return deploy_lifecycle(chain, equity, deploy_payment_token(chain), operator)


@pytest.fixture
def bond_payer(chain: Chain, bond: Asset, operator: ChecksumAddress) -> Lifecycle:
    """The bond's lifecycle contract, without money and without the bond's redeemer role."""
    return deploy_lifecycle(chain, bond, deploy_payment_token(chain), operator)
