"""What a test file exercises: files, folders, modules and libraries, there or not, by itself or by its children."""

import shutil

from .conftest import Tree, write
from .small_versions import ALL, TWO, packages_of, run, versions

__all__ = ["run", "versions"]  # fixtures


FAST_OR_NOT = """
import importlib
try:
    importlib.import_module("resnet50.fast")
except ImportError:
    pass
VALUE = 1
"""


def test_a_module_that_was_looked_for_in_vain_counts_when_it_is_there(run, versions: Tree):
    for name in ("01_one", "02_two"):
        versions.write(f"{name}/src/resnet50/alpha.py", FAST_OR_NOT)
    assert run() == ALL
    versions.write("02_two/src/resnet50/fast.py", "raise RuntimeError('slow')\n")
    assert run(code=1) == {TWO + "test_alpha.py"}


def test_a_file_that_was_opened_in_vain_counts_and_so_does_a_folder_that_was_listed(run, versions: Tree):
    test = (
        "import os\ndef test_alpha():\n    assert not os.listdir('data')\n"
        "    try:\n        open('settings')\n    except OSError:\n        pass\n"
    )
    for name in ("01_one", "02_two"):
        versions.write(f"{name}/tests/contract/test_alpha.py", test)
        (versions.root / "versions" / name / "data").mkdir()
    assert run() == ALL
    versions.write("02_two/settings", "")
    assert run() == {TWO + "test_alpha.py"}
    versions.write("02_two/data/one", "")
    assert run(code=1) == {TWO + "test_alpha.py"}


CHILDREN = {
    "Python": "subprocess.run([sys.executable, '-c', 'import resnet50.beta'], check=True)",
    "Python that ends at once": "subprocess.run([sys.executable, '-c', 'import os, resnet50.beta; os._exit(0)'])",
    "Python that is killed": (
        "subprocess.run([sys.executable, '-c', 'import os, resnet50.beta; os.kill(os.getpid(), 9)'])"
    ),
    "isolated Python": "subprocess.run([sys.executable, '-I', '-c', 'import resnet50.beta'], check=True)",
    "a fork": "import os; pid = os.fork()\n    if not pid:\n        import resnet50.beta; os._exit(0)\n    os.wait()",
    "spawn": (
        "import multiprocessing\n    child = multiprocessing.get_context('spawn').Process(target=__import__,"
        " args=('resnet50.beta',))\n    child.start(); child.join()"
    ),
    "a shell": "subprocess.run(['sh', '-c', f'exec {sys.executable} -c \"import resnet50.beta\"'], check=True)",
    "an argument": "import resnet50 as r; subprocess.run(['cat', r.__path__[0] + '/beta.py'], check=True)",
    "a word in a line": "import resnet50 as r; subprocess.run(f'cat <{r.__path__[0]}/beta.py', shell=True, check=True)",
    "a folder": "import resnet50 as r; subprocess.run(['grep', '-r', 'V', r.__path__[0]], check=True)",
    "no variable": "subprocess.run([sys.executable, '-c', 'import resnet50.beta'], env={}, check=True)",
}


def test_what_children_read_is_exercised(run, versions: Tree):
    """In each version they read its own beta.py, so both versions run them all."""
    for number, child in enumerate(CHILDREN.values()):
        for name in ("01_one", "02_two"):
            text = f"import subprocess, sys\ndef test_{number}():\n    {child}\n"
            versions.write(f"{name}/tests/test_{number}.py", text)
    children = {f"{name}/tests/test_{i}.py" for name in ("01_one", "02_two") for i in range(len(CHILDREN))}
    assert run() == ALL | children
    assert run() == set()


def test_c_counts_as_a_whole_with_how_it_is_built(run, versions: Tree):
    """Whatever loads the extension module: here a stand-in for it, which is opened."""
    test = "import resnet50\ndef test_alpha():\n    open(resnet50.__path__[0] + '/ops.so').close()\n"
    for name in ("01_one", "02_two"):
        versions.write(f"{name}/tests/contract/test_alpha.py", test)
        versions.write(f"{name}/src/resnet50/ops.so", name)
        versions.write(f"{name}/src/resnet50/ops.c", "int x;\n")
        versions.write(f"{name}/meson.build", "project('x')\n")
    assert run() == ALL
    for path in ("ops.c", "ops.h", "../../meson.build"):
        versions.write(f"02_two/src/resnet50/{path}", "int y;\n")
        assert run() == {TWO + "test_alpha.py"}


def test_a_library_counts_for_those_that_load_it_and_a_plugin_of_pytest_for_all(run, versions: Tree):
    for name in ("01_one", "02_two"):
        versions.write(f"{name}/src/resnet50/alpha.py", FAST_OR_NOT.replace("resnet50.fast", "fast"))
    assert run() == ALL
    for version, again in (("1.0", {TWO + "test_alpha.py"}), ("1.1", {TWO + "test_alpha.py"})):
        packages = packages_of(versions, "02_two")
        for old in packages.glob("fast-*"):
            shutil.rmtree(old)
        write(packages / f"fast-{version}.dist-info" / "RECORD", "fast.py,,\n")
        write(packages / "fast.py", "")
        assert run() == again
    write(packages / "fast-1.1.dist-info" / "entry_points.txt", "[pytest11]\nfast = fast\n")
    assert run() == {TWO + "test_alpha.py", TWO + "test_beta.py"}
