"""Reads the protos with their comments, using protoc."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

REPOSITORY = Path(__file__).resolve().parents[2]
PROTOS = REPOSITORY / "protos"

# Field numbers inside the descriptor messages: SourceCodeInfo's paths are made of them.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE, _SERVICE_METHOD = 2, 2


class ProtocError(Exception):
    """protoc failed; it has printed why."""


@dataclass(frozen=True, slots=True)
class EnumValue:
    """One value of an enum."""

    name: str
    comment: str


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enum; `full_name` is without a leading dot."""

    full_name: str
    comment: str
    values: Sequence[EnumValue]


@dataclass(frozen=True, slots=True)
class MessageField:
    """A field; `type_name` is a scalar's name or a full name, `oneof` empty unless it belongs to one."""

    name: str
    type_name: str
    is_repeated: bool
    oneof: str
    comment: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message with the enums that are declared in it."""

    full_name: str
    comment: str
    fields: Sequence[MessageField]
    enums: Sequence[Enumeration]


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC; types are full names."""

    name: str
    comment: str
    request: str
    response: str
    is_streaming: bool


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC service."""

    full_name: str
    comment: str
    methods: Sequence[Method]


@dataclass(frozen=True, slots=True)
class ProtoFile:
    """One .proto file of ours; `path` is relative to protos/."""

    path: str
    package: str
    services: Sequence[Service]
    messages: Sequence[Message]
    enums: Sequence[Enumeration] = field(default=())

    @property
    def context(self) -> str:
        """The context in the package's name: `asset` of `masspayout.asset.v1`."""
        return self.package.split(".")[1]


def load(protos: Path = PROTOS) -> list[ProtoFile]:
    """Returns our protos in the order of their paths. Raises ProtocError."""
    sources = sorted(path.relative_to(protos).as_posix() for path in (protos / "masspayout").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "descriptors"
        arguments = [
            "protoc",
            f"--proto_path={protos}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            "--include_source_info",
            f"--descriptor_set_out={output}",
            *sources,
        ]
        # In this process: another would need most of a second to start. It prints what is wrong itself.
        status = protoc.main(arguments)
        if status != 0:
            raise ProtocError(f"protoc: status {status}")
        descriptors = FileDescriptorSet.FromString(output.read_bytes())
    return [_file(each) for each in sorted(descriptors.file, key=lambda each: each.name)]


_Comments = Mapping[tuple[int, ...], str]


def _file(file: FileDescriptorProto) -> ProtoFile:
    comments: _Comments = {
        tuple(each.path): _plain(each.leading_comments) for each in file.source_code_info.location
    }
    package = file.package
    return ProtoFile(
        path=file.name,
        package=package,
        services=[
            Service(
                full_name=f"{package}.{service.name}",
                comment=comments.get((_FILE_SERVICE, index), ""),
                methods=[
                    Method(
                        name=method.name,
                        comment=comments.get((_FILE_SERVICE, index, _SERVICE_METHOD, number), ""),
                        request=method.input_type.removeprefix("."),
                        response=method.output_type.removeprefix("."),
                        is_streaming=method.server_streaming,
                    )
                    for number, method in enumerate(service.method)
                ],
            )
            for index, service in enumerate(file.service)
        ],
        messages=[
            found
            for index, message in enumerate(file.message_type)
            for found in _messages(message, package, (_FILE_MESSAGE, index), comments)
        ],
        enums=[
            _enumeration(enum, package, (_FILE_ENUM, index), comments) for index, enum in enumerate(file.enum_type)
        ],
    )


def _messages(
    message: DescriptorProto, scope: str, path: tuple[int, ...], comments: _Comments
) -> Iterator[Message]:
    full_name = f"{scope}.{message.name}"
    yield Message(
        full_name=full_name,
        comment=comments.get(path, ""),
        fields=[
            MessageField(
                name=each.name,
                type_name=_type_name(each),
                is_repeated=each.label == FieldDescriptorProto.LABEL_REPEATED,
                oneof=_oneof(each, message),
                comment=comments.get((*path, _MESSAGE_FIELD, index), ""),
            )
            for index, each in enumerate(message.field)
        ],
        enums=[
            _enumeration(enum, full_name, (*path, _MESSAGE_ENUM, index), comments)
            for index, enum in enumerate(message.enum_type)
        ],
    )
    for index, nested in enumerate(message.nested_type):
        yield from _messages(nested, full_name, (*path, _MESSAGE_NESTED, index), comments)


def _enumeration(enum: EnumDescriptorProto, scope: str, path: tuple[int, ...], comments: _Comments) -> Enumeration:
    return Enumeration(
        full_name=f"{scope}.{enum.name}",
        comment=comments.get(path, ""),
        values=[
            EnumValue(value.name, comments.get((*path, _ENUM_VALUE, index), ""))
            for index, value in enumerate(enum.value)
        ],
    )


def _type_name(each: FieldDescriptorProto) -> str:
    if each.type_name:
        return each.type_name.removeprefix(".")
    return FieldDescriptorProto.Type.Name(each.type).removeprefix("TYPE_").lower()


def _oneof(each: FieldDescriptorProto, message: DescriptorProto) -> str:
    # `optional` is a oneof of its own in the descriptor, and none for people.
    if not each.HasField("oneof_index") or each.proto3_optional:
        return ""
    return message.oneof_decl[each.oneof_index].name


def _plain(comment: str) -> str:
    """Returns a comment with its lines joined and an empty line between its paragraphs."""
    paragraphs = "\n".join(line.strip() for line in comment.splitlines()).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
