# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirt that takes connections on the socket named and then says nothing, for two minutes."""

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
