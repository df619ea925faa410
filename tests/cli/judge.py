#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges JSON for the tests of the command line, in one process for all tests of a script.

judge.py DIRECTORY   waits on the pipe DIRECTORY/question until something writes to it, then
                     evaluates the Python expression in the file DIRECTORY/expression, and writes
                     a line to the pipe DIRECTORY/verdict: "true", or what is wrong. An empty
                     question ends it.

In the expression "it" is the JSON of the file stdout, "stderr" the text of the file of that name,
and "word" the text of the file word.
"""

import json
import pathlib
import sys


def judge(directory):
    """Returns what is wrong with the files, or None."""
    text = {name: (directory / name).read_text(encoding='utf-8', errors='surrogateescape')
            for name in ('stdout', 'stderr', 'expression', 'word')}
    names = {'it': json.loads(text['stdout']), 'stderr': text['stderr'], 'word': text['word']}
    # Comprehensions see these names only as globals.
    return None if eval(text['expression'], names) else 'it is false'


def main(directory):
    while (directory / 'question').read_text():
        try:
            verdict = judge(directory) or 'true'
        except Exception as error:
            verdict = repr(error).replace('\n', ' ')
        (directory / 'verdict').write_text(verdict + '\n', encoding='utf-8', errors='replace')


main(pathlib.Path(sys.argv[1]))
