"""The network as a table, as a drawing, and as an ONNX file."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from shared_weights import drawing, sets, structure
from shared_weights.architecture import layers


def printed(size: int) -> list[str]:
    console = Console(width=200, file=io.StringIO())
    with console.capture() as capture:
        console.print(structure.table(size))
    return capture.get().splitlines()


def test_the_table_has_a_row_for_every_layer_with_its_figures():
    rows = {line.split()[0]: line.split() for line in printed(224) if line.strip()}
    for layer in layers():
        assert layer.name in rows
    assert " ".join(rows["layer2.0.conv2"][2:]) == "3x3 2 56x56x128 28x28x128 147,456 116 M 590 kB 401 kB"
    assert " ".join(rows["layer4.2.add"][1:]) == "residual sum 7x7x2048 7x7x2048 401 kB"


def test_subtotals_add_up_to_the_total():
    rows = {line.split()[0]: line for line in printed(224) if line.strip()}
    parameters = {
        name: int(re.search(r" (\d+(?:,\d{3})+) ", rows[name])[1].replace(",", ""))
        for name in ("stem", "layer1", "layer2", "layer3", "layer4", "head", "total")
    }
    total = parameters.pop("total")
    assert sum(parameters.values()) == total == 25_557_032
    assert "4.09 G" in rows["total"] and "174 layers" in rows["total"]


def test_another_picture_size_gives_other_shapes_and_costs():
    (total,) = (line for line in printed(64) if line.startswith("total"))
    # All but the linear layer's 2.05 M is proportional to the area if every size halves evenly: 4.087 G * (64/224)^2
    assert "64x64x3" in total and "336 M" in total


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, ""), (999, "999 "), (1000, "1.00 k"), (9_995, "10.0 k"), (99_949, "99.9 k"), (99_950, "100 k"),
     (999_499, "999 k"), (999_500, "1.00 M"), (25_557_032, "25.6 M"), (4_089_184_256, "4.09 G")],
)  # fmt: skip
def test_numbers_have_three_significant_figures(value: int, text: str):
    assert structure.si(value) == text.strip()


def texts(svg: str) -> list[str]:
    return sorted(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


def test_the_drawing_names_every_block_and_is_always_the_same(tmp_path: Path):
    drawing.write_svg(tmp_path / "a.svg")
    drawing.write_svg(tmp_path / "b.svg")
    svg = (tmp_path / "a.svg").read_text()
    assert svg == (tmp_path / "b.svg").read_text()
    said = texts(svg)
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        assert [text for text in said if text.startswith(f"layer{stage}.")] == [
            f"layer{stage}.{block}" for block in range(blocks)
        ]
    assert said.count("+") == 16
    # 53 convolutions, each a box that says "kernel, channels"
    assert sum(bool(re.fullmatch(r"\dx\d, \d+(, /2)?", text)) for text in said) == 53
    for shape in ("224x224x3", "112x112x64", "56x56x64", "56x56x256", "28x28x512", "14x14x1024", "7x7x2048"):
        assert shape in said


def test_no_text_in_the_drawing_leaves_the_page_or_overlaps_another():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for size in (32, 224, 1024):
        figure = drawing.draw(size)
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts]
        for index, (text, box) in enumerate(boxes):
            assert figure.bbox.x0 < box.x0 and box.x1 < figure.bbox.x1, text
            assert figure.bbox.y0 < box.y0 and box.y1 < figure.bbox.y1, text
            for other_text, other in boxes[:index]:
                assert not box.overlaps(other), (text, other_text)


def test_the_drawing_in_the_readme_is_up_to_date(tmp_path: Path):
    drawing.write_svg(tmp_path / "now.svg")
    assert texts((sets.HERE / "structure.svg").read_text()) == texts((tmp_path / "now.svg").read_text())


@pytest.fixture(scope="module")
def onnx_path(tmp_path_factory: pytest.TempPathFactory, cifar10: Path) -> Path:
    pytest.importorskip("onnx")
    from shared_weights import onnx_file

    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    onnx_file.write(path, cifar10, size=64)
    return path


def test_the_onnx_file_is_valid_and_has_torchvisions_names(onnx_path: Path, cifar10: Path):
    import onnx

    onnx.checker.check_model(onnx_path, full_check=True)
    graph = onnx.load(onnx_path).graph
    state, _ = sets.load(cifar10)
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert values.keys() == state.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, state[name].astype(np.float32))
    nodes = [node.name for node in graph.node if node.name != "flatten"]
    assert nodes == [layer.name for layer in layers()]


def test_the_onnx_file_has_every_layers_shape(onnx_path: Path):
    import onnx

    graph = onnx.load(onnx_path).graph
    shapes = {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in graph.value_info}
    for layer in layers(64, 64, classes=10)[:-2]:
        height, width, channels = layer.output
        assert shapes[layer.name] == [1, channels, height, width], layer.name


def test_the_onnx_file_computes_what_torchvision_does(onnx_path: Path, cifar10: Path, pics: Path):
    pytest.importorskip("torch")
    from onnx.reference import ReferenceEvaluator

    from shared_weights import torch_reference

    image = torch_reference.prepare(pics / "chelsea.png", cifar10)
    expected = torch_reference.logits(torch_reference.model(cifar10), image)
    evaluator: Any = ReferenceEvaluator(str(onnx_path))
    (found,) = evaluator.run(None, {"image": image.transpose(2, 0, 1)[None]})
    # The promise that every version makes in float32: within 2e-5 of the largest logit.
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=2e-5 * np.abs(expected).max())
