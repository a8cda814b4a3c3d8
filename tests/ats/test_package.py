"""The package that the contracts come from: the pinned bytes or nothing."""

import shutil
from pathlib import Path

import pytest

from deploy.ats import package
from deploy.ats.package import PackageError, configuration_facets, fetch, load_artifact
from tests.ats.chain import linked

VERSION = "8.0.0"


@pytest.fixture(scope="module")
def root() -> Path:
    return fetch(VERSION)


def test_other_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(version: str, folder: Path) -> Path:
        archive = folder / "other.tgz"
        archive.write_bytes(b"something else")
        return archive

    monkeypatch.setattr(package, "_download", download)
    with pytest.raises(PackageError, match="not the pinned one"):
        fetch(VERSION, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_fetched_again(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(version: str, folder: Path) -> Path:
        raise AssertionError(f"{version} fetched into {folder}")

    monkeypatch.setattr(package, "_download", download)
    (tmp_path / VERSION).mkdir()
    assert fetch(VERSION, tmp_path) == tmp_path / VERSION


def test_a_version_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"1\.0\.0 is not pinned"):
        fetch("1.0.0", tmp_path)


@pytest.mark.parametrize(
    ("version", "own", "other"),
    [("2.0.0", "EquityUSAFacet", "BondUSAFacet"), ("8.0.0", "DividendFacet", "CouponFacet")],
)
def test_facets_are_named_once_and_have_artifacts(version: str, own: str, other: str) -> None:
    root = fetch(version)
    facets = configuration_facets(root, "equity")
    assert len(set(facets)) == len(facets)
    assert own in facets
    assert other not in facets
    assert [name for name in facets if load_artifact(root, name).bytecode in ("", "0x")] == []


def test_a_script_without_a_list_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "build" / "scripts" / "domain" / "equity"
    folder.mkdir(parents=True)
    (folder / "createConfiguration.js").write_text('"use strict";\n', encoding="utf-8")
    with pytest.raises(PackageError, match="lists no facets"):
        configuration_facets(tmp_path, "equity")


def test_an_unknown_or_ambiguous_contract_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="0 artifacts"):
        load_artifact(root, "NoSuchFacet")
    (source,) = (root / "artifacts").rglob("DividendFacet.sol/DividendFacet.json")
    for place in ("one", "two"):
        target = tmp_path / "artifacts" / place / "DividendFacet.sol"
        target.mkdir(parents=True)
        shutil.copy(source, target)
    with pytest.raises(PackageError, match="2 artifacts"):
        load_artifact(tmp_path, "DividendFacet")


def test_libraries_take_their_places(root: Path) -> None:
    artifact = load_artifact(root, "DividendFacet")
    (library,) = artifact.links
    with pytest.raises(KeyError):
        linked(artifact, {})
    code = linked(artifact, {library: "0x" + "Ab" * 20})  # type: ignore[dict-item]
    assert len(code) == len(artifact.bytecode)
    assert code.count("ab" * 20) == len(artifact.links[library])
    assert "__$" not in code
