"""The first sentences and the tables of README.md, from the results of one run at both sizes."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ladder.timing.bench_text import NOISE, duration, rounded
from ladder.timing.ratios import CONFIDENCE, FEWEST

SIZES = (64, 224)  # 01 is timed only at the first
CHART = Path("versions/bench.svg")
FAMOUS = "ONNX Runtime"  # what most would take: the comparison with it is told, also if another peer is faster
CHANGED = r"\*"  # after the name of a version that is no longer what was timed
WIDEST = {"AVX-512": "avx512f", "AVX2": "avx2"}  # instructions, and how /proc/cpuinfo spells them

Found = dict[int, dict[str, Any]]  # size -> its results, `Results.as_json`
Measured = dict[int, dict[str, Any]]  # size -> a version's or peer's line in them


def sections(found: Found, changed: Collection[str]) -> dict[str, str]:
    """The sections by the names in their markers; `changed`: the versions that are no longer what was timed."""
    return {"summary": summary(found, changed), "bench": tables(found, changed)}


def summary(found: Found, changed: Collection[str]) -> str:
    """The whole ladder in three sentences, in float32 and with one thread; and the chart, in Markdown."""
    run = found[min(found)]
    versions = [line for line in run["versions"] if plain(line)]
    first, last, size = versions[0], versions[-1], f"{run['size']} x {run['size']}"
    ratio = rounded(first["median"] / last["median"], rough=True)
    names = [f"`{line['name']}`" for line in (first, last) if line["name"] in changed]
    since = f"; {' and '.join(names)} {'have' if len(names) > 1 else 'has'} changed since" * bool(names)
    text = (
        "A neural network that names what is in a photograph, written from scratch, version after version, each with "
        f"one more idea. For a picture of {size} pixels, `{first['name']}` takes {duration(first)} and "
        f"`{last['name']}` {duration(last)}: **{ratio} times as fast**{libraries(found)} "
        f"(one thread each, on {run['processor']['name']}{since})."
    )
    return f"{text}\n\n![How long one picture takes with each version, and with libraries]({CHART.as_posix()})"


def libraries(found: Found) -> str:
    """The last sentence: the comparison with the fastest of the peers at the larger size, and with FAMOUS."""
    size = max(found)
    peers = [line for line in found[size]["peers"] if plain(line) and line["faster"]]
    best = max(peers, key=lambda line: line["faster"]["median"], default=None)
    if not best:
        return ""
    told = {line["name"]: rounded(1 / line["faster"]["median"]) for line in peers if line["name"] == FAMOUS}
    famous = "".join(f", and {ratio} times as fast as {name}" for name, ratio in told.items() if name != best["name"])
    return (
        f". At {size} x {size} it is **{rounded(1 / best['faster']['median'])} times as fast as {best['name']}**, the "
        f"fastest of the libraries tried{famous}"
    )


def plain(line: dict[str, Any]) -> bool:
    """Whether a version or peer computes in float32 with one thread."""
    return line["threads"] == 1 and not line["int8"]


def command(size: int, *options: str) -> str:
    """The command that measures this size."""
    options = (*options, *[f"--size {size}"] * (size != 224))
    return " ".join(["nox -s bench", *["--"] * bool(options), *options])


def tables(found: Found, changed: Collection[str]) -> str:
    """The tables, and how they were measured, in Markdown."""
    times = [f"{size} x {size}" for size in SIZES]
    versions = lines(found, "versions")
    rows = [
        row(f"[`{one}`](versions/{one})" + CHANGED * (one in changed), threads, of) for (one, threads), of in versions
    ]
    texts = [table(["version", "the idea", *times, "against the one before", "of peak"], rows, texts=2)]
    if peers := lines(found, "peers"):
        heads = ["peer", "how it is run", *times, f"against `{versions[-1][0][0]}`", "of peak"]
        texts.append(table(heads, [row(one, threads, of) for (one, threads), of in peers], texts=2))
    return "\n\n".join([*texts, how(found, changed)])


def lines(found: Found, kind: str) -> list[tuple[tuple[str, int], Measured]]:
    """The name, number of threads and measurements of each version or peer, in the order of the results."""
    merged: dict[tuple[str, int], Measured] = {}
    for size, results in found.items():
        for line in results[kind]:
            merged.setdefault((line["name"], line["threads"]), {})[size] = line
    return sorted(merged.items()) if kind == "versions" else list(merged.items())


def table(heads: list[str], rows: list[list[str]], texts: int) -> str:
    """A Markdown table with so many columns of text, then numbers."""
    rules = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rules, *rows])


def row(name: str, threads: int, measured: Measured) -> list[str]:
    """The cells of one row; everything but the times, whose units stay in their line, is from the largest size."""
    times = [duration(measured[size]).replace(" ", "&nbsp;") if size in measured else "" for size in SIZES]
    line = measured[max(measured)]
    name, idea = (f"{name}, {threads} threads", "") if threads > 1 else (name, line["idea"])
    return [name, idea, *times, ratio(measured), share(line)]


def share(line: dict[str, Any]) -> str:
    """The share of the peak as text; in brackets that of the operations that are really done, if these are others."""
    if line["share_of_peak"] is None:
        return ""
    counted, done = (rounded(100 * line["share_of_peak"] * part, rough=True) for part in (1, line["done"] or 1))
    return f"{counted} %" if line["done"] in (None, 1) else f"{counted} % ({done} %)"


def ratio(measured: Measured) -> str:
    """The speed-up over the row that it is compared with, and its interval."""
    size = max((size for size, line in measured.items() if line["faster"]), default=None)
    if size is None:
        return ""
    return speed_up(measured[size]) + f" at {size} x {size}" * (size != max(SIZES))


def speed_up(line: dict[str, Any]) -> str:
    """How many times as fast as the other a version or peer is, with the interval; empty if that is unknown."""
    faster, noisy = line["faster"], line["spread"] > NOISE
    if not faster:
        return ""
    return f"{rounded(faster['median'], noisy)} ({' to '.join(rounded(end, noisy) for end in faster['interval'])})"


def how(found: Found, changed: Collection[str]) -> str:
    """The sentences that say what the figures mean, and how they were measured."""
    commands = [command(size, *["--peers"] * bool(results["peers"])) for size, results in found.items()]
    others = any(line["done"] not in (None, 1) for results in found.values() for line in results["versions"])
    really = (
        ", where every convolution counts as if it were direct, so that it may pass 100 % (in brackets, the operations "
        "that are really done)"
    )
    return (
        "Median time of one inference; and, at the largest size at which it was timed, the speed-up over the row that "
        f"it is compared with (the ratio within each round: median and its {CONFIDENCE} % confidence interval; none "
        f"from fewer than {FEWEST} rounds) and the share of that many cores' FMA peak{really * others}. "
        f"{provenance(found, commands, bool(changed))}"
    )


def machine(processor: dict[str, Any]) -> str:
    """The processor with its widest instructions: in a virtual machine several generations have the same name."""
    widest = (f" with {name}" for name, flag in WIDEST.items() if flag in processor["vectors"])
    return f"{processor['name']}{next(widest, '')} ({processor['threads']} processors)"


def provenance(found: Found, commands: list[str], marked: bool) -> str:
    """Where, when and with which commands it was measured; `marked`: whether a version has changed since."""
    machines = {f"{machine(results['processor'])}, {results['began'][:10]}" for results in found.values()}
    told = " and ".join(f"`{one}`" for one in commands)
    verb, since = "prints" if len(commands) == 1 else "print", " A version with an asterisk has changed since." * marked
    return f"Measured on {' and '.join(sorted(machines))}; {told} {verb} it for your machine.{since}"
