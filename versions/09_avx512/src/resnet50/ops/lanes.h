/* Eight float32 numbers at a time: which lanes of a register hold one. */
#ifndef LANES_H
#define LANES_H

#include <immintrin.h>
#include <stddef.h>

enum { LANES = 8 };

/* A mask of the first `count` lanes, all of them from 8 on: lane i is on if i < count. */
static inline __m256i first_lanes(ptrdiff_t count)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < LANES ? (int)count : LANES), lane);
}

#endif
