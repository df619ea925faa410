#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the manual page's source.

manual.py FILE options SECTION   prints the options that a section describes,
                                 as --help has them: -c, --slot=GUEST-ADDRESS;
                                 names alone of those that another one describes
manual.py FILE examples          prints the commands of EXAMPLES
"""

import re
import sys

import docutils.core
from docutils import nodes

OPTION = re.compile(r'--[a-z-]+(?:=[^ ,]+)?')
REFERENCE = 'mean what they mean for attach'


def find_section(document, title):
    for section in document.findall(nodes.section):
        if section.next_node(nodes.title).astext() == title:
            return section
    sys.exit(f'there is no section {title}')


def list_options(section):
    """Lists of options, those that docutils takes for lists of terms, and names in paragraphs."""
    for option in section.findall(nodes.option):
        yield option.astext().split(' ')[0]
    for term in section.findall(nodes.term):
        yield from OPTION.findall(term.astext())
    for paragraph in section.findall(nodes.paragraph):
        if REFERENCE in paragraph.astext():
            for name in paragraph.findall(nodes.strong):
                yield from OPTION.findall(name.astext())


def main(file, what, *title):
    with open(file, encoding='utf-8') as source:
        document = docutils.core.publish_doctree(source.read())
    if what == 'options':
        print(*sorted(set(list_options(find_section(document, *title)))), sep='\n')
    else:
        for block in find_section(document, 'EXAMPLES').findall(nodes.literal_block):
            print(block.astext())


main(*sys.argv[1:])
