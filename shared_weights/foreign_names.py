"""What others call the tensors of a ResNet-50, and which networks are none, though they resemble one.

torchvision and timm use the same names. Hugging Face's transformers (microsoft/resnet-50) uses others; its modules, in
transformers/models/resnet/modeling_resnet.py, correspond to torchvision's as TRANSFORMERS says. Training programs put
PREFIXES before all of them.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import checkpoint, strict_json
from .architecture import BLOCKS, tensors
from .checkpoint import Checkpoint, Stored

PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.")  # DataParallel, torch.compile, Lightning, and others
COUNTERS = ("num_batches_tracked", "n_averaged")  # of batch norm and of averaged weights; inference needs neither

STEM = r"(?:resnet\.)?embedder\.embedder"
BLOCK = r"(?:resnet\.)?encoder\.stages\.(\d)\.layers\.(\d+)"
TRANSFORMERS = (  # a pattern, and what torchvision calls it; stages and layers are counted from 0 there
    (rf"{STEM}\.convolution", lambda at: "conv1"),
    (rf"{STEM}\.normalization", lambda at: "bn1"),
    (rf"{BLOCK}\.layer\.(\d)\.convolution", lambda at: f"layer{int(at[1]) + 1}.{at[2]}.conv{int(at[3]) + 1}"),
    (rf"{BLOCK}\.layer\.(\d)\.normalization", lambda at: f"layer{int(at[1]) + 1}.{at[2]}.bn{int(at[3]) + 1}"),
    (rf"{BLOCK}\.shortcut\.convolution", lambda at: f"layer{int(at[1]) + 1}.{at[2]}.downsample.0"),
    (rf"{BLOCK}\.shortcut\.normalization", lambda at: f"layer{int(at[1]) + 1}.{at[2]}.downsample.1"),
)

STRANGERS = (  # a pattern of names, and what the network is that has them
    (r"(stem\.|res[2-5]).*|conv\d_block\d.*|.*branch2[abc].*",
     "it has the names of Detectron, Caffe or Keras, whose ResNet-50 is v1: its stride is in the first 1x1 convolution "
     "of a block; here, as in torchvision, it is in the 3x3 (v1.5)"),
    (r"conv1\.\d\..*", "its stem has several convolutions, like a ResNet-50-C, -D or -S, not one of 7x7"),
    (r"layer\d\.\d+\.se\..*", "it has squeeze-and-excitation layers (SE-ResNet)"),
    (r"layer\d\.\d+\.downsample\.2\..*", "it averages in its shortcuts, like a ResNet-50-D"),
    (r"(visual\.)?attnpool\..*|visual\..*", "it is CLIP's network, which ends in attention, not in an average"),
    (r"layer\d\.\d+\.(conv|bn)\d\..*_packed_params.*|.*\.zero_point", "it is quantised: import the float32 network"),
)  # fmt: skip
DEPTHS = {(3, 4, 23, 3): "ResNet-101", (3, 8, 36, 3): "ResNet-152", (2, 2, 2, 2): "ResNet-18"}
UNSEEN = re.compile(r"(tv_|gluon_)?resnet50(_v1b)?")  # timm's architectures that are this one; others share its names
LARGEST_CONFIG = 1 << 20
LONGEST_NAME = 500


def read(path: Path) -> Checkpoint:
    """The ResNet-50 in a file, under torchvision's names; raises `WeightSetError` if there is none."""
    found = checkpoint.read(path)
    try:
        return replace(found, tensors=renamed(found))
    except ValueError as error:
        raise checkpoint.refusal(found.path, error) from error


def renamed(found: Checkpoint) -> dict[str, Stored]:
    """The checkpoint's tensors under torchvision's names, in its order; raises `ValueError` if it is no ResNet-50."""
    given: dict[str, Stored] = {}
    for name, tensor in found.tensors.items():
        if len(name) > LONGEST_NAME:
            raise ValueError(f"a tensor in it has a name of {len(name):,} characters")
        own = torchvisions(name)
        if own.rpartition(".")[2] in COUNTERS:
            continue
        if own in given:
            raise ValueError(f"it has {own} twice, under different prefixes: two networks?")
        given[own] = tensor
    for pattern, what in STRANGERS:
        if any(re.fullmatch(pattern, name) for name in given):
            raise ValueError(what)
    if "conv1.weight" not in given or len(given["conv1.weight"].shape) != 4:
        raise ValueError(f"not a ResNet-50: it has no conv1.weight, but {', '.join(sorted(given)[:3])} and so on")
    check_depth(given)
    check_settings(found.path)
    return fitting(with_head(given))


