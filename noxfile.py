"""Everything this repository does: `nox -l` lists the sessions, `nox -s NAME` runs one, and `-- --help` explains it.

What takes longer than a minute on two processors says so here. The first call also installs what it needs.
"""

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"  # `environment` makes environments that sessions share and that are kept
nox.options.sessions = ["test"]
# nox says so of each session where there is no uv, though none asks for it.
logging.getLogger("nox").addFilter(lambda record: record.getMessage() != "uv binary not found.")

ROOT = Path(__file__).parent
BUILD = ROOT / "build"
TOOLS = ROOT / "versions" / "tools"
PROJECT = nox.project.load_toml("pyproject.toml")
VERSIONS = sorted(file.parent.name for file in ROOT.glob("versions/*/pyproject.toml"))

SELECTED: list[bool] = []  # for each run of pytest, whether it selected any test
# With `nox -j` every session is a nox process of its own, and none of them sees the others.
ALONE = os.environ.setdefault("RESNET50_NOX", str(os.getpid())) == str(os.getpid())

# Byte code goes there, whatever the user's settings: without it, importing NumPy takes 0.4 s in place of 0.1.
os.environ["PYTHONPYCACHEPREFIX"] = str(BUILD / "pycache")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(TOOLS)])


def environment(session: nox.Session, group: str) -> str:
    """The interpreter of build/env/GROUP, with the packages that pyproject.toml lists for the group."""
    folder = BUILD / "env" / group
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        session.error(f"{error.filename}: {error.strerror}: output goes to build/, which must be writable")
    packages = nox.project.dependency_groups(PROJECT, group)
    installing = TOOLS / "ladder" / "core" / "installing.py"
    session.run(sys.executable, str(installing), str(folder), *packages, log=False)
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def python(session: nox.Session, *arguments: str, group: str = "tools", **settings) -> None:
    """Run Python with `arguments` in the environment of `group`."""
    session.run(environment(session, group), *arguments, **settings)


def python_here(session: nox.Session, *arguments: str, group: str = "tools") -> None:
    """Run Python like `python`, but in the user's current folder, so that the paths in `arguments` are relative to it.

    No module is imported from that folder: a `numpy.py` in it may be anyone's. The command is not shown: the user has
    just typed a shorter one.
    """
    interpreter = environment(session, group)
    with contextlib.chdir(session.invoked_from):
        session.run(interpreter, *arguments, env={"PYTHONSAFEPATH": "1"}, log=False)


def pytest(session: nox.Session, *arguments: str) -> None:
    """Run the ladder's `test`. If the arguments for pytest select no test, say so, and do not fail.

    If no part selects a test, the session `selection`, which then runs last, fails. Ctrl-C is left to the ladder, which
    ends what it has started.
    """
    command = [environment(session, "tools"), "-m", "ladder", *arguments]
    session.log(shlex.join(command))
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        code = subprocess.run(command).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if code == 130:
        raise KeyboardInterrupt
    SELECTED.append(code != 5)  # pytest's exit code if no test was selected
    if code == 5:
        session.log(f"no test here is selected by {shlex.join(session.posargs)}")
        if ALONE:
            session.notify("selection", session.posargs)
    elif code:
        session.error(f"the tests ended with exit code {code}")


@nox.session
def classify(session: nox.Session) -> None:
    """Name what is in the pictures of pics/, or in your own: -- PICTURES and FOLDERS --html page.html."""
    python_here(session, "-m", "ladder", "classify", *session.posargs)


@nox.session
def label(session: nox.Session) -> None:
    """Label every picture in a folder of any size; a stopped run resumes: -- FOLDER --out results.csv."""
    many = any(word.startswith("--scheduler") for word in session.posargs)
    python_here(session, "-m", "labelling", *session.posargs, group="dask" if many else "tools")


@nox.session
def race(session: nox.Session) -> None:
    """Time label beside torch's DataLoader and ONNX Runtime (6 GB), for 45 minutes: -- --pictures 3000 --rounds 3."""
    python(session, "-m", "labelling.race", *session.posargs)


@nox.session
def dask(session: nox.Session) -> None:
    """Start a part of a cluster for `label`: -- scheduler; on each machine: -- worker ADDRESS --nthreads 1."""
    python(session, "-m", "dask", *session.posargs, group="dask")


