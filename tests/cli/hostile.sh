#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests hostile and broken input: names, domains and documents.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# One name a line. The names have all kinds of characters that are special to a shell,
# an option parser, printf or XML.
cat >"$scratch/names" <<'NAMES'
two words
it's
say "hi"
both ' and "
'
gäst-日本語
--dry-run
--
-
-c
$(reboot) `reboot`
a;b|c&d>e<f
*
~
#x
\
%s%n%d
<b>&amp;
01:00
NAMES

# The program must not print names in ASCII.
LC_ALL=C.UTF-8
export LC_ALL

# rename_domain OLD NEW: makes a host whose domain OLD is called NEW, and sets $uri.
rename_domain() {
  OLD="<name>$1</name>" NEW=$2 awk '
    BEGIN {
      old = ENVIRON["OLD"]
      new = ENVIRON["NEW"]
      gsub(/&/, "\\&amp;", new)
      gsub(/</, "\\&lt;", new)
      gsub(/>/, "\\&gt;", new)
      gsub(/\n/, "\\&#10;", new)
    }
    at = index($0, old) {
      found++
      $0 = substr($0, 1, at - 1) "<name>" new "</name>" substr($0, at + length(old))
    }
    { print }
    END { exit found != 1 }' "$tests/data/cli/host.xml" >"$scratch/renamed.xml"
  uri=test://$scratch/renamed.xml
}

# for_each_name FUNCTION: calls it with each name.
for_each_name() {
  while IFS= read -r name; do
    echo "name: $name"
    "$1" "$name"
  done <"$scratch/names"
}

attach_to_name() {
  rename_domain q35 "$1"
  run attach --dry-run -- "$1" 01:00
  assert_golden whole.xml
}

names() {
  for_each_name attach_to_name
}

name_before_options_ends() {
  rename_domain q35 --current
  run attach --dry-run --live -- --current 01:00
  assert_golden whole.xml
  run attach -- --current 01:00 --dry-run
  assert_error_has 2 "'--dry-run' does not name a device"
}

# words_after PREFIX: makes a shell parse the rest of the command after PREFIX in
# stderr, and writes the words one a line. It does so in an empty directory, so that no
# pattern matches a file.
words_after() {
  sed -n "s/.*$1 //p" "$scratch/stderr" >"$scratch/command"
  [ -s "$scratch/command" ] || fail "stderr has no command '$1'"
  mkdir -p "$scratch/empty"
  (cd "$scratch/empty" && eval "printf '%s\\n' $(cat "$scratch/command")") >"$scratch/words"
}

# assert_words NAME: the words are NAME alone, with -- before it if it begins with -.
assert_words() {
  case $1 in
    -*) printf '%s\n' -- "$1" >"$scratch/expected" ;;
    *) printf '%s\n' "$1" >"$scratch/expected" ;;
  esac
  diff "$scratch/expected" "$scratch/words" || fail "the message quotes '$1' wrongly"
}

recover_name() {
  rename_domain interrupted "$1"
  run attach --dry-run -- "$1" 06:00
  assert_status 3
  words_after 'virt-mfplug recover'
  assert_words "$1"
}

recover_names() {
  for_each_name recover_name
}

# The recover command in the message finds the domain. The test driver supports no more
# than that.
recover_as_told() {
  rename_domain interrupted "--it's \"me\""
  run attach --dry-run -- "--it's \"me\"" 06:00
  assert_status 3
  words_after 'virt-mfplug recover'
  set --
  while IFS= read -r word; do
    set -- "$@" "$word"
  done <"$scratch/words"
  run recover --dry-run "$@"
  assert_error_has 3 "virDomainQemuMonitorCommand"
}

add_port_name() {
  rename_domain q35-bare "$1"
  run attach --dry-run -- "$1" 01:00
  assert_status 3
  words_after 'model=pcie-root-port'
  assert_words "$1"
}

add_port_names() {
  for_each_name add_port_name
}

absent_name() {
  run attach --format json --dry-run -- "$1" 01:00
  assert_status 3
  assert_json "word in it['error']" "$1"
}

absent_names() {
  for_each_name absent_name
}

