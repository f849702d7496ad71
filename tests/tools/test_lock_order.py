"""All locks of the tree are in the list of lock order, the list has no others, and the table of
docs/architecture.md has the same in the same order."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWN_DIRECTORIES = ("kernel", "drivers", "net", "guests")
NAMED = re.compile(r'\b(?:SPINLOCK|MUTEX|spin_lock_init|mutex_init)\(\s*(?:[^";]*?,\s*)?'
                   r'"([^"]+)"\s*\)')
LIBC = re.compile(r"^LIBC_LOCK\((\w+)\);", re.MULTILINE)
DECLARED = re.compile(r"\b(?:SPINLOCK|MUTEX|spin_lock_init|mutex_init)\(")


def listed():
    text = (ROOT / "kernel/lib/lock_order.c").read_text(encoding="utf-8")
    return re.findall(r'^\t"([^"]+)",$', text, re.MULTILINE)


def sources():
    for directory in OWN_DIRECTORIES:
        for path in sorted((ROOT / directory).rglob("*.[ch]")):
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def named(text):
    return {*NAMED.findall(text), *("libc " + name for name in LIBC.findall(text))}


def test_names_are_found():
    """The pattern sees each way to name a lock, over lines too."""
    assert named('a = SPINLOCK("one"); MUTEX(lock, "two")\nspin_lock_init(&a->lock, "three");\n'
                 'mutex_init(&(*q)[i].lock,\n\t"four");\nLIBC_LOCK(five);\n') == {
                     "one", "two", "three", "four", "libc five"}


def test_the_list_is_the_trees():
    found = set()
    for _, text in sources():
        found |= named(text)
    names = listed()
    assert len(names) == len(set(names))
    assert found - set(names) == set(), "locks that kernel/lib/lock_order.c lacks"
    assert set(names) - found == set(), "no lock has these names of kernel/lib/lock_order.c"


def test_no_name_escapes():
    """Names are literals, where the pattern finds them; but for the macros' own definitions."""
    definitions = {"kernel/lib/lock.h", "kernel/lib/lock_order.h", "kernel/lib/checks.h",
                   "kernel/lib/checks.c", "kernel/sched/sync.h", "kernel/sched/sync.c",
                   "kernel/libc/locks.c"}
    for path, text in sources():
        if str(path) not in definitions:
            assert len(NAMED.findall(text)) == len(DECLARED.findall(text)), path


def test_the_documents_table_is_the_list():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text[text.index("| lock | guards |"):]
    table = table[:table.index("\n\n")]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == listed()
