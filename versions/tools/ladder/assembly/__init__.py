"""`asm`: the machine code that the compiler made from a version's C."""