@nox.session
def test(session: nox.Session) -> None:
    """Test everything (20 minutes), later what has changed since it passed: -- --every, or arguments for pytest."""
    pytest(session, "test", "all", *session.posargs)


for part in [*VERSIONS, *PROJECT["tool"]["ladder"]["parts"]]:

    def test_part(session: nox.Session, part: str = part) -> None:
        pytest(session, "test", part, *session.posargs)

    test_part.__doc__ = f"Run every test of {part}: -- arguments for pytest."
    nox.session(name=f"test({part})", tags=[part])(test_part)


# Sessions that only hand their arguments to a command of a tool, and what `nox -l` says of them.
COMMANDS = """
ladder compare: Compare all versions' logits with each other and torchvision's (minutes): -- --versions 02 03.
ladder bench: Time the versions for 3 minutes, in alternating rounds: -- --versions 04 05 --size 224 --peers.
ladder peaks: Measure this machine's peaks in float32 and 8 bits, and the limits that follow (a minute): -- --size 64.
ladder lineage: Check that each version differs from its predecessor only where it declares it.
ladder carry: Carry changes in one version forward to all later ones: -- VERSION [--from REVISION].
ladder new: Create the next version as a copy of the last: -- NAME --idea "..."; or of another: --from 12.
ladder supply: Test sdists and wheels offline, with the oldest and the newest libraries (many minutes): -- --every-test.
scrutiny rounding: Compare the versions with float64 on random networks (4 minutes): -- --seeds 200; or -- --layers 12.
scrutiny soak: Look for leaks over many inferences and loads, for ten minutes: -- --inferences 10000 --minutes 5.
scrutiny mutants: Change the sources and see whether the tests notice (minutes for each): -- --versions 05 --count 5.
scrutiny sensitivity: See whether bench detects a slowdown of 2 %, for ten minutes: -- --version 08 --runs 20.
"""
for tool, name, explained in re.findall(r"(\w+) (\w+): (.*)", COMMANDS):

    def command(session: nox.Session, tool: str = tool, name: str = name) -> None:
        python(session, "-m", tool, name, *session.posargs)

    command.__doc__ = explained
    nox.session(name=name)(command)


@nox.session
def accuracy(session: nox.Session) -> None:
    """Measure how often versions classify pictures correctly: -- FOLDER_OF_CLASSES --set cifar10 --versions 09 12."""
    python_here(session, "-m", "ladder", "accuracy", *session.posargs)


@nox.session
def diff(session: nox.Session) -> None:
    """Show what changes from one version to another: -- 05 06 [FILE] [--full | --stat] [--html FILE]; or each step."""
    python_here(session, "-m", "ladder", "diff", *session.posargs)


@nox.session
def profile(session: nox.Session) -> None:
    """Show where a version spends its time, layer by layer, with a roofline plot: -- 07, or two versions: -- 05 07."""
    python_here(session, "-m", "ladder", "profile", *session.posargs)


@nox.session
def features(session: nox.Session) -> None:
    """Draw a picture's feature maps, stage by stage: -- PICTURE --channels 8."""
    python_here(session, "-m", "ladder", "features", *session.posargs)


@nox.session
def figures(session: nox.Session) -> None:
    """Draw the READMEs' figures again, in versions/figures: -- kernel tile --out FOLDER."""
    python_here(session, "-m", "figures", *session.posargs)


@nox.session
def asm(session: nox.Session) -> None:
    """Show a kernel's assembly code beside its source: -- 04 conv2d."""
    python_here(session, "-m", "ladder", "asm", *session.posargs)


@nox.session
def cv_basics(session: nox.Session) -> None:
    """Draw every figure of the image lessons in build/cv_basics: -- LESSON PICTURE for your own picture."""
    python_here(session, "-m", "cv_basics", *(session.posargs or ["all"]), group="cv_basics")


@nox.session
def mnist(session: nox.Session) -> None:
    """Train the digit classifier (half a minute), draw results in build/mnist: -- --epochs 5; or -- predict PICTURE."""
    train = [] if session.posargs and not session.posargs[0].startswith("-") else ["train"]
    python_here(session, "-m", "mnist", *train, *session.posargs, group="mnist")


