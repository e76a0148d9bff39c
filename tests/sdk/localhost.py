"""Makes the server under test reachable where the Python SDK looks for it, without touching the SDK.

It connects to {org}.localhost and {org}.messaging.localhost. Browsers and systemd take every name below `localhost`
for this machine; the resolver that Python asks need not. And it takes the ports of Watson IoT Platform for granted,
which a test must not occupy. Both are put right here, where a name is resolved; the host name that certificates are
checked against stays what it was.
"""

import socket

_getaddrinfo = socket.getaddrinfo


def redirect(ports):
    def getaddrinfo(host, port, *args, **kwargs):
        if isinstance(host, str) and host.endswith(".localhost"):
            host, port = "127.0.0.1", ports.get(str(port), port)
        return _getaddrinfo(host, port, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
