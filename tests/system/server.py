"""A server for guests to talk to. What they say is compared by digests."""

import hashlib
import os
import socket
import threading


class Server:
    """A TCP server on this machine: sends a file of random bytes to whoever connects, and takes
    what comes from him until he ends."""

    BYTES = 1 << 20

    def __init__(self, address="127.0.0.1", size=BYTES):
        self.content = os.urandom(size)
        self.digest = hashlib.sha256(self.content).hexdigest()
        self.received = []  # digests of what came
        self.socket = socket.create_server((address, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            peer, _ = self.socket.accept()
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer):
        with peer:
            threading.Thread(target=peer.sendall, args=(self.content,), daemon=True).start()
            got = hashlib.sha256()
            while chunk := peer.recv(1 << 16):
                got.update(chunk)
            self.received.append(got.hexdigest())
