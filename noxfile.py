"""Everything this repository does: `nox -l` lists it, `nox -s NAME` does it, `nox -s NAME -- --help` explains it."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import nox
from filelock import FileLock, Timeout  # virtualenv's, which nox needs

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"  # `environment` makes one for several sessions and keeps it
nox.options.sessions = ["test"]

ROOT = Path(__file__).parent
BUILD = ROOT / "build"
TOOLS = ROOT / "versions" / "tools"
PROJECT = nox.project.load_toml("pyproject.toml")
VERSIONS = sorted(file.parent.name for file in ROOT.glob("versions/*/pyproject.toml"))
PARTS = [*VERSIONS, *PROJECT["tool"]["ladder"]["parts"]]  # what has tests

SELECTED: list[bool] = []  # for each run of pytest whether any test was selected in it
# With `nox -j` every session is a nox of its own, and none of them knows of all.
ALONE = os.environ.setdefault("RESNET50_NOX", str(os.getpid())) == str(os.getpid())

os.environ["PYTHONPYCACHEPREFIX"] = str(BUILD / "pycache")
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(TOOLS)])


def environment(session: nox.Session, group: str) -> str:
    """The interpreter of build/env/GROUP, with the packages that pyproject.toml lists for the group."""
    folder = BUILD / "env" / group
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        session.error(f"{error.filename}: {error.strerror}: what is made here goes to build/, so it must be writable")
    packages = nox.project.dependency_groups(PROJECT, group)
    installing = TOOLS / "ladder" / "core" / "installing.py"
    session.run(sys.executable, str(installing), str(folder), *packages, log=False)
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def python(session: nox.Session, *arguments: str, group: str = "tools", **settings) -> None:
    """Runs Python with `arguments` in the environment of `group`."""
    session.run(environment(session, group), *arguments, **settings)


def python_here(session: nox.Session, *arguments: str, group: str = "tools") -> None:
    """As `python`, in the folder where the user stands, which the paths among `arguments` are relative to.

    No module is taken from that folder: a `numpy.py` that lies there may be a stranger's.
    """
    interpreter = environment(session, group)
    with session.chdir(session.invoked_from):
        session.run(interpreter, *arguments, env={"PYTHONSAFEPATH": "1"})


def pytest(session: nox.Session, *arguments: str) -> None:
    """Runs the ladder's `test`. If the user's arguments for pytest select no test, it says so, and does not fail.

    If no test is selected in any part, the session `selection`, which then comes last, fails. Ctrl-C is the child's
    affair: it ends what it has started.
    """
    command = [environment(session, "tools"), "-m", "ladder", *arguments]
    session.log(shlex.join(command))
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        code = subprocess.run(command).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    SELECTED.append(code != 5)  # pytest's code for no test
    if code == 130:
        raise KeyboardInterrupt
    if code == 5:
        session.log(f"no test is selected here by {shlex.join(session.posargs)}")
        if ALONE:
            session.notify("selection", session.posargs)
    elif code:
        session.error(f"the tests ended with exit code {code}")


@nox.session
def classify(session: nox.Session) -> None:
    """Name what is in the pictures of pics/, or in your own: -- PICTURES and FOLDERS, --version 02_numpy_dot."""
    python_here(session, "-m", "ladder", "classify", *session.posargs)


@nox.session
def test(session: nox.Session) -> None:
    """Test every version and the rest of the repository, but what has passed unchanged: -- --every, or for pytest."""
    pytest(session, "test", "all", *session.posargs)


for part in PARTS:

    @nox.session(name=f"test({part})", tags=[part])
    def test_part(session: nox.Session, part: str = part) -> None:
        """Run every test of one part: -- arguments for pytest."""
        pytest(session, "test", part, *session.posargs)


@nox.session
def compare(session: nox.Session) -> None:
    """All versions' logits against each other and against torchvision's: -- --versions 02_numpy_dot 03_naive_c."""
    python(session, "-m", "ladder", "compare", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Time the versions against one another, in alternating rounds: -- --versions 04 05 --size 224 --peers."""
    python(session, "-m", "ladder", "bench", *session.posargs)


@nox.session
def diff(session: nox.Session) -> None:
    """Show what one version changes against another: -- 05 06 [--full | --stat] [--html FILE]; without: the ladder."""
    python_here(session, "-m", "ladder", "diff", *session.posargs)


@nox.session
def profile(session: nox.Session) -> None:
    """Where the time goes in a version, layer by layer, with a roofline plot: -- 07, or two side by side: -- 05 07."""
    python_here(session, "-m", "ladder", "profile", *session.posargs)


@nox.session
def features(session: nox.Session) -> None:
    """Draw what the network sees in a picture, its feature maps stage by stage: -- PICTURE --channels 8."""
    python_here(session, "-m", "ladder", "features", *session.posargs)


@nox.session
def asm(session: nox.Session) -> None:
    """Show what the compiler made of a kernel, with its source: -- 04 conv2d."""
    python_here(session, "-m", "ladder", "asm", *session.posargs)


@nox.session
def cv_basics(session: nox.Session) -> None:
    """Make every figure of the image lessons in build/cv_basics: -- LESSON PICTURE for one of your own."""
    python_here(session, "-m", "cv_basics", *(session.posargs or ["all"]), group="cv_basics")


@nox.session
def mnist(session: nox.Session) -> None:
    """Train the digit classifier and draw what it learnt in build/mnist: -- --epochs 5; or -- predict PICTURE."""
    train = [] if session.posargs and not session.posargs[0].startswith("-") else ["train"]
    python(session, "-m", "mnist", *train, *session.posargs, group="mnist")


