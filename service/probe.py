"""``python -m service.probe``: exit 0 when the service on this machine is ready, for container health checks."""

from __future__ import annotations

import http.client
import sys

from service.settings import load_settings

_SECONDS = 4


def ready() -> bool:
    """Ask ``/readyz`` of the address in the settings."""
    settings = load_settings()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104  compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if ready() else 1)
