# SPDX-License-Identifier: LGPL-2.1-or-later
"""silent-libvirt.py SOCKET: a libvirt that never answers.

It accepts connections on SOCKET for two minutes.
"""

import socket
import sys

server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print('ready', flush=True)
kept = []
server.settimeout(120)
try:
    while True:
        kept.append(server.accept()[0])
except TimeoutError:
    pass