def torchvisions(name: str) -> str:
    """What torchvision calls a tensor."""
    while prefix := next((one for one in PREFIXES if name.startswith(one)), ""):
        name = name.removeprefix(prefix)
    module, dot, last = name.rpartition(".")
    for pattern, own in TRANSFORMERS:
        if at := re.fullmatch(pattern, module):
            return own(at) + dot + last
    return name


def check_depth(given: Mapping[str, Stored]) -> None:
    """Raises `ValueError` if the stages have other numbers of blocks than a ResNet-50's."""
    found = [re.match(r"layer([1-4])\.(\d{1,3})\.", name) for name in given]
    blocks = {(int(match[1]), int(match[2])) for match in found if match}
    counts = tuple(sum(stage == wanted for stage, _ in blocks) for wanted in (1, 2, 3, 4))
    if any(counts) and counts != BLOCKS:
        name = f" ({DEPTHS[counts]})" if counts in DEPTHS else ""
        has = ", ".join(map(str, counts))
        raise ValueError(f"not a ResNet-50: its stages have {has} blocks{name}, not {', '.join(map(str, BLOCKS))}")
    if blocks and not any(re.match(r"layer1\.0\.(conv|bn)3\.", name) for name in given):
        raise ValueError("not a ResNet-50: its blocks have two convolutions, like a ResNet-34's, not three")


def with_head(given: Mapping[str, Stored]) -> dict[str, Stored]:
    """The tensors with the last layer, whatever it is called, as fc; raises `ValueError` if it is not one layer."""
    inside = tensors(classes=1).keys() - {"fc.weight", "fc.bias"}
    linear = {name: one for name, one in given.items() if name not in inside and len(one.shape) == 2}
    heads = sorted(name.rpartition(".")[0] for name in linear)
    if len(heads) != 1:
        what = f"several layers ({', '.join(heads[:3])})" if heads else "none: it ends without classifying"
        raise ValueError(f"a ResNet-50's head is one linear layer with a bias, and this one has {what}")
    head = heads[0]
    if f"{head}.weight" not in linear or f"{head}.bias" not in given:
        raise ValueError(f"a ResNet-50's head is one linear layer with a bias, and {head} has no weight or no bias")
    names = {f"{head}.weight": "fc.weight", f"{head}.bias": "fc.bias"}
    return {names.get(name, name): one for name, one in given.items()}


def fitting(given: Mapping[str, Stored]) -> dict[str, Stored]:
    """The tensors in torchvision's order; raises `ValueError` if one is missing, has another shape, or is too many."""
    width, classes = given["conv1.weight"].shape[0], given["fc.weight"].shape[0]
    expected = tensors(width, classes)
    for name, shape in expected.items():
        if name not in given:
            raise ValueError(f"not a ResNet-50: it has no {name}")
        if given[name].shape != shape:
            wider = ", like a ResNeXt or a wide ResNet" if re.match(r"layer1\.0\.(conv|bn)[12]", name) else ""
            raise ValueError(f"not a ResNet-50: {name} has shape {given[name].shape}{wider}, not {shape}")
    if more := sorted(given.keys() - expected.keys()):
        raise ValueError(f"not a ResNet-50, which has no {more[0]}")
    return {name: given[name] for name in expected}


def check_settings(path: Path) -> None:
    """Raises `ValueError` if the config.json of transformers or timm beside the file tells of another network.

    These differ in what has no weights, so that the names and the shapes are the same.
    """
    try:
        config: Any = strict_json.loads(checkpoint.content_of(path.with_name("config.json"), LARGEST_CONFIG))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError("the config.json beside it can't be read") from error
    if not isinstance(config, dict):
        return
    transformers, name = config.get("model_type") == "resnet", config.get("architecture")
    if transformers and config.get("downsample_in_bottleneck"):
        raise ValueError("its config.json says downsample_in_bottleneck: it is v1, with the stride in the 1x1")
    if transformers and (config.get("downsample_in_first_stage") or config.get("hidden_act", "relu") != "relu"):
        raise ValueError("its config.json states another stride or activation than a ResNet-50's")
    if isinstance(name, str) and "num_features" in config and not UNSEEN.fullmatch(name.partition(".")[0]):
        raise ValueError(f"its config.json calls it {name}, which is not the plain resnet50")