@nox.session
def site(session: nox.Session) -> None:
    """Make the reader's site in build/site, from every README and from what bench, profile and mnist have measured."""
    python(session, "-m", "website", *session.posargs, group="site")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, mypy and clang-format over everything: -- --fix mends what can be mended."""
    fix = "--fix" in session.posargs
    python(session, "-m", "ruff", "check", *(["--fix"] if fix else []), ".", group="lint")
    python(session, "-m", "ruff", "format", *([] if fix else ["--check"]), ".", group="lint")
    tools = [f"versions/tools/{name}" for name in ("ladder", "fuzzing", "scrutiny", "website")]
    parts = *tools, "shared_weights", "cv_basics", "mnist"
    python(session, "-m", "mypy", "noxfile.py", *parts, group="lint")
    for version in VERSIONS:
        python(session, "-m", "mypy", f"versions/{version}/src/resnet50", group="lint")
    clang_format = Path(environment(session, "lint")).with_name("clang-format")
    sources = [str(file.relative_to(ROOT)) for file in sorted(ROOT.glob("versions/**/*.[ch]"))]
    session.run(str(clang_format), *(["-i"] if fix else ["--dry-run", "--Werror"]), *sources)


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run every C version's tests under AddressSanitizer and UndefinedBehaviorSanitizer, and compile it with clang."""
    pytest(session, "test", "all", "--build", "sanitize", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Give hostile files and command lines to every version: -- --minutes 30 --targets pictures --versions 08."""
    python_here(session, "-m", "fuzzing", *session.posargs, group="fuzzing")


@nox.session
def numbers(session: nox.Session) -> None:
    """Compare the versions with float64 on random networks and unusual images: -- --seeds 200 --versions 07 08."""
    python(session, "-m", "scrutiny", "numbers", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Look for what many inferences and loads leave behind, for ten minutes: -- --inferences 10000 --minutes 5."""
    python(session, "-m", "scrutiny", "soak", *session.posargs)


@nox.session
def checkers(session: nox.Session) -> None:
    """Look for faults in all C with valgrind's memcheck, gcc -fanalyzer and clang-tidy: -- --versions 07 08."""
    python(session, "-m", "scrutiny", "checkers", *session.posargs, group="lint")


@nox.session
def hardening(session: nox.Session) -> None:
    """Measure what the stack protector costs every C version, for ten minutes: -- --versions 04 05 --starts 12."""
    python(session, "-m", "scrutiny", "hardening", *session.posargs)


@nox.session
def supply(session: nox.Session) -> None:
    """Test each version's sdist and wheel with the lowest and the newest libraries, without network: --every-test."""
    python(session, "-m", "ladder", "supply", *session.posargs)


@nox.session
def lineage(session: nox.Session) -> None:
    """Check that each version differs from its predecessor only where it says so."""
    python(session, "-m", "ladder", "lineage", *session.posargs)


@nox.session
def carry(session: nox.Session) -> None:
    """Carry the changes made in one version forward to all later ones: -- VERSION [--from REVISION]."""
    python(session, "-m", "ladder", "carry", *session.posargs)


@nox.session
def new(session: nox.Session) -> None:
    """Begin the next version as a copy of the last: -- NN_name --idea "..."."""
    python(session, "-m", "ladder", "new", *session.posargs)


@nox.session
def weights(session: nox.Session) -> None:
    """Make a weight set, or show the network's structure: -- imagenet | synthetic | structure."""
    needs_torch = "imagenet" in session.posargs or "--onnx" in session.posargs
    python_here(session, "-m", "shared_weights", *session.posargs, group="reference" if needs_torch else "tools")


@nox.session
def reference(session: nox.Session) -> None:
    """Check every version against torchvision (installs torch: 5.5 GB): -- --write renews the golden files."""
    python(session, "-m", "ladder", "reference", *session.posargs, group="reference")
    for tests in ("shared_weights/tests", "mnist/tests/test_reference.py"):
        python(session, "-m", "pytest", tests, group="reference")


@nox.session
def clean(session: nox.Session) -> None:
    """Remove what was built and installed; exported weights stay: -- --cache removes compiled convolutions too."""
    if others := [word for word in session.posargs if word != "--cache"]:
        session.error(f"clean knows --cache only, not {shlex.join(others)}; nothing is removed")
    shutil.rmtree(BUILD, ignore_errors=True)
    if "--cache" in session.posargs:
        # Where versions/07_codegen/src/resnet50/trust.py has them kept; whatever else lies there is left alone.
        xdg = os.environ.get("XDG_CACHE_HOME", "")
        home = Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache"
        folder = Path(os.environ.get("RESNET50_CACHE") or home / "resnet50")
        files = [file for file in folder.glob("*") if re.fullmatch(r"[0-9a-f]{64}(\.\w+)*\.(so|lock|part)", file.name)]
        for key, own in groupby(sorted(files), lambda file: file.name[:64]):
            lock = folder / f"{key}.lock"
            with suppress(Timeout), FileLock(lock, mode=0o600).acquire(blocking=False):  # else another process is at it
                for file in {lock, *own}:
                    file.unlink(missing_ok=True)
        removed = sum(file.suffix == ".so" and not file.exists() for file in files)
        session.log(f"{folder}: {removed} compiled convolutions removed")


@nox.session(default=False)
def selection(session: nox.Session) -> None:
    """Fail where arguments for pytest have selected no test at all; `test` and `sanitize` ask for it."""
    if not any(SELECTED):
        session.error(f"no test was selected by {shlex.join(session.posargs)}, in all that was run")
