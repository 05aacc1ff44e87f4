"""A name that occurs twice in a JSON file is refused, whichever file it is: readers disagree on which entry counts."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from shared_weights import foreign_names, scales, sets, strict_json
from shared_weights.architecture import tensors
from shared_weights.scales import Scale
from shared_weights.sets import WeightSetError


def header_twice(content: bytes, name: str) -> bytes:
    """A safetensors file whose header has the entry of a tensor twice."""
    end = 8 + int.from_bytes(content[:8], "little")
    entry = json.dumps({name: json.loads(content[8:end])[name]})
    header = f"{entry[:-1]}, {content[8:end].decode().lstrip('{')}".encode()
    return len(header).to_bytes(8, "little") + header + content[end:]


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 1}', '{"a": 1, "b": 2, "\\u0061": 3}', '[{"x": {"a": null, "a": []}}]', b'{"a": {}, "a": {}}'],
)
def test_a_name_twice_is_refused_at_any_depth(text: str | bytes):
    with pytest.raises(ValueError, match="the name 'a' occurs twice"):
        strict_json.loads(text)


def test_the_same_name_in_two_objects_is_accepted():
    assert strict_json.loads('[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


@pytest.mark.parametrize(("written", "name"), [('{\n  "image": ', "image"), ('{\n  "image": {"scale": ', "scale")])
def test_in_the_scales(written: str, name: str, tmp_path: Path):
    scales.write(tmp_path, dict.fromkeys(scales.names(), Scale(np.float32(1))))
    text = (tmp_path / scales.FILE).read_text()
    assert text.count(written) == 1
    (tmp_path / scales.FILE).write_text(text.replace(written, f'{written}7, "{name}": '))
    with pytest.raises(WeightSetError, match=rf"{scales.FILE}: .*the name '{name}' occurs twice"):
        scales.read(tmp_path)


def test_in_the_header_of_a_set(tmp_path: Path):
    state = {name: np.zeros(shape, np.float16) for name, shape in tensors(classes=2).items()}
    (tmp_path / "labels.txt").write_text("no\nyes\n")
    (tmp_path / "weights.safetensors").write_bytes(header_twice(save(state), "fc.bias"))
    with pytest.raises(WeightSetError, match=r"the name 'fc\.bias' occurs twice"):
        sets.load(tmp_path)


def test_in_the_header_of_a_checkpoint(state: dict[str, np.ndarray], tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(header_twice(save(state), "bn1.weight"))
    with pytest.raises(WeightSetError, match=r"can't be imported: the name 'bn1\.weight' occurs twice"):
        foreign_names.read(tmp_path / "model.safetensors")


def test_in_an_index_of_shards(state: dict[str, np.ndarray], tmp_path: Path):
    (tmp_path / "shard").write_bytes(save(state))
    entries = [f'"{name}": "shard"' for name in [*state, "fc.bias"]]
    (tmp_path / "index").write_text(f'{{"weight_map": {{{", ".join(entries)}}}}}')
    with pytest.raises(WeightSetError, match="no name twice"):
        foreign_names.read(tmp_path / "index")


def test_in_the_config_beside_a_checkpoint(state: dict[str, np.ndarray], tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(save(state))
    (tmp_path / "config.json").write_text('{"model_type": "resnet", "model_type": "other"}')
    with pytest.raises(WeightSetError, match=r"config\.json beside it can't be read"):
        foreign_names.read(tmp_path / "model.safetensors")


def test_a_header_that_would_take_much_memory_is_not_looked_into():
    length = strict_json.LARGEST_HEADER + 1
    with pytest.raises(ValueError, match="its header has 10,000,001 bytes, more than 10,000,000"):
        strict_json.check_header(length.to_bytes(8, "little"))
