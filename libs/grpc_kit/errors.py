"""Converts our errors to gRPC statuses, and the statuses of other services to our errors.

No other module does this.
"""

import logging

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from libs.errors import ERROR_DOMAIN, AppError, Code, Reason
from libs.persistence.errors import is_database_unavailable

_log = logging.getLogger(__name__)


def as_app_error(error: BaseException, method: str) -> AppError:
    """Returns the error that a caller may see: ours as it is, others as UNAVAILABLE or INTERNAL without
    details.
    """
    if isinstance(error, AppError):
        return error
    if is_database_unavailable(error):
        _log.warning("%s: %s: %s", method, type(error).__name__, error)
        return AppError(Reason.DATABASE_UNAVAILABLE, "the database does not answer; try again")
    _log.error("%s failed", method, exc_info=error)
    return AppError(Reason.INTERNAL, "an unexpected error; the service's log has it")


def to_status(error: AppError) -> grpc.Status:
    """Returns a rich status with ErrorInfo, and BadRequest or PreconditionFailure where they fit (AIP-193)."""
    info = error_details_pb2.ErrorInfo(
        reason=error.reason.value, domain=ERROR_DOMAIN, metadata=dict(error.metadata or {})
    )
    packed = [_packed(info)]
    if error.code is Code.INVALID_ARGUMENT and error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.message, reason=error.reason.value
        )
        packed.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
    if error.code is Code.FAILED_PRECONDITION:
        failure = error_details_pb2.PreconditionFailure.Violation(
            type=error.reason.value, subject=error.field or "", description=error.message
        )
        packed.append(_packed(error_details_pb2.PreconditionFailure(violations=[failure])))
    message = f"{error.field}: {error.message}" if error.field else error.message
    status: grpc.Status = rpc_status.to_status(
        status_pb2.Status(code=error.code.value, message=message, details=packed)
    )
    return status


def from_rpc_error(error: grpc.aio.AioRpcError, peer: str) -> AppError:
    """Returns another service's refusal as our error with its reason; PEER_UNAVAILABLE if it did not decide."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == ERROR_DOMAIN and info.reason in Reason.__members__:
            field = _field_of(status)
            message = status.message.removeprefix(f"{field}: ") if field else status.message
            return AppError(Reason(info.reason), message, field=field, metadata=dict(info.metadata))
    return AppError(
        Reason.PEER_UNAVAILABLE,
        f"{peer} did not answer ({error.code().name}); try again",
        metadata={"peer": peer},
    )


def _field_of(status: status_pb2.Status) -> str | None:
    for detail in status.details:
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request) and request.field_violations:
            return str(request.field_violations[0].field)
        failure = error_details_pb2.PreconditionFailure()
        if detail.Unpack(failure) and failure.violations:
            return str(failure.violations[0].subject) or None
    return None


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
