"""A stand-in for a service: a grpc.aio server with health, started by the stack as the real ones are.

    python stand_in.py <PREFIX> <grpc service>

With ``<PREFIX>STAND_IN=die`` it ends at once, with ``never_serving`` it never becomes healthy, with
``stubborn`` it ignores SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


async def main(prefix: str, service: str) -> int:
    behaviour = os.environ.get(f"{prefix}STAND_IN", "")
    if behaviour == "die":
        sys.stderr.write("stand-in: cannot go on\n")
        return 3
    server = grpc.aio.server()
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if behaviour != "never_serving":
        for name in ("", service):
            await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(os.environ[f"{prefix}LISTEN_ADDRESS"])
    stopping = asyncio.Event()
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await server.start()
    sys.stderr.write(f"stand-in: serving {service}\n")
    await stopping.wait()
    await server.stop(grace=1)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2])))
