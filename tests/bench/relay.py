#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirtd of one's own, and a relay that makes the way to it longer.

As a program: relay.py SOCKET TARGET DELAY, until it is ended.
"""
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time


@contextlib.contextmanager
def daemon(directory):
    """Runs a libvirtd below @directory, without touching another; gives its socket."""
    config = directory / "libvirtd.conf"
    config.write_text(f'unix_sock_dir = "{directory}/run"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n')
    (directory / "run").mkdir()
    path = directory / "run" / "libvirt-sock"
    process = subprocess.Popen(["libvirtd", "--config", config, "--pid-file", directory / "pid"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "LIBVIRT_LOG_OUTPUTS": "4:stderr"})
    try:
        for _ in range(100):
            if path.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        if not path.exists():
            raise RuntimeError("libvirtd does not start")
        yield path
    finally:
        process.terminate()
        process.wait()


def pass_on(source, sink, delay):
    """Passes on what comes, each piece @delay seconds after it came."""
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


@contextlib.contextmanager
def relay(path, target, delay):
    """A socket at @path that leads to the one at @target, @delay seconds each way."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def accept():
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(target))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=pass_on, args=(source, sink, delay), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield path
    finally:
        listener.close()


def main():
    path, target, delay = sys.argv[1:]
    with relay(path, target, float(delay)):
        threading.Event().wait()


if __name__ == "__main__":
    main()