@nox.session
def site(session: nox.Session) -> None:
    """Build an offline website in build/site from every README and the results of bench, profile and mnist."""
    python(session, "-m", "website", *session.posargs, group="site")


@nox.session
def lint(session: nox.Session) -> None:
    """Check everything with ruff, mypy and clang-format: -- --fix fixes what it can."""
    fix = "--fix" in session.posargs
    python(session, "-m", "ruff", "check", *(["--fix"] if fix else []), ".", group="lint")
    python(session, "-m", "ruff", "format", *([] if fix else ["--check"]), ".", group="lint")
    names = ("ladder", "arm", "figures", "fuzzing", "labelling", "scrutiny", "website")
    tools = [f"versions/tools/{name}" for name in names]
    parts = *tools, "shared_weights", "cv_basics", "mnist"
    python(session, "-m", "mypy", "noxfile.py", *parts, group="lint")
    for version in VERSIONS:
        python(session, "-m", "mypy", f"versions/{version}/src/resnet50", group="lint")
    clang_format = Path(environment(session, "lint")).with_name("clang-format")
    sources = [str(file.relative_to(ROOT)) for file in sorted(ROOT.glob("versions/**/*.[ch]"))]
    session.run(str(clang_format), *(["-i"] if fix else ["--dry-run", "--Werror"]), *sources)


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the C versions' tests under sanitizers (half an hour), and compile them with clang: -- --versions 03 06."""
    pytest(session, "test", "all", "--build", "sanitize", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Feed hostile input to every version, for minutes: -- --minutes 30 --targets pictures --versions 08."""
    python_here(session, "-m", "fuzzing", *session.posargs, group="fuzzing")


@nox.session
def checkers(session: nox.Session) -> None:
    """Check all C with valgrind's memcheck, gcc -fanalyzer and clang-tidy (many minutes): -- --versions 07 08."""
    python(session, "-m", "scrutiny", "checkers", *session.posargs, group="lint")


@nox.session
def arm(session: nox.Session) -> None:
    """Build the versions for 64-bit ARM and test them on emulated processors (half an hour): -- --short."""
    group = "tools" if "--short" in session.posargs else "arm"  # with a compiler for macOS, of 100 MB
    python(session, "-m", "arm", *session.posargs, group=group)


@nox.session
def weights(session: nox.Session) -> None:
    """Make a weight set or its scales, or show the structure: -- imagenet, import, synthetic, quantise or structure."""
    exported = any(word.startswith("--onnx") for word in session.posargs)
    python_here(session, "-m", "shared_weights", *session.posargs, group="onnx" if exported else "tools")


@nox.session
def reference(session: nox.Session) -> None:
    """Check every version against torchvision and ONNX Runtime (5.5 GB, 5 minutes): -- --write renews golden files."""
    alone = {"OPENBLAS_NUM_THREADS": "1"}  # its threads spin while they wait: beside other work five times as slow
    python(session, "-m", "ladder", "reference", *session.posargs, group="reference", env=alone)
    with_torch = (
        "shared_weights/tests",
        "mnist/tests/test_reference.py",
        "versions/tools/ladder/tests/test_exactness.py",
    )
    for tests in with_torch:
        python(session, "-m", "pytest", tests, group="reference", env=alone)


@nox.session
def clean(session: nox.Session) -> None:
    """Remove what was built and installed, but no weights; -- --cache also removes compiled convolutions."""
    if others := [word for word in session.posargs if word != "--cache"]:
        session.error(f"clean takes only --cache, not {shlex.join(others)}; nothing is removed")
    shutil.rmtree(BUILD, ignore_errors=True)
    if "--cache" in session.posargs:
        keeping = [version for version in VERSIONS if (ROOT / "versions" / version / "src/resnet50/cache.py").exists()]
        if keeping:  # all of them keep their compiled code in the same way
            source = ROOT / "versions" / keeping[-1] / "src"
            session.run(sys.executable, "-P", "-m", "resnet50.cache", env={"PYTHONPATH": str(source)}, log=False)


@nox.session(default=False)
def selection(session: nox.Session) -> None:
    """Fail if the arguments for pytest selected no test at all; `test` and `sanitize` schedule this session."""
    if not any(SELECTED):
        session.error(f"no test was selected by {shlex.join(session.posargs)} in any part")
