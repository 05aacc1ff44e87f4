"""`arm`: builds each version for 64-bit ARM Linux and tests it on emulated processors."""

import re
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from arm import machine, macos, spills, wheels
from arm.machine import Machine
from ladder.core import environment, installing, processor, terminal
from ladder.core.errors import LadderError
from ladder.core.selection import select
from ladder.core.versions import Version, discover, obstacle
from ladder.shipping import supply

ARM = frozenset({"aarch64", "neon"})
# Each operator against float64. How much memory a process takes says nothing here: qemu's own is in it.
TESTS = ("tests/contract/test_ops.py", "-k", "not leak")
# Where max pooling is fused, its tests need a plan for each channel, which takes minutes to emulate.
QUICK = (*TESTS[:-1], "not leak and not max_pool_is_exact")
LAYERS = Path(__file__).parent / "inside" / "layers.py"
SUMMARY = re.compile(r"(\d+ .*) in [\d.]+s.*")  # pytest's last line

# NumPy's matrix product sums in an order of its own on each processor.
OTHER_ORDER = ("02_numpy_dot",)


@dataclass
class Row:
    """What was found of a version: a word for each column, and the failures."""

    version: str
    words: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, column: str, word: str, failure: str = "") -> None:
        """Note what a column says, and the output of what failed."""
        self.words[column] = word
        if failure:
            self.failures.append(f"{self.version}, {column}:\n{failure.rstrip()}")

    def all_words(self, kind: str) -> str:
        """The word of the columns of this kind, `bits` or `bits, max`; where processors differ, a line for each."""
        found = {column: word for column, word in self.words.items() if column.partition(", ")[0] == kind}
        if len(set(found.values())) < 2:
            return "".join(set(found.values()))
        return "\n".join(f"{column.partition(', ')[2]}: {word}" for column, word in found.items())


def arm(root: Path, names: Sequence[str], cpus: Sequence[str], short: bool) -> int:
    """Print a table, and all failures above it; the exit code is 1 if there are any."""
    machine.need_tools()
    machine.need_processors(cpus)
    versions = runnable(root, names)
    if short and not names:
        versions = [next(version for version in versions if version.requires_any), versions[-1]]
    with installing.held(root / "build" / "arm.lock", "testing on ARM", terminal.note):
        rows = tried(root, versions, cpus[-1:] if short else cpus, short)
    show(rows)
    return 1 if any(row.failures for row in rows) else 0


def tried(root: Path, versions: Sequence[Version], cpus: Sequence[str], short: bool) -> list[Row]:
    """The rows of these versions; what fails is printed at once."""
    emulated, rows = Machine(root / "build" / "arm" / "machine"), []
    with terminal.progress("64-bit ARM", 1 + 3 * len(versions)) as begin:
        begin("the machine")
        machine.prepare(emulated, requirements(root))
        for version in versions:
            row = check(version, emulated, cpus, QUICK if short else TESTS, begin)
            if version.has_c() and not short:
                row.add("macOS", *macos.links(version, emulated.home.with_name("macos")))
            rows.append(row)
            for failure in row.failures:
                terminal.note(failure)
    return rows


def runnable(root: Path, names: Sequence[str]) -> list[Version]:
    """The versions that can run on ARM and here, with a note for each that can't."""
    found = []
    for version in select(root, names, int8=True):
        if reason := obstacle(version, ARM):
            terminal.note(reason)
        else:
            found.append(version)
    if not found:
        raise LadderError("none of these versions runs on ARM")
    return found


def requirements(root: Path) -> list[str]:
    """What all versions and their tests need."""
    versions = discover(root)
    needed = [supply.pyproject(version)["project"]["dependencies"] for version in versions]
    return [one for group in (*needed, *map(supply.test_requirements, versions)) for one in group]


