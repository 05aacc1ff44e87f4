"""The files of torch.save, read without torch: right to the last bit, and what is hostile is refused."""

import io
import pickle
import sys
import zipfile
from argparse import Namespace
from collections import Counter, OrderedDict
from collections.abc import Callable
from copy import copy
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from fuzzing import torch_files
from fuzzing.torch_files import Call, Global, Storage, Tensor, archive, five_pickles, of, pickled, zipped
from shared_weights import torch_file, torch_pickle

Layout = Callable[[Any], bytes]
LAYOUTS = [zipped, five_pickles]


def read(content: bytes) -> Any:
    """The objects in a file, with the tensors' numbers in their places."""
    tree, numbers = torch_file.read(content)

    def filled(one: Any) -> Any:
        if isinstance(one, torch_pickle.Tensor):
            return numbers(one)
        return {key: filled(value) for key, value in one.items()} if isinstance(one, dict) else one

    return filled(tree)


def refusal(content: bytes) -> str:
    """Why a file is refused."""
    with pytest.raises(ValueError) as caught:
        read(content)
    return str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"])
def test_every_type_of_number_is_read_to_the_last_bit(layout: Layout, dtype: str):
    array = np.random.RandomState(1).bytes(2 * 3 * 5 * np.dtype(dtype).itemsize)
    numbers = np.frombuffer(array, dtype).reshape(2, 3, 5) if dtype != "?" else np.array([[True], [False]])
    found = read(layout({"x": numbers}))["x"]
    assert found.dtype == numbers.dtype and found.shape == numbers.shape and found.tobytes() == numbers.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bfloat16_is_read_as_the_float32_that_it_is_the_upper_half_of(layout: Layout):
    whole = np.array([1.0, -2.5, 3e38, 1e-40, np.inf, np.nan], np.float32)
    halves = (whole.view(np.uint32) >> 16).astype(np.uint16)
    found = read(layout({"x": Tensor(Storage("BFloat16Storage", halves.tobytes(), 6), 0, (2, 3), (3, 1))}))["x"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.ravel().view(np.uint32), halves.astype(np.uint32) << 16)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_views_of_one_storage_transposed_and_offset_are_read(layout: Layout):
    numbers = np.arange(24, dtype=np.float32)
    shared = Storage("FloatStorage", numbers.tobytes(), 24)
    views = {
        "whole": Tensor(shared, 0, (4, 6), (6, 1)),
        "turned": Tensor(shared, 0, (6, 4), (1, 6)),
        "part": Tensor(shared, 7, (2, 2), (6, 2)),
        "one": Tensor(shared, 23, (), ()),
        "none": Tensor(shared, 24, (0, 3), (3, 1)),
    }
    found = read(layout(views))
    np.testing.assert_array_equal(found["whole"], numbers.reshape(4, 6))
    np.testing.assert_array_equal(found["turned"], numbers.reshape(4, 6).T)
    np.testing.assert_array_equal(found["part"], [[7, 9], [13, 15]])
    assert found["one"] == 23 and found["none"].shape == (0, 3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_byte_order_that_the_file_tells_of_is_followed(order: str):
    numbers = np.array([1.5, -2.0, 3e-9], np.float32)
    written = zipped({"x": numbers.astype(f"{order}f4")}, {"<": "little", ">": "big"}[order])
    np.testing.assert_array_equal(read(written)["x"], numbers)


def test_a_file_of_before_the_byte_order_was_told_is_little_endian():
    np.testing.assert_array_equal(read(zipped({"x": np.array([1.5], "<f4")}, None))["x"], [1.5])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_else_is_in_a_checkpoint_is_read_or_left_blank(layout: Layout):
    state = OrderedDict({"w": np.ones(2, np.float32)})
    state._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]  # as torch does
    parameter = Call(Global("torch._utils", "_rebuild_parameter"), (of(np.ones(2, np.float32)), True, OrderedDict()))
    content = layout({
        "model": state, "parameter": parameter, "epoch": 3, "rate": 0.1, "large": 1 << 40, "betas": (0.9, 0.999),
        "groups": [{"params": [0, 1]}], "nothing": None, "flag": True, "args": Namespace(path=PurePosixPath("x")),
        "milestones": Counter([1, 2, 2]), "kinds": {1, 2}, "dtype": Global("torch", "float16"),
        "size": Call(Global("torch", "Size"), ((1, 2),)), "device": Call(Global("torch", "device"), ("cuda", 0)),
    })  # fmt: skip
    found = read(content)
    np.testing.assert_array_equal(found["model"]["w"], np.ones(2))
    np.testing.assert_array_equal(found["parameter"], np.ones(2))
    assert (found["epoch"], found["rate"], found["large"], found["betas"]) == (3, 0.1, 1 << 40, (0.9, 0.999))
    assert found["groups"] == [{"params": [0, 1]}] and found["size"] == (1, 2)
    assert found["args"] is found["milestones"] is found["kinds"] is found["device"] is None


