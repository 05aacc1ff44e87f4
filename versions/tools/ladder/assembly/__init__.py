"""`asm`: what the compiler made of a version's C."""
