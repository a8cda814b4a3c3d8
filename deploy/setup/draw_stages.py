"""`python -m deploy.setup.draw_stages`: draws docs/stages.svg: which stage of a payout imports which.

Rows are the layers of the import-linter contract in pyproject.toml; an arrow means that at least one module of the
upper stage imports one of the lower, and the more do, the thicker it is. The test of the docs compares the file
with what is drawn now.
"""

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "stages.svg"
_PACKAGE = "payout_service.application"
_CONTRACT = "Stages of a payout"
_WIDTH, _ROW, _BOX_WIDTH, _BOX_HEIGHT = 900, 118, 250, 64
# What nearly everybody imports: drawn pale, so that the others can be followed.
_COMMON = {"engine", "engine_settings", "ports"}
_PALE, _STRONG = "c8ccd4", "3b5b8c"


def main() -> None:
    """Writes the picture and prints what is on it."""
    arrows = read_arrows()
    PICTURE.write_text(draw(read_layers(), arrows), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {len(_stages(read_layers()))} stages, {len(arrows)} arrows")


def read_layers() -> list[list[str]]:
    """Returns the stages, row by row, as the contract in pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (each for each in settings["tool"]["importlinter"]["contracts"] if each["name"] == _CONTRACT)
    return [[stage.strip() for stage in row.split("|")] for row in contract["layers"]]


def read_arrows() -> Counter[tuple[str, str]]:
    """Returns pairs of stages of which the first imports the second, with the number of imports."""
    graph = grimp.build_graph("payout_service")
    arrows: Counter[tuple[str, str]] = Counter()
    for importer in graph.find_descendants(_PACKAGE):
        for imported in graph.find_modules_directly_imported_by(importer):
            if imported.startswith(f"{_PACKAGE}."):
                pair = (_stage_of(importer), _stage_of(imported))
                if pair[0] != pair[1]:
                    arrows[pair] += 1
    return arrows


def draw(layers: Sequence[Sequence[str]], arrows: Counter[tuple[str, str]]) -> str:
    """Returns the picture as SVG."""
    places = {
        stage: _place(layers, row, column)
        for row, names in enumerate(layers)
        for column, stage in enumerate(names)
    }
    height = len(layers) * _ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">',
        f"<title>{len(places)} stages of a payout, {len(arrows)} arrows: who imports whom</title>",
        f"<defs>{_tip(_STRONG)}{_tip(_PALE)}</defs>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        *(_arrow(places, *pair, count) for pair, count in sorted(arrows.items())),
        *(_box(stage, *place) for stage, place in places.items()),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _stage_of(module: str) -> str:
    return module.removeprefix(f"{_PACKAGE}.").split(".")[0]


def _stages(layers: Sequence[Sequence[str]]) -> list[str]:
    return [stage for row in layers for stage in row]


def _place(layers: Sequence[Sequence[str]], row: int, column: int) -> tuple[float, float]:
    """Returns the middle of a box. Single boxes step aside by turns, so that arrows past them can be seen."""
    count = len(layers[row])
    if count > 1:
        return _WIDTH * (2 * column + 1) / (2 * count), (row + 0.5) * _ROW
    return _WIDTH * (0.5, 0.42, 0.58)[row % 3], (row + 0.5) * _ROW


def _tip(colour: str) -> str:
    return (
        f'<marker id="tip-{colour}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="#{colour}"/></marker>'
    )


def _arrow(places: dict[str, tuple[float, float]], importer: str, imported: str, count: int) -> str:
    (x1, y1), (x2, y2) = places[importer], places[imported]
    y1, y2 = y1 + _BOX_HEIGHT / 2, y2 - _BOX_HEIGHT / 2
    if y2 < y1:
        raise ValueError(f"{importer} imports {imported}, which is not below it")
    x1, x2 = x1 + (x2 - x1) * 0.15, x2 - (x2 - x1) * 0.15
    colour = _PALE if imported in _COMMON else _STRONG
    width = 1 + min(count, 12) / 4
    return (
        f'<path d="M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}" stroke="#{colour}" stroke-width="{width:.1f}" '
        f'marker-end="url(#tip-{colour})"><title>{importer} imports {imported}: {count}</title></path>'
    )


def _box(stage: str, x: float, y: float) -> str:
    modules = _modules_of(stage)
    left, top = x - _BOX_WIDTH / 2, y - _BOX_HEIGHT / 2
    count = f"{len(modules)} modules" if len(modules) > 1 else "1 module"
    return (
        f'<g><rect x="{left:.0f}" y="{top:.0f}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6" fill="#f4f6fa" '
        f'stroke="#{_STRONG}"/>'
        f'<text x="{x:.0f}" y="{y - 4:.0f}" text-anchor="middle" font-size="19">{stage}</text>'
        f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle" font-size="13" fill="#555">{count}</text>'
        f"<title>{', '.join(modules)}</title></g>"
    )


def _modules_of(stage: str) -> list[str]:
    folder = ROOT / _PACKAGE.replace(".", "/") / stage
    return sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__") or [stage]


if __name__ == "__main__":
    main()