def test_an_ordered_dictionary_that_python_2_wrote_is_read():
    pairs = Call(Global("collections", "OrderedDict"), ([["w", np.ones(2, np.float32)]],))
    assert list(read(five_pickles(pairs))) == ["w"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("evil", "x"), ("torch", "load"),
     ("torch.nn.modules.linear", "Linear"), ("torch._utils", "_rebuild_sparse_tensor"),
     ("pickle", "loads"), ("torch", "ComplexFloatStorage")],
)  # fmt: skip
def test_a_function_that_the_file_wants_called_is_refused_by_name_and_not_even_imported(
    layout: Layout, module: str, name: str
):
    before, events = set(sys.modules), []
    watching = True
    sys.addaudithook(lambda event, _: events.append(event) if watching else None)
    why = refusal(layout({"w": np.ones(2, np.float32), "x": Call(Global(module, name), ("echo called",))}))
    watching = False
    assert f"{module}.{name}" in why and "state_dict" in why
    assert set(sys.modules) == before
    assert not {"import", "os.system", "subprocess.Popen", "exec", "pickle.find_class"} & set(events)


def in_archive(content: bytes, **members: bytes) -> bytes:
    """An archive with this pickle, and the storage 0 of four numbers."""
    return archive({"data.pkl": content, "data/0": np.ones(4, np.float32).tobytes(), **members})


def test_an_object_with_a_huge_number_costs_nothing():
    assert read(in_archive(b"\x80\x02}r\xff\xff\xff\xff.")) == {}  # LONG_BINPUT: Python's reader in C takes 64 GB


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x95" + b"\xff" * 8 + b"}.",  # FRAME
        b"\x80\x05\x96" + b"\xff" * 8 + b".",  # BYTEARRAY8
        b"\x80\x02X\xff\xff\xff\xff.",  # a text of 4 GB
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02i__builtin__\neval\n.",  # INST
        b"\x80\x02}q\x01h\x01a.",  # APPEND to a dictionary
        b"\x80\x02h\x07.",  # a memo that was not made
        b"\x80\x02((((.",
        b"\x80\x02N\x85R.",
        b"\x80\x02.",
        b"\x80\x02",
        b"\x80\x07}.",
        b"\x80\x02X\x02\x00\x00\x00\xff\xfe.",
        b"",
    ],
)
def test_instructions_that_torch_does_not_write_are_refused_without_carrying_them_out(content: bytes):
    assert refusal(in_archive(content))


def test_keys_whose_hash_takes_forever_are_refused():
    twice = b"q\x01h\x01\x86"  # remember the tuple, take it again, and make a tuple of the two
    assert "neither text nor a small number" in refusal(in_archive(b"\x80\x02})" + twice * 100 + b"Ns."))
    for same in ([(1 << 61) - 1], [0, (1 << 61) - 1]):  # an instruction for one entry, and one for several
        content = pickle.dumps(dict.fromkeys(same), protocol=2)
        assert "neither text nor a small number" in refusal(in_archive(content))
    pairs = Call(Global("collections", "OrderedDict"), ([[((),), 1]],))
    assert "neither text nor a small number" in refusal(zipped(pairs))


def test_a_function_called_with_a_long_tuple_is_refused_since_a_pickle_could_repeat_it():
    call, again = b"ctorch\nSize\nq\x01(" + b"N" * 257 + b"tq\x02R", b"h\x01h\x02R"
    assert "more arguments" in refusal(in_archive(b"\x80\x02(" + call + again + b"t."))
    assert "more arguments" in refusal(in_archive(b"\x80\x02ctorch\nSize\n]R."))


def test_a_list_of_pairs_makes_only_one_ordered_dictionary_however_often_the_pickle_uses_it():
    content = b"\x80\x02(ccollections\nOrderedDict\nq\x01](K\x07K\x08\x86K\x09K\x0a\x86e\x85q\x02R"
    assert read(in_archive(content + b"h\x01h\x02Rt.")) == ({7: 8, 9: 10}, {})


def test_a_deep_structure_does_not_exhaust_the_stack():
    assert len(read(in_archive(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."))) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (5,), (1,)), (1, (4,), (1,)), (0, (2, 2), (3, 1)), (0, (2,), (4,)), (1 << 40, (1,), (1,)), (0, (9,), (0,)),
     (-1, (1,), (1,)), (0, (-1,), (1,)), (0, (2,), (-1,)), (0, (2,), ()), (0, (2.0,), (1,)), (0, [2], [1]),
     (None, (2,), (1,)), (0, (1 << 40,), (0,)), (0, (1,) * 33, (1,) * 33),
     (0, (1 << 62, 1 << 62), (1, 1)), (0, (True,), (1,))],
)  # fmt: skip
def test_a_tensor_outside_its_storage_is_refused(layout: Layout, offset: Any, shape: Any, strides: Any):
    storage = Storage("FloatStorage", np.ones(4, np.float32).tobytes(), 4)
    assert "tensor in it" in refusal(layout({"x": Tensor(storage, offset, shape, strides)}))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [5, 3, 0, 1 << 40, -1, 1 << 70, None, "4"])
