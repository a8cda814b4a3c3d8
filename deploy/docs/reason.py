"""`call … 2>&1 | python -m deploy.docs.reason`: reads the reason of an error that `buf curl` prints undecoded."""

from __future__ import annotations

import base64
import binascii
import json
import sys

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo

_ERROR_INFO = "google.rpc.ErrorInfo"


def main() -> int:
    """Prints reason and metadata of the error on standard input. Returns the process's exit status."""
    text = sys.stdin.read()
    try:
        info = error_info(text)
    except ValueError:
        print(f"no error with a reason:\n{text.rstrip()}", file=sys.stderr)
        return 1
    print(info.reason, *(f"{name}={value}" for name, value in sorted(info.metadata.items())))
    return 0


def error_info(text: str) -> ErrorInfo:
    """Returns the ErrorInfo in an error as `buf curl` prints it. Raises ValueError when there is none."""
    error = json.loads(text)
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else []:
        if detail["type"] == _ERROR_INFO:
            encoded = str(detail["value"])
            try:
                return ErrorInfo.FromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
            except (binascii.Error, DecodeError) as problem:
                raise ValueError(f"{_ERROR_INFO} is not readable") from problem
    raise ValueError(f"no {_ERROR_INFO}")


if __name__ == "__main__":
    sys.exit(main())
