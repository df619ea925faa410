#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""relay.py SOCKET TARGET DELAY: adds a delay to a socket.

Listens on SOCKET, and relays each connection to the socket TARGET with a delay of DELAY seconds
each way. It runs until it is killed.
"""
import socket
import sys
import threading
import time


def pass_on(source, sink, delay):
    """Passes on data, each piece @delay seconds after it arrived."""
    pieces, ready = [], threading.Condition()

    def deliver():
        while True:
            with ready:
                while not pieces:
                    ready.wait()
                due, piece = pieces.pop(0)
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not piece:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(piece)
            except OSError:
                return

    threading.Thread(target=deliver, daemon=True).start()
    while True:
        try:
            piece = source.recv(65536)
        except OSError:
            piece = b""
        with ready:
            pieces.append((time.monotonic() + delay, piece))
            ready.notify()
        if not piece:
            return


def main():
    path, target, delay = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(target)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=pass_on, args=(source, sink, float(delay)), daemon=True).start()


if __name__ == "__main__":
    main()
