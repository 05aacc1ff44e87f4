"""Reading objdump: whose line an instruction is, what it counts as, where the loops are."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ladder.assembly.objdump import Function, Instruction, count, disassemble, parse
from ladder.core import processor
from ladder.core.errors import LadderError

# As objdump -d -r -l --inlines prints it; /src is the version's folder.
TEXT = """
/b/conv2d.c.o:     file format elf64-x86-64


Disassembly of section .text:

0000000000000000 <conv2d>:
conv2d():
/b/../src/conv2d.c:71
   0:\tpush   rbp
_mm256_fmadd_ps():
/usr/lib/gcc/fmaintrin.h:65
inlined by /src/lanes.h:7 (load)
inlined by /b/../src/conv2d.c:26 (conv2d)
   1:\tvfmadd231ps ymm0,ymm1,YMMWORD PTR [rax]
   6:\tvfmadd231ps ymm2,ymm1,YMMWORD PTR [rax+0x20]
inlined by /src/conv2d.c:30 (conv2d)
   c:\tvfmadd231ps ymm3,ymm1,YMMWORD PTR [rax+0x40]
main():
/src/conv2d.c:75 (discriminator 3)
  12:\tjne    1 <conv2d+0x1>
  18:\tcall   1d <conv2d+0x1d>
\t\t\t19: R_X86_64_PLT32\tmemcpy-0x4
  1d:\tvmovss xmm0,DWORD PTR [rip+0x0]        # 25 <conv2d+0x25>
\t\t\t21: R_X86_64_PC32\t.LC0-0x4
  25:\tcs nop WORD PTR [rax+rax*1+0x0]
  2f:\tret

0000000000000030 <other>:
other():
/elsewhere/other.c:1
  30:\tret
"""


def test_instructions_belong_to_the_innermost_line_in_the_folder():
    conv2d, other = parse(TEXT, Path("/src"))
    lines = [one.source and (one.source[0].name, one.source[1]) for one in conv2d.instructions]
    assert lines[:4] == [("conv2d.c", 71), ("lanes.h", 7), ("lanes.h", 7), ("conv2d.c", 30)]
    assert set(lines[4:]) == {("conv2d.c", 75)}
    assert (other.name, [one.source for one in other.instructions]) == ("other", [None])


def test_prefixes_and_remarks_are_left_out_and_names_put_in():
    conv2d, _ = parse(TEXT, Path("/src"))
    assert [str(one) for one in conv2d.instructions[4:]] == [
        "jne 1 <conv2d+0x1>",
        "call memcpy",
        "vmovss xmm0,DWORD PTR [rip+0x0]  ; .LC0",
        "nop WORD PTR [rax+rax*1+0x0]",
        "ret ",
    ]
    [loop] = conv2d.loops()
    assert [one.address for one in loop] == [0x1, 0x6, 0xC, 0x12]
    assert count(loop) == {"all": 4, "FMA": 3, "loads": 3}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("vfmadd231ps ymm0,ymm1,YMMWORD PTR [rax]", "FMA loads"),
        ("vfnmadd132ss xmm0,xmm1,xmm2", "FMA"),
        ("vpdpbusd zmm0,zmm1,zmm2", "FMA"),
        ("vaddps ymm0,ymm1,ymm2", "vector"),
        ("vmulps ymm0,ymm1,YMMWORD PTR [rax]", "vector loads"),
        ("vbroadcastss ymm0,DWORD PTR [rax]", "vector loads"),
        ("vpmaxsd ymm0,ymm1,ymm2", "vector"),
        ("vmovups YMMWORD PTR [rax],ymm0", "vector stores"),
        ("mulss xmm0,DWORD PTR [rax+4]", "scalar loads"),
        ("cvtsi2ss xmm0,eax", "scalar"),
        ("vmovss DWORD PTR [rax],xmm0", "scalar stores"),
        ("vucomiss xmm0,DWORD PTR [rax]", "scalar loads"),
        ("vxorps xmm1,xmm1,xmm1", ""),
        ("vxorps xmm1,xmm1,xmm2", "vector"),
        ("pxor xmm3,xmm3", ""),
        ("vmovaps ymm1,ymm2", ""),
        ("vzeroupper ", ""),
        ("mov rax,QWORD PTR [rsp-0x8]", "loads"),
        ("mov QWORD PTR [rsp-0x8],rax", "stores"),
        ("add QWORD PTR [rsp-0x8],0x1", "loads stores"),
        ("add rax,QWORD PTR [rsp-0x8]", "loads"),
        ("cmp QWORD PTR [rsp-0x8],0x40", "loads"),
        ("imul rax,QWORD PTR [rcx+0x38]", "loads"),
        ("lea rax,[rdi+rax*4]", ""),
        ("nop DWORD PTR [rax]", ""),
        ("prefetcht0 BYTE PTR [rax]", ""),
        ("call memcpy", "calls"),
        ("call QWORD PTR [rip+0x0]  ; sqrtf@GOTPCREL", "calls loads"),
        ("jmp 40 <conv2d+0x40>", ""),
        ("push rbp", ""),
    ],
)
def test_what_an_instruction_counts_as(text: str, kinds: str):
    mnemonic, _, operands = text.partition(" ")
    assert sorted(Instruction(0, mnemonic, operands, None).kinds()) == sorted(["all", *kinds.split()])


def test_jumps_out_of_a_function_are_no_loops():
    jump = Instruction(0x40, "jmp", "10 <elsewhere+0x10>", None)
    assert Function("tail", [Instruction(0x3C, "nop", "", None), jump]).loops() == []


@pytest.mark.skipif(
    "x86_64" not in processor.features() or not (shutil.which("cc") and shutil.which("objdump")),
    reason="needs a C compiler and objdump for x86-64",
)
def test_a_compiled_file_is_read(tmp_path: Path):
    source = tmp_path / "sum.c"
    source.write_text(
        "float get(int i);\n"
        "float sum(const float *x, int n)\n"
        "{\n"
        "    float total = get(n);\n"
        "    for (int i = 0; i < n; i++)\n"
        "        total += x[i];\n"
        "    return total;\n"
        "}\n"
    )
    target = tmp_path / "sum.o"
    # Without vectorising and unrolling: the loop must be the plain one.
    flags = ["-O2", "-g", "-fno-tree-vectorize", "-fno-unroll-loops"]
    subprocess.run(["cc", *flags, "-c", str(source), "-o", str(target)], check=True)
    [function] = disassemble(target, tmp_path)
    assert function.name == "sum" and count(function.instructions)["calls"] == 1
    assert any("get" in one.operands for one in function.instructions if one.mnemonic == "call")
    [loop] = function.loops()
    counts = count(loop)
    assert (counts["scalar"], counts["loads"], counts["stores"], counts["vector"]) == (1, 1, 0, 0)
    assert {one.source for one in loop} <= {(source, 5), (source, 6)} and (source, 6) in {one.source for one in loop}


def test_without_objdump_there_is_a_sentence(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LadderError, match=r"objdump .* was not found"):
        disassemble(tmp_path / "a.o", tmp_path)


@pytest.mark.skipif(not shutil.which("objdump"), reason="needs objdump")
def test_a_file_that_is_no_object_file_gives_a_sentence(tmp_path: Path):
    (tmp_path / "a.o").write_text("text")
    with pytest.raises(LadderError, match="objdump failed"):
        disassemble(tmp_path / "a.o", tmp_path)
