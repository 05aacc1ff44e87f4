/* A question to valgrind, for Python: a program under its eyes may compute with numbers that nobody ever wrote, as long
 * as nothing depends on them; the logits must not come of such. */
#include <stddef.h>
#include <valgrind/memcheck.h>

/* Valgrind reports an error if one of the `size` bytes at `start` is not defined. */
void require_defined(const void *start, size_t size)
{
    (void)VALGRIND_CHECK_MEM_IS_DEFINED(start, size);
}
