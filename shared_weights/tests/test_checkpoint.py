"""The files that people have: wrapped, averaged, in shards, in other types of numbers; and what can't be one."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as safetensors

from fuzzing.torch_files import Storage, Tensor, five_pickles, zipped
from shared_weights import checkpoint
from shared_weights.sets import WeightSetError

State = dict[str, np.ndarray]
Save = Callable[[bytes], Path]
W = {"w": np.array([1.5, -2.0], np.float32)}
OTHER = {"w": np.array([9.0, 9.0], np.float32)}


def numbers(path: Path) -> Mapping[str, np.ndarray]:
    """What a file holds, float32."""
    return checkpoint.read(path).in_float32()


def refusal(path: Path) -> str:
    """Why a file is refused, in one line that names it."""
    with pytest.raises(WeightSetError) as caught:
        numbers(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 600
    return str(caught.value)


@pytest.mark.parametrize("layout", [zipped, five_pickles])
@pytest.mark.parametrize(
    ("tree", "key"),
    [
        (W, ""),
        ({"state_dict": W, "epoch": 3, "best_acc1": np.float32([76])}, "state_dict"),
        ({"model": W, "optimizer": {"state": {0: {"exp_avg": OTHER["w"]}}}}, "model"),
        ({"model_state_dict": W}, "model_state_dict"),
        ({"model": {"state_dict": W}}, "model.state_dict"),
        ({"model": OTHER, "model_ema": W}, "model_ema"),
        ({"state_dict": OTHER, "state_dict_ema": W}, "state_dict_ema"),
        ({"model": OTHER, "ema": {"module": W, "updates": 7}}, "ema.module"),
        ({"model": W, "ema": {"shadow_params": [OTHER["w"]], "decay": 0.999}}, "model"),
    ],
)
def test_the_weights_are_found_in_a_whole_checkpoint_the_averaged_ones_first(
    layout: Callable[[Any], bytes], tree: Any, key: str, save: Save
):
    path = save(layout(tree))
    assert checkpoint.read(path).key == key
    np.testing.assert_array_equal(numbers(path)["w"], W["w"])


def test_a_dictionary_that_holds_itself_under_every_key_is_looked_through_a_few_times():
    looks = 0

    class Counted(dict):
        def values(self) -> Any:
            nonlocal looks
            looks += 1
            return super().values()

    tree = Counted()
    tree |= dict.fromkeys(checkpoint.WRAPPERS, tree)
    with pytest.raises(ValueError, match="no state dict"):
        checkpoint._state_dict(tree)
    assert looks <= len(checkpoint.WRAPPERS) * (checkpoint.DEEPEST + 1)


@pytest.mark.parametrize(
    "tree", [[], {}, {"a": 1}, 7, None, "w", {"optimizer": W}, {1: W["w"]}, {"model": {"model": {}}}]
)
def test_a_file_without_a_state_dict_is_refused(tree: Any, save: Save):
    assert "no state dict" in refusal(save(zipped(tree)))


def test_a_checkpoint_that_holds_itself_is_refused(save: Save):
    tree: dict[str, Any] = {}
    tree["model"] = {"model": tree}
    assert "no state dict" in refusal(save(zipped(tree)))


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
def test_safetensors_of_other_types_are_converted_exactly(dtype: str, save: Save):
    values = np.array([1.5, -2.0, 0.099976], dtype)
    np.testing.assert_array_equal(numbers(save(safetensors({"w": values})))["w"], values.astype(np.float32))


def raw(dtype: str, data: bytes, shape: list[int]) -> bytes:
    """A safetensors file of one tensor, of a type that NumPy may lack."""
    header = json.dumps({"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data


def test_bfloat16_in_safetensors_is_converted_exactly(save: Save):
    halves = (W["w"].view(np.uint32) >> 16).astype("<u2")
    np.testing.assert_array_equal(numbers(save(raw("BF16", halves.tobytes(), [2])))["w"], W["w"])


@pytest.mark.parametrize("content", [zipped({"w": np.array([1e39])}), safetensors({"w": np.array([-1e39])})])
def test_a_number_too_large_for_float32_is_refused(content: bytes, save: Save):
    assert "1e+39, which is too large for float32" in refusal(save(content))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["f8", "f2"])
def test_a_value_that_is_not_finite_is_refused(value: float, dtype: str, save: Save):
    assert "not finite" in refusal(save(zipped({"w": np.array([value], dtype)})))


@pytest.mark.parametrize(
    "content",
    [zipped({"w": np.ones(2, np.int8)}), safetensors({"w": np.ones(2, np.uint8)}), raw("F8_E4M3", b"aa", [2])],
)
def test_numbers_that_are_not_floating_point_are_refused(content: bytes, save: Save):
    assert "w holds numbers of type" in refusal(save(content))


def sharded(folder: Path, shards: dict[str, State], **more: object) -> Path:
    """Shards and their index, as Hugging Face has them."""
    for file, state in shards.items():
        (folder / file).write_bytes(safetensors(state))
    index = {"metadata": {}, "weight_map": {name: file for file, state in shards.items() for name in state} | more}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder / "model.safetensors.index.json"


def test_shards_are_put_together_from_their_index_or_their_folder(tmp_path: Path):
    index = sharded(tmp_path, {"model-1.safetensors": W, "model-2.safetensors": {"v": W["w"] + 1}})
    for path in (index, tmp_path):
        assert {name: list(values) for name, values in numbers(path).items()} == {"w": [1.5, -2], "v": [2.5, -1]}


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_hugging_face_is_read(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(safetensors(W) if name.endswith("safetensors") else zipped(W))
    np.testing.assert_array_equal(numbers(tmp_path)["w"], W["w"])


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"x": "a.safetensors"}, "no tensor x"),
        ({"x": "b.safetensors"}, "b.safetensors: No such file"),
        ({"x": "../a.safetensors"}, "not a file beside the index"),
        ({"x": "/etc/passwd"}, "not a file beside the index"),
        ({"x": ".."}, "not a file"),
        ({"x": "a\0b"}, "not a file beside the index"),
        ({"x": 7}, "weight_map"),
        ({f"x{number}": f"{number}" for number in range(101)}, "at most 100"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(more: dict[str, object], complaint: str, tmp_path: Path):
    assert complaint in refusal(sharded(tmp_path, {"a.safetensors": W}, **more))


@pytest.mark.parametrize("text", ["{", "{}", '{"weight_map": 7}', '{"weight_map": [1]}', '{"a": ' * 2000, "[1]"])
def test_json_that_is_no_index_is_refused(text: str, save: Save):
    assert refusal(save(text.encode()))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "neither a file from torch.save nor safetensors"),
        (b"<!DOCTYPE html><html>please log in", "neither a file from torch.save nor safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (safetensors(W)[:-1], "neither a file from torch.save nor safetensors"),
        ((1 << 63).to_bytes(8, "little") + b"{}", "neither a file from torch.save nor safetensors"),
        (zipped(W)[:-1], "an interrupted download"),
    ],
)
def test_what_is_no_checkpoint_is_named_with_the_reason(content: bytes, complaint: str, save: Save):
    path = save(content)
    assert refusal(path).startswith(f"{path}: can't be imported: ") and complaint in refusal(path)


def test_a_name_as_long_as_the_file_does_not_fill_the_terminal(save: Save):
    assert "xxx" in refusal(save(zipped({"x" * 100_000: np.array([np.nan])})))


def test_what_is_not_a_file_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert "it is not a file" in refusal(tmp_path / "pipe")
    assert "No such file" in refusal(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "the folder has none of" in refusal(tmp_path / "empty")


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(checkpoint.LARGEST + 1)
    assert f"more than {checkpoint.LARGEST:,}" in refusal(tmp_path / "large")


def test_shards_that_are_too_large_together_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = sharded(tmp_path, {"a.safetensors": W, "b.safetensors": {"v": W["w"]}})
    monkeypatch.setattr(checkpoint, "LARGEST", 2 * (tmp_path / "a.safetensors").stat().st_size)
    assert len(numbers(index)) == 2
    monkeypatch.setattr(checkpoint, "LARGEST", checkpoint.LARGEST - 1)
    assert "more than" in refusal(index)


def test_one_storage_for_all_tensors_is_read(save: Save):
    shared = Storage("FloatStorage", np.arange(6, dtype=np.float32).tobytes(), 6)
    path = save(zipped({f"w{place}": Tensor(shared, place, (2,), (1,)) for place in range(5)}))
    found = numbers(path)
    assert [list(found[f"w{place}"]) for place in range(5)] == [[place, place + 1] for place in range(5)]