def test_a_storage_of_another_size_than_it_says_is_refused(layout: Layout, size: Any):
    storage = Storage("FloatStorage", np.ones(4, np.float32).tobytes(), size)
    assert refusal(layout({"x": Tensor(storage, 0, (2,), (1,)), "y": of(np.ones(3, np.float32))}))


def test_storages_that_say_two_things_of_themselves_are_refused():
    data = np.ones(4, np.float32).tobytes()
    floats, halves = Storage("FloatStorage", data, 4, "0"), Storage("HalfStorage", data, 8, "0")
    tree = {"x": Tensor(floats, 0, (4,), (1,)), "y": Tensor(halves, 0, (8,), (1,))}
    assert "a storage in it" in refusal(zipped(tree))


@pytest.mark.parametrize(
    "persistent", [("module", "x"), ("storage",), "storage", 7, ("storage", "F32", "0", "cpu", 4, 1)]
)
def test_persistent_ids_that_torch_does_not_write_are_refused(persistent: Any):
    assert "a storage in it" in refusal(in_archive(pickle.dumps(persistent, protocol=2)[:-1] + b"Q."))


def test_a_storage_that_is_not_a_member_is_refused():
    content, _ = pickled({"x": Tensor(Storage("FloatStorage", b"", 4, "../data/0"), 0, (4,), (1,))})
    assert "no member" in refusal(in_archive(content))


def test_a_compressed_archive_is_refused_before_it_is_unpacked():
    bomb = archive({"data.pkl": pickled({})[0], "data/0": bytes(1 << 26)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 17
    assert "compressed" in refusal(bomb)


def test_two_members_of_one_name_are_refused():
    content, _ = pickled({})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("a/data.pkl", content)
        made.writestr("a/data.pkl", content)
    assert "the same name" in refusal(file.getvalue())


def test_an_archive_of_very_many_members_is_refused_before_they_are_listed():
    assert "more than 100,000 members" in refusal(torch_file.ZIP + torch_file.ENTRY * 100_001)


def test_members_that_overlap_are_refused():
    """Every entry of the directory leads to the same bytes, as in a bomb without compression."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a/data.pkl", pickled({})[0])
        made.writestr("a/data/0", bytes(4000))
        for key in range(1, 9):
            again = copy(made.getinfo("a/data/0"))
            again.filename = f"a/data/{key}"
            made.filelist.append(again)
    assert "overlap" in refusal(file.getvalue())


def test_a_member_that_begins_far_beyond_the_file_is_refused():
    """Python can't even look for what is at byte 2**63."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a/data.pkl", pickled({})[0])
        made.getinfo("a/data.pkl").header_offset = 1 << 63
    assert "damaged" in refusal(file.getvalue())


def test_numbers_that_do_not_match_their_checksum_are_refused():
    content = bytearray(zipped({"x": np.full(64, 7, np.float32)}))
    content[content.index(np.full(64, 7, np.float32).tobytes()) + 9] ^= 1
    assert "damaged" in refusal(bytes(content))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_is_cut_off_anywhere_is_refused(layout: Layout):
    content = layout({"x": np.ones((3, 3), np.float32), "y": np.zeros(5, np.float32)})
    for end in range(4, len(content) - 1):
        if torch_file.is_one(content[:end]):
            assert refusal(content[:end])


def pickles(*parts: object) -> bytes:
    """Several pickles, one after the other."""
    return b"".join(pickle.dumps(part, protocol=2) for part in parts)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (archive({"code/x.py": b""}), "no data.pkl"),
        (archive({"data.pkl": pickled({})[0], "constants.pkl": b""}), "TorchScript"),
        (archive({"data.pkl": pickled({})[0], "byteorder": b"middle"}), "byteorder"),
        (archive({"data.pkl": bytes(torch_pickle.LARGEST + 1)}), "more than"),
        (bytes(257) + b"ustar" + bytes(500), "tar layout"),
        (pickles(torch_files.MAGIC, 1002, {}, {}, []), "never written"),
        (pickles(torch_files.MAGIC, 1001, {}, {}, ["1"]), "list of storages"),
        (pickles(torch_files.MAGIC, 1001, {}, {}, {}), "list of storages"),
    ],
)  # fmt: skip
def test_other_archives_and_layouts_are_refused_with_what_they_are(content: bytes, complaint: str):
    assert complaint in refusal(content)
