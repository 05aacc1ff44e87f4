/* `ops.Program`: a plan as Python has it. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "border.h"

/* Adds the class to the module; returns -1 if it raised. */
int add_program(PyObject *module);

#endif