def check(
    version: Version, emulated: Machine, cpus: Sequence[str], selected: Sequence[str], begin: Callable[[str], None]
) -> Row:
    """The row of a version, of whose tests some are `selected`; the processors are emulated side by side."""
    row = Row(version.name)
    begin(f"{version.name}: the wheel")
    package = wheels.build(version, emulated.home.with_name(version.name))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        expected = layers_here(version, scratch)
        begin(f"{version.name}: its network and its tests")
        with ThreadPoolExecutor(processor.processors()) as threads:
            bits = [threads.submit(same_bits, version, emulated, cpu, package, expected, scratch) for cpu in cpus]
            passed = [threads.submit(tests, version, emulated, cpu, package, selected) for cpu in cpus]
        for kind, results in ("bits", bits), ("tests", passed):
            for cpu, result in zip(cpus, results):
                row.add(f"{kind}, {cpu}", *result.result())
        begin(f"{version.name}: its machine code")
        if version.generates:
            row.add("loops", *loops(version, scratch / "generated"))
    return row


def layers_here(version: Version, scratch: Path) -> dict[str, np.ndarray]:
    """Each layer's output on this processor."""
    file = scratch / "here.npz"
    machine.step([str(environment.python(version)), str(LAYERS), str(version.folder / "tests"), str(file)],
                 RESNET50_TEST_CACHE=str(scratch))  # fmt: skip
    return dict(np.load(file))


def same_bits(
    version: Version, emulated: Machine, cpu: str, package: Path, expected: dict[str, np.ndarray], scratch: Path
) -> tuple[str, str]:
    """Whether each layer's output is the same as on this processor: a word, and what is wrong if it is not."""
    file = scratch / f"{cpu}.npz"
    done = emulated.run(cpu, package, [LAYERS, version.folder / "tests", file], scratch)
    if done.returncode:
        return "failed", done.stdout
    actual = dict(np.load(file))
    if actual.keys() != expected.keys():
        return "failed", f"other layers: {sorted(actual.keys() ^ expected.keys())}"
    wrong = [name for name in expected if not np.array_equal(expected[name], actual[name])]
    distance = max(np.abs(expected[name] - actual[name]).max() / np.abs(expected[name]).max() for name in expected)
    if version.name in OTHER_ORDER:
        within = distance <= 2 * version.tolerance  # each of the two may be off by that
        return f"within {distance:.0e}", "" if within else f"{distance:.1e} from this processor's"
    return ("differ", f"the bits differ in {', '.join(wrong)}") if wrong else ("the same", "")


def tests(version: Version, emulated: Machine, cpu: str, package: Path, selected: Sequence[str]) -> tuple[str, str]:
    """Some of the version's tests: pytest's summary, and its output if one failed."""
    done = emulated.run(cpu, package, ["-m", "pytest", "-q", *selected], version.folder)
    last = (done.stdout.splitlines() or ["pytest said nothing"])[-1]
    summary = SUMMARY.fullmatch(last)
    return summary[1] if summary else last, done.stdout if done.returncode else ""


def loops(version: Version, home: Path) -> tuple[str, str]:
    """How many innermost loops there are, and those that touch the stack."""
    found = spills.loops(version, home)
    wrong = [f"{loop.function}: {'; '.join(loop.spills)}" for loop in found if loop.spills]
    return f"{len(found)} without the stack" if not wrong else f"{len(wrong)} of {len(found)} spill", "\n".join(wrong)


def show(rows: list[Row]) -> None:
    """Print the table: a word for all processors where they agree."""
    columns = list(dict.fromkeys(column for row in rows for column in row.words))
    cpus = list(dict.fromkeys(cpu for _, _, cpu in (column.partition(", ") for column in columns) if cpu))
    emulated = f"emulated ({', '.join(cpus)})" if cpus else "emulated"
    table = terminal.table(f"64-bit ARM Linux, {emulated}; bits are compared with this machine's processor")
    heads = list(dict.fromkeys(column.partition(", ")[0] for column in columns))
    for head in ("version", *heads):
        table.add_column(head)
    for row in rows:
        table.add_row(row.version, *(row.all_words(head) for head in heads))
    terminal.output().print(table)
