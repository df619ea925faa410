#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the source of the manual page, once for all tests.

manual.py FILE DIRECTORY   writes DIRECTORY/options-SECTION for each section. It lists the options
                           of the section in the form of --help, such as -c or
                           --slot=GUEST-ADDRESS, or only by name if the section refers to another
                           one. Writes the commands of EXAMPLES to DIRECTORY/examples.
"""

import pathlib
import re
import sys

import docutils.core
from docutils import nodes

OPTION = re.compile(r'--[a-z-]+(?:=[^ ,]+)?')
REFERENCE = 'mean what they mean for attach'


def list_options(section):
    """Options in lists, some of which docutils takes for lists of terms, and in paragraphs."""
    for option in section.findall(nodes.option):
        yield option.astext().split(' ')[0]
    for term in section.findall(nodes.term):
        yield from OPTION.findall(term.astext())
    for paragraph in section.findall(nodes.paragraph):
        if REFERENCE in paragraph.astext():
            for name in paragraph.findall(nodes.strong):
                yield from OPTION.findall(name.astext())


def list_examples(section):
    for block in section.findall(nodes.literal_block):
        yield block.astext()


def write_lines(file, lines):
    file.write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')


def main(file, directory):
    document = docutils.core.publish_doctree(file.read_text(encoding='utf-8'))
    for section in document.findall(nodes.section):
        title = section.next_node(nodes.title).astext()
        write_lines(directory / f'options-{title}', sorted(set(list_options(section))))
        if title == 'EXAMPLES':
            write_lines(directory / 'examples', list_examples(section))


main(*map(pathlib.Path, sys.argv[1:]))
