"""The lines that hold a version's idea: what `read` names is found, and is the idea's own."""

import pytest

from ladder.chain.difference import compare
from ladder.chain.passages import declared, definitions, excerpt
from ladder.core.errors import LadderError
from ladder.core.files import working_tree
from ladder.core.versions import Version, discover, predecessor, read

from .conftest import Tree

FEWEST, MOST = 30, 100  # fewer do not hold an idea, and more are not read at a sitting
VERSIONS = discover()

PYTHON = '''\
"""conv2d is here."""
import conv2d

# How many
# at a time.
STRIP: int = 64
TABLE = {
    "conv2d": 1,
}

class One:
    """Has a method."""

    @property
    # of a pixel
    def size(self):
        return STRIP

def size(conv2d):
    def inner():
        return conv2d
    STRIP = 1
    return inner
'''
C = """\
/* conv2d is here. */
#include "conv2d.h"
static const float EPSILON = 1e-5f; /* a small number */

enum { STRIP = 64, WIDTH = 8 * LANES };

/* One layer;
 * of a plan. */
typedef struct {
    int kind;
} plan_step;

struct crew {
    int workers;
};

void add(float *x);

static const char *names[] = {"conv2d", "relu", NULL};

#define SIZE 3

/* Sums.  The comment
 * is a part of it. */
static float sum(const float *x,
                 int count)
{
    int WIDTH = 0;
    for (int i = 0; i < count; i++) {
        add(x);
    }
    return total(x);
}

#ifdef OTHER
int *total(void)
{
    return 0;
}
#else
int *total(void)
{
    return 1;
}
#endif
"""


def found(path: str, text: str, name: str) -> list[str]:
    """The texts of all definitions."""
    return ["\n".join(text.splitlines()[one.start : one.stop]) for one in definitions(path, text, name)]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("STRIP", "# How many", "STRIP: int = 64"),
        ("TABLE", "TABLE = {", "}"),
        ("One", "class One:", "        return STRIP"),
        ("One.size", "    @property", "        return STRIP"),
        ("size", "def size(conv2d):", "    return inner"),
    ],
)
def test_a_function_a_class_a_method_and_a_variable_of_python_are_found(name: str, first: str, last: str):
    [text] = found("a.py", PYTHON, name)
    assert (text.splitlines()[0], text.splitlines()[-1]) == (first, last)


@pytest.mark.parametrize("name", ["conv2d", "inner", "count", "One.STRIP", "size.inner", "One.size.x", "", "One."])
def test_what_python_only_mentions_is_not_found(name: str):
    assert found("a.py", PYTHON, name) == []


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("sum", "/* Sums.  The comment", "}"),
        ("plan_step", "/* One layer;", "} plan_step;"),
        ("crew", "struct crew {", "};"),
        ("STRIP", "enum { STRIP = 64, WIDTH = 8 * LANES };", "enum { STRIP = 64, WIDTH = 8 * LANES };"),
        ("WIDTH", "enum { STRIP = 64, WIDTH = 8 * LANES };", "enum { STRIP = 64, WIDTH = 8 * LANES };"),
        ("names", 'static const char *names[] = {"conv2d", "relu", NULL};', "as the first"),
        ("EPSILON", "static const float EPSILON = 1e-5f; /* a small number */", "as the first"),
    ],
)
def test_a_function_a_type_and_a_variable_of_c_are_found(name: str, first: str, last: str):
    [text] = found("a.c", C, name)
    assert text.splitlines()[0] == first and text.splitlines()[-1] == (first if last == "as the first" else last)
    assert found("a.h", C, name) == [text]


@pytest.mark.parametrize("name", ["conv2d", "add", "count", "kind", "workers", "LANES", "relu", "i", "su", ".*"])
def test_what_c_only_declares_or_mentions_is_not_found(name: str):
    assert found("a.c", C, name) == []


def test_each_of_two_definitions_is_found():
    assert len(found("a.c", C, "total")) == 2 and len(found("a.py", "a = 1\na = 2\n", "a")) == 2


def test_nothing_is_found_in_a_file_that_is_not_python():
    assert found("a.py", "def a(:\n", "a") == [] and found("meson.build", "project = 1\n", "project") == []


def version(tree: Tree, *entries: str) -> Version:
    """A version that declares these lines."""
    return read(tree.version("01_one", {"src/a.py": PYTHON, "src/a.c": C}, read=list(entries)))


def test_a_file_alone_is_all_of_it(tree: Tree):
    one = version(tree, "src/a.py", "src/a.c: sum")
    passages = list(declared(one, working_tree(one.folder)))
    assert [passage.title for passage in passages] == ["src/a.py", "src/a.c: sum"]
    assert passages[0].lines == range(len(PYTHON.splitlines())) and len(passages[1].lines) == 11


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("src/b.py", "`read` names src/b.py, which is not there"),
        ("src/b.py: sum", "`read` names src/b.py, which is not there"),
        ("src/a.py: sum", "`read` names 'src/a.py: sum', but the file does not define sum"),
        ("src/a.c: total", "`read` names 'src/a.c: total', but the file defines total 2 times"),
    ],
)
def test_what_is_not_there_is_named(entry: str, sentence: str, tree: Tree):
    one = version(tree, "src/a.py", entry)
    with pytest.raises(LadderError, match=r"^01_one: ") as error:
        list(declared(one, working_tree(one.folder)))
    assert sentence in str(error.value)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_every_version_names_the_lines_that_hold_its_idea(version: Version):
    """So `nox -s diff` can show them first: `read` in the version's pyproject.toml lists their functions."""
    tree = working_tree(version.folder)
    passages = list(declared(version, tree))
    count = sum(len(passage.lines) for passage in passages)
    assert FEWEST <= count <= MOST, f"`read` in {version.name}/pyproject.toml names {count} lines"
    before = predecessor(VERSIONS, version)
    changes = {change.new: change for change in compare(working_tree(before.folder) if before else {}, tree)}
    for passage in passages:
        assert passage.path in changes, f"{passage.title} is {before and before.name}'s"
        change = changes[passage.path]
        changed = any(row.changed for row in excerpt(change, change.rows(), passage))
        assert changed, f"{passage.title} is {before and before.name}'s"
    seen = [(passage.path, line) for passage in passages for line in passage.lines]
    assert len(seen) == len(set(seen)), "two entries of `read` name the same lines"
