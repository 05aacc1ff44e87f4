"""The lessons: examples are typed in anew; in versions/README.md figures are computed from the network's structure."""

import re
import subprocess
from itertools import groupby
from math import prod
from pathlib import Path

import pytest

from ladder.core import environment
from ladder.core.versions import ROOT, Version, discover, find, obstacle
from ladder.timing import cost
from shared_weights.architecture import Layer, layers

LESSONS = ROOT / "versions" / "README.md"
NETWORK = layers(224, 224)
WITH_EXAMPLES = [version for version in discover() if ">>> " in (version.folder / "README.md").read_text("utf-8")]


@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_the_examples_give_what_the_text_says_in_each_version_that_it_names(number: str, tmp_path: Path):
    assert_examples(LESSONS, find(discover(), number), tmp_path)


@pytest.mark.parametrize("version", WITH_EXAMPLES, ids=lambda version: version.name)
def test_the_examples_of_a_version_give_what_its_readme_says(version: Version, tmp_path: Path):
    if reason := obstacle(version):
        pytest.skip(reason)
    assert_examples(version.folder / "README.md", version, tmp_path)


def assert_examples(document: Path, version: Version, folder: Path) -> None:
    """Every example of a document gives with a version what stands below it; `folder`: for a copy."""
    text = document.read_text(encoding="utf-8")
    copy = folder / document.name
    copy.write_text(text.replace("\n```\n", "\n\n```\n"), encoding="utf-8")  # doctest reads on to an empty line
    python = environment.python(version)
    done = subprocess.run(
        [python, "-m", "doctest", "-v", copy], cwd=ROOT, env=environment.variables(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert f"{text.count('>>> ')} passed" in done.stdout


def test_the_table_of_layers_has_their_shapes_and_costs():
    by_name = {layer.name: layer for layer in NETWORK}
    rows = table("layer")
    assert {by_name[name.strip("`")].kind for name, *_ in rows} == {layer.kind for layer in NETWORK}
    for name, *figures in rows:
        layer = by_name[name.strip("`")]
        inputs = prod(layer.input) * (2 if layer.kind == "residual sum" else 1)
        moved = 4 * inputs + layer.weight_bytes + layer.output_bytes
        work = layer.multiply_adds or prod(layer.output) * (layer.kernel or 1) ** 2
        if layer.kind == "average pooling":
            work = prod(layer.input)
        millions = (f"{work / 1e6:.1f}", f"{moved / 1e6:.1f}", f"{layer.weight_bytes / 1e6:.2f}")
        costs = (*millions, f"{work / moved:.1f}")
        assert figures == [kind(layer), shape(layer.input), shape(layer.output), *costs], name


def test_the_table_of_stages_has_their_sums():
    stages = [(name, list(members)) for name, members in groupby(NETWORK, lambda layer: layer.stage)]
    total = stage_row("all", NETWORK)
    total[3] = ""  # its output is the head's
    assert table("stage") == [*(stage_row(*stage) for stage in stages), total]


def test_the_figures_in_the_text_are_those_of_the_network():
    convolutions = [layer for layer in NETWORK if layer.kind == "convolution"]
    one, three, seven = ([layer for layer in convolutions if layer.kernel == size] for size in (1, 3, 7))
    shares = [percent(total("multiply_adds", part)) for part in (one, three, seven, NETWORK[-1:])]
    last = max(three, key=lambda layer: layer.weight_bytes)
    widest = max(prod(shape) // shape[0] for layer in NETWORK for name, shape in layer.tensors if name == "weight")
    alone = [[layer] for layer in NETWORK]
    told = {layer.name for layer in NETWORK if re.search(r"pool|fc|downsample\.1|relu\d", layer.name)}
    steps = list(cost.fused(NETWORK, told).values())
    before, after = (sum(map(cost.moved_bytes, each)) for each in (alone, steps))
    few, many = (total("multiply_adds") / moved for moved in (before, after))
    lines = LESSONS.read_text(encoding="utf-8").splitlines()
    text = " ".join(line for line in lines if not line.startswith("|"))
    expected = [
        f"the {total('multiply_adds') / 1e9:.2f} G multiply-adds and the {total('parameters') / 1e6:.1f} M parameters",
        f"{total('weight_bytes') / 1e6:.0f} MB of weights in float32",
        f"The {len(one)} convolutions of 1x1 have {shares[0]} of the multiply-adds, the {len(three)} of 3x3 "
        f"{shares[1]}, the stem's 7x7 {shares[2]}, the linear layer {shares[3]}.",
        f"{last.weight_bytes / 1e6:.1f} MB of weights, each of which serves only {prod(last.output[:2])} pixels",
        f"3 * 3 * 512 = {widest} terms",
        f"later up to {max(layer.output[-1] for layer in NETWORK)}",
        f"Python still walks through {len(NETWORK)} layers",
        f"{len(NETWORK)} meetings in an inference",
        f"{total('multiply_adds') / 1e9:.0f} G multiply-adds",
        f"{len(NETWORK)} steps become {len(steps)}, and the threads meet {len(steps)} times",
        f"{before / 1e6:.0f} MB become {after / 1e6:.0f}",
        f"each of them serves {many:.0f} multiply-adds in place of {few:.0f}",
        f"`0.9 ** 50` is {0.9**50:.3f}",
    ]
    assert [phrase for phrase in expected if phrase not in text] == []
    figures = re.findall(r"[\d.]+ (?:[GMk]B?|%)(?!\w)", text)
    assert [figure for figure in figures if not any(figure in phrase for phrase in expected)] == []


def test_c_and_python_side_by_side_are_the_lines_of_01_and_03():
    sources = [
        " ".join((ROOT / "versions" / name).read_text(encoding="utf-8").split())
        for name in ("01_pure_python/src/resnet50/ops/conv2d.py", "03_naive_c/src/resnet50/ops/conv2d.c")
    ]
    rows = table("01, Python")
    assert len(rows) > 9
    for *codes, _ in rows:
        for code, source in zip(codes, sources):
            assert code.strip("`").replace(r"\|", "|") in source


def test_the_intrinsics_that_are_decoded_are_those_of_04():
    operators = ROOT / "versions/04_avx2/src/resnet50/ops"
    names, loop = ((operators / file).read_text(encoding="utf-8") for file in ("lanes.h", "conv2d.c"))
    text = LESSONS.read_text(encoding="utf-8").partition("### One intrinsic")[2].partition("\n## ")[0]
    named = set(re.findall(r"_mm256_\w+", text))
    assert len(named) == 3 and [name for name in named if name not in names] == []
    line = re.search(r"`(sum0 = .+;)`", text)
    assert line and line[1] in loop and loop.count("= multiply_add(value, load(") == 8


def test_the_words_are_in_alphabetical_order_and_lead_to_where_they_are_explained():
    words = [re.fullmatch(r"\[(.+)\]\((.+)\)", word) for word, _ in table("word")]
    assert len(words) > 30 and all(words)
    assert [word[1] for word in words if word] == sorted((word[1] for word in words if word), key=str.lower)


def table(head: str) -> list[list[str]]:
    """The rows of the table whose first column has this heading, without its two head lines."""
    found = [block for block in LESSONS.read_text(encoding="utf-8").split("\n\n") if block.startswith(f"| {head} |")]
    assert len(found) == 1
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in found[0].splitlines()[2:]]


def kind(layer: Layer) -> str:
    """The operator as the table of layers names it: `convolution 3x3`, with its stride if that is not 1."""
    window = f" {layer.kernel}x{layer.kernel}" if layer.kernel else ""
    return layer.kind + window + (f", stride {layer.stride}" if (layer.stride or 1) > 1 else "")


def shape(sizes: tuple[int, ...]) -> str:
    """(56, 56, 64) -> "56x56x64"."""
    return "x".join(map(str, sizes))


def stage_row(name: str, members: list[Layer]) -> list[str]:
    """A row of the table of stages."""
    blocks = sum(layer.kind == "residual sum" for layer in members)
    costs = [total(attribute, members) for attribute in ("multiply_adds", "parameters")]
    shares = [percent(costs[0]), percent(costs[1], "parameters")]
    sizes = [str(blocks or ""), str(len(members)), shape(members[-1].output)]
    outputs = f"{total('output_bytes', members):,}"
    return [name, *sizes, f"{costs[0]:,}", shares[0], f"{costs[1]:,}", shares[1], outputs]


def total(attribute: str, members: list[Layer] = NETWORK) -> int:
    """The sum of `attribute` over layers."""
    return sum(getattr(layer, attribute) for layer in members)


def percent(part: int, attribute: str = "multiply_adds") -> str:
    """`part` as a share of the network's total."""
    return f"{100 * part / total(attribute):.1f} %"
