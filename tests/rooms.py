#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the includes of src/. Each folder is a room, and may include only certain rooms."""

import pathlib
import re
import sys
import tempfile

# Which rooms a room may include.
ROOMS = {
    "base": {"base"},
    "model": {"model", "base"},
    "plan": {"plan", "model", "base"},
    "libvirt": {"libvirt", "model", "base"},
    "run": {"run", "plan", "libvirt", "model", "base"},
    "output": {"output", "plan", "model", "base"},
    "commands": {"commands", "run", "plan", "libvirt", "output", "model", "base"},
}
ROOMS["main.c"] = ROOMS["commands"]

# Which rooms may include the headers of a library.
LIBRARIES = {
    "libvirt/": {"libvirt"},
    "libxml/": {"base", "model"},
    "json-glib/": {"base", "model", "output"},
    "popt.h": {"commands", "main.c"},
}

# Headers that only their own room may include.
PRIVATE = {"libvirt/connection-private.h", "libvirt/reports.h", "libvirt/worker.h"}

INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>)')


def judge_own(room, header, src):
    """Why a file of @room must not include "@header", or None."""
    if header == "config.h":
        return None
    other = header.split("/")[0]
    if "/" not in header or other not in ROOMS or not (src / header).is_file():
        return f"there is no src/{header}"
    if other not in ROOMS[room]:
        return f"{room} must not include {other}"
    if header in PRIVATE and other != room:
        return f"{header} is private to {other}"
    return None


def judge_library(room, header):
    """Why a file of @room must not include <@header>, or None."""
    for prefix, rooms in LIBRARIES.items():
        if header.startswith(prefix) and room not in rooms:
            return f"only {' and '.join(sorted(rooms))} may include <{header}>"
    return None


def check_file(src, path):
    name = path.relative_to(src)
    room = name.parts[0]
    if room not in ROOMS or len(name.parts) != (1 if room == "main.c" else 2):
        yield f"src/{name}:1: the file is in none of the rooms {', '.join(ROOMS)}"
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        own, library = match.groups()
        reason = judge_own(room, own, src) if own is not None else judge_library(room, library)
        if reason:
            yield f"src/{name}:{number}: {reason}"


def check(src):
    """The number of files of the tree @src, and a message for each wrong include."""
    paths = sorted(path for path in src.rglob("*") if path.suffix in (".c", ".h"))
    return len(paths), [message for path in paths for message in check_file(src, path)]


# A file, what it includes, and the expected message; None: the include is right.
EXAMPLES = [
    ("base/text.c", '"model/card.h"', "src/base/text.c:2: base must not include model"),
    ("model/card.c", '"plan/plan.h"', "src/model/card.c:2: model must not include plan"),
    ("plan/plan.c", '"libvirt/qemu.h"', "src/plan/plan.c:2: plan must not include libvirt"),
    ("libvirt/qemu.c", '"plan/plan.h"', "src/libvirt/qemu.c:2: libvirt must not include plan"),
    ("run/run.c", '"output/report.h"', "src/run/run.c:2: run must not include output"),
    ("output/report.c", '"run/run.h"', "src/output/report.c:2: output must not include run"),
    ("run/run.c", '"libvirt/worker.h"', "src/run/run.c:2: libvirt/worker.h is private to libvirt"),
    ("main.c", '"libvirt/worker.h"', "src/main.c:2: libvirt/worker.h is private to libvirt"),
    ("run/run.c", '"run.h"', "src/run/run.c:2: there is no src/run.h"),
    ("run/run.c", '"run/none.h"', "src/run/run.c:2: there is no src/run/none.h"),
    ("run/run.c", "<libvirt/libvirt.h>",
     "src/run/run.c:2: only libvirt may include <libvirt/libvirt.h>"),
    ("plan/plan.c", "<json-glib/json-glib.h>",
     "src/plan/plan.c:2: only base and model and output may include <json-glib/json-glib.h>"),
    ("output/report.c", "<libxml/tree.h>",
     "src/output/report.c:2: only base and model may include <libxml/tree.h>"),
    ("model/card.c", "<popt.h>",
     "src/model/card.c:2: only commands and main.c may include <popt.h>"),
    ("attach.c", '"config.h"', "src/attach.c:1: the file is in none of the rooms"),
    ("run/deep/run.c", '"config.h"', "src/run/deep/run.c:1: the file is in none of the rooms"),
    ("run/run.c", '"libvirt/qemu.h"', None),
    ("libvirt/qemu.c", '"libvirt/worker.h"', None),
    ("commands/attach.c", '"output/report.h"', None),
    ("main.c", '"commands/attach.h"', None),
]
HEADERS = ["model/card.h", "plan/plan.h", "libvirt/qemu.h", "libvirt/worker.h", "output/report.h",
           "run/run.h", "commands/attach.h"]


def check_example(name, include):
    with tempfile.TemporaryDirectory() as folder:
        src = pathlib.Path(folder)
        for header in HEADERS:
            (src / header).parent.mkdir(exist_ok=True)
            (src / header).touch()
        (src / name).parent.mkdir(parents=True, exist_ok=True)
        (src / name).write_text(f"/* {name} */\n  # include {include}\n", encoding="utf-8")
        return check(src)[1]


def report(number, claim, messages):
    print(f"{'not ok' if messages else 'ok'} {number} - {claim}")
    for message in messages:
        print(f"# {message}")


def main():
    failures = 0
    for number, (name, include, wanted) in enumerate(EXAMPLES, 1):
        found = check_example(name, include)
        right = len(found) == (wanted is not None) and all(m.startswith(wanted) for m in found)
        verdict = "accepted" if wanted is None else "refused"
        report(number, f"{include} in {name} is {verdict}",
               [] if right else [f"the messages are {found}, not {wanted}"])
        failures += not right
    count, messages = check(pathlib.Path(__file__).resolve().parent.parent / "src")
    if count == 0:
        messages = ["src/ has no files"]
    report(len(EXAMPLES) + 1, "each file of src/ includes only what its room may", messages)
    print(f"1..{len(EXAMPLES) + 1}")
    sys.exit(1 if failures or messages else 0)


main()