# Not every driver of libvirt accepts such a name.
name_with_newline() {
  rename_domain interrupted 'a
b'
  run attach --dry-run 'a
b' 06:00
  grep -q "cannot connect.*name" "$scratch/stderr" \
    || assert_error 3 "another virt-mfplug is working on host function 0000:06:00.0, or was interrupted; if none is running: virt-mfplug recover 'a
b'"
}

name_of_bytes() {
  run attach --dry-run "$(printf 'g\377st')" 01:00
  assert_error_has 3 'no domain'
}

empty_name() {
  run attach --dry-run '' 01:00
  assert_error_has 3 "domain"
}

long_name() {
  name=$(head -c 100000 /dev/zero | tr '\0' x)
  run attach --dry-run "$name" 01:00
  assert_error_has 3 "no domain"
  [ "$(wc -c <"$scratch/stderr")" -gt 100000 ] || fail "the name is not all there"
}

# large_host: makes a host whose domain q35 has four megabytes of metadata and disks.
large_host() {
  python3 -c '
import sys
source, target = sys.argv[1:]
size = 4 << 20
text = open(source, encoding="utf-8").read()
start = text.index("<name>q35</name>")
note = "<n:note of=\"somebody\">something that somebody keeps here</n:note>\n"
metadata = "<metadata><n:notes xmlns:n=\"urn:notes\">%s</n:notes></metadata>" % (
    note * (size // 2 // len(note)))
disk = ("<disk type=\"file\"><source file=\"/images/%06d.img\"/>"
        "<target dev=\"sd%s\" bus=\"usb\"/></disk>\n")
disks = "".join(disk % (i, "".join(chr(97 + int(c)) for c in "%06d" % i)) for i in range(2000))
middle = text.index("<memory", start)
end = text.index("</devices>", start)
open(target, "w", encoding="utf-8").write(
    text[:middle] + metadata + text[middle:end] + disks + text[end:])
' "$tests/data/cli/host.xml" "$scratch/large.xml"
  uri=test://$scratch/large.xml
}

# 4 MiB is the longest text that libvirt's protocol carries.
large_domain() {
  large_host
  run attach --dry-run q35 01:00
  assert_golden whole.xml
}

# refuse_document MESSAGE: --file refuses document.xml, and MESSAGE follows its name.
refuse_document() {
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_error_has 3 "$scratch/document.xml$1"
  assert_stderr_lacks root:
}

document() {
  cat >"$scratch/document.xml"
}

hostdev="<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>"

empty_document() {
  : | document
  refuse_document ':1: not well-formed XML'
  printf '\n \n' | document
  refuse_document ':'
}

truncated_document() {
  run attach --dry-run q35 01:00
  assert_done
  cp "$scratch/stdout" "$scratch/whole"
  for bytes in 1 9 10 400; do
    head -c "$bytes" "$scratch/whole" | document
    refuse_document ':'
    assert_stderr_has 'not well-formed XML'
  done
}

entity_expansion() {
  {
    echo '<!DOCTYPE devices [<!ENTITY a0 "ha ha ha ha ha ha ha ha ha ha ">'
    for i in 1 2 3 4 5 6 7 8 9; do
      e="&a$((i - 1));"
      echo "<!ENTITY a$i \"$e$e$e$e$e$e$e$e$e$e\">"
    done
    echo "]><devices>&a9;$hostdev</devices>"
  } | document
  refuse_document ':'
  sed "s|<devices>&a9;|<devices x='\&a9;'>|" "$scratch/document.xml" >"$scratch/attribute.xml"
  grep -q "x='&a9;'" "$scratch/attribute.xml"
  mv "$scratch/attribute.xml" "$scratch/document.xml"
  refuse_document ':'
}

external_entities() {
  for external in 'SYSTEM "file:///etc/passwd"' 'SYSTEM "/etc/passwd"' \
    'PUBLIC "x" "http://localhost:1/x"'; do
    echo "<!DOCTYPE devices [<!ENTITY e $external>]><devices>&e;$hostdev</devices>" | document
    refuse_document ':1: a document type declaration is not accepted'
    echo "<!DOCTYPE devices $external><devices>$hostdev</devices>" | document
    refuse_document ':1: a document type declaration is not accepted'
    echo "<!DOCTYPE devices [<!ENTITY % e $external>%e;]><devices>$hostdev</devices>" | document
    refuse_document ':1: a document type declaration is not accepted'
  done
}

# To the program, an inclusion is only an unknown element.
inclusion() {
  echo "<devices xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd' parse='text'/>$hostdev</devices>" | document
  refuse_document ':1: <include> is not a <hostdev'
}

huge_numbers() {
  for number in 4294967296 0xffffffffffffffffffff -1 '' ' 1'; do
    echo "$hostdev" | sed "s/bus='1'/bus='$number'/" | document
    refuse_document ':1: <source> holds no PCI address of the host'
    echo "$hostdev" | sed "s|</source>|</source><boot order='$number'/>|" | document
    refuse_document ':1: <boot order=...> is not a number of at least 1'
  done
}

zero_bytes() {
  printf '<devices>%s\0</devices>' "$hostdev" | document
  refuse_document ':1: not well-formed XML: it holds a zero byte'
  printf '%s\0' "$hostdev" | document
  refuse_document ':1: not well-formed XML: it holds a zero byte'
  head -c 100000 /dev/zero | document
  refuse_document ':1: not well-formed XML: it holds a zero byte'
}

wrong_encodings() {
  printf '<devices>%s<!-- \377\376 --></devices>' "$hostdev" | document
  refuse_document ':1: not well-formed XML'
  printf "<?xml version='1.0' encoding='UTF-16'?><devices>%s\344</devices>" "$hostdev" | document
  refuse_document ':'
  printf "<?xml version='1.0' encoding='nonsense'?><devices>%s</devices>" "$hostdev" | document
  refuse_document ':'
  printf '<devices>%s</devices>' "$hostdev" | iconv -t UTF-16 | document
  refuse_document ':1: not well-formed XML: it holds a zero byte'
}

deep_document() {
  {
    printf '<devices>'
    head -c 30000 /dev/zero | sed 's/\x00/<x>/g'
  } | document
  refuse_document ':1: not well-formed XML'
}

noise() {
  python3 -c '
import random, sys
random.seed(1)
sys.stdout.buffer.write(bytes(random.randrange(1, 256) for i in range(30000)))' >"$scratch/noise"
  for part in 1 2 3; do
    tail -c +$((part * 10000 - 9999)) "$scratch/noise" | head -c 10000 | document
    refuse_document ':'
  done
}

directory() {
  rm -f "$scratch/document.xml"
  mkdir "$scratch/document.xml"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_error 3 "cannot read '$scratch/document.xml': Is a directory"
  input=$scratch
  run attach --dry-run q35 --file -
  assert_error_has 3 "Is a directory"
}

other_than_files() {
  run attach --dry-run q35 --file /dev/null
  assert_error_has 3 '/dev/null:1: not well-formed XML'
  run attach --dry-run q35 --file /dev/zero
  assert_error 3 '/dev/zero:1: the document has more than 1048576 bytes'
  run attach --dry-run q35 --file ''
  assert_error_has 3 "cannot read '': No such file or directory"
}

odd_words() {
  for word in ':' ',' "$(printf '01:00\n.0')" "$(printf '\377')" '99999999999999999999:01:00' '-1:00'; do
    run attach --dry-run -- q35 "$word"
    assert_status 2
    assert_stdout_empty
    assert_stderr_has 'does not name a device or functions of one'
  done
}

check "a domain with any name is found" names
check "a word after -- is not an option" name_before_options_ends
check "a message quotes the domain of its recover command for the shell" recover_names
check "the recover command in a message can be run" recover_as_told
check "a message quotes the domain of its virt-xml command for the shell" add_port_names
check "JSON has the name of an absent domain unchanged" absent_names
check "a message quotes a name with a newline, if libvirt accepts it" name_with_newline
check "a name that is not UTF-8 is not found" name_of_bytes
check "an empty name is refused" empty_name
check "a name of 100 kilobytes is printed whole" long_name
check "a domain with megabytes of XML is read" large_domain
check "an empty document is refused" empty_document
check "a document that ends early is refused" truncated_document
check "entities that expand without end are refused" entity_expansion
check "no external entity is read" external_entities
check "an inclusion is refused" inclusion
check "numbers out of range and words that are not numbers are refused" huge_numbers
check "zero bytes are refused" zero_bytes
check "wrong encodings are refused" wrong_encodings
check "deep nesting is refused" deep_document
check "random bytes are refused" noise
check "a directory is refused as a document" directory
check "device files and an empty name are refused as documents" other_than_files
check "odd words are not devices" odd_words
finish
