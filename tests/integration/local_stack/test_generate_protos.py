"""The generator of protocol code, on protos of this test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.setup.generate_protos import GenerationError, generate

THING = """\
syntax = "proto3";
package probe.thing.v1;
import "google/protobuf/timestamp.proto";
// A service.
service ThingService {
  // A call.
  rpc GetThing(GetThingRequest) returns (Thing);
}
// A request.
message GetThingRequest {
  // Its name.
  string name = 1;
}
// A thing.
message Thing {
  // Its name.
  string name = 1;
  // When it was made.
  google.protobuf.Timestamp create_time = 2;
}
"""
EXTRA = 'syntax = "proto3";\npackage probe.extra.v1;\nmessage Extra {}\n'


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    folder = tmp_path / "proto files"
    for name, text in (("thing", THING), ("extra", EXTRA)):
        (folder / "probe" / name / "v1").mkdir(parents=True)
        (folder / "probe" / name / "v1" / f"{name}.proto").write_text(text, encoding="ascii")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_generate_again_change_and_fail(tmp_path: Path, protos: Path) -> None:
    out = tmp_path / "generated"
    out.mkdir()
    (out / "__init__.py").write_text("# kept\n", encoding="ascii")
    assert generate(protos, out) == ["wire", "typed"]
    first = contents(out)
    assert {
        "__init__.py",
        "typed/__init__.py",
        "typed/probe/thing/v1/__init__.py",
        "wire/probe/thing/v1/thing_pb2.py",
        "wire/probe/thing/v1/thing_pb2.pyi",
        "wire/probe/thing/v1/thing_pb2_grpc.py",
    } <= set(first)

    # The same again changes nothing, and elsewhere gives the same.
    assert generate(protos, out) == []
    generate(protos, tmp_path / "elsewhere")
    assert contents(tmp_path / "elsewhere") | {"__init__.py": b"# kept\n"} == first

    # An error changes nothing and leaves no scratch folder.
    extra = protos / "probe" / "extra" / "v1" / "extra.proto"
    extra.write_text("nonsense", encoding="ascii")
    with pytest.raises(GenerationError, match=r"extra\.proto"):
        generate(protos, out)
    assert contents(out) == first

    # What has no definition any more disappears.
    extra.unlink()
    assert generate(protos, out) == ["wire", "typed"]
    assert not [name for name in contents(out) if "extra" in name]

    # Both can be imported, under the paths that set-up gives.
    script = (
        "from probe.thing.v1 import thing_pb2, thing_pb2_grpc\n"
        "from generated.typed.probe.thing.v1 import Thing, ThingServiceStub\n"
        "assert thing_pb2.Thing.FromString(bytes(Thing(name='x'))).name == 'x'\n"
    )
    paths = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(out / 'wire')!r}]\n"
    subprocess.run([sys.executable, "-c", paths + script], check=True, timeout=180)
