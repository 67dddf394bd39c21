"""Viewers in a process of their own, which tests stop or kill: ``audience_program.py PORT SHOW NUMBER``.

Says ``here`` once the stage has answered all of them, reads whatever comes, and ends when the last one was cut.
"""

import selectors
import socket
import sys
from contextlib import suppress

port, show, number = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
request = (
    f"GET /watch?show={show} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
selector = selectors.DefaultSelector()
for _ in range(number):
    viewer = socket.socket()
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    viewer.connect(("127.0.0.1", port))
    viewer.sendall(request)
    assert viewer.recv(12) == b"HTTP/1.1 101"
    selector.register(viewer, selectors.EVENT_READ)
sys.stdout.write("here\n")
sys.stdout.flush()
while selector.get_map():
    for key, _ in selector.select():
        reader = key.fileobj
        assert isinstance(reader, socket.socket)
        received = b""
        with suppress(ConnectionError):
            received = reader.recv(65536)
        if not received:
            selector.unregister(reader)
            reader.close()
