/* A register of float32 numbers, and what the operators do with one: AVX2 on x86-64, NEON on 64-bit ARM.
 * gcc and clang also have the operators + - * / for registers. */
#ifndef LANES_H
#define LANES_H

#include <stddef.h>

#ifdef __aarch64__
#include <arm_neon.h>
#define EITHER(avx2, neon) neon
#define LANES ((ptrdiff_t)4)
typedef float32x4_t vector;
typedef ptrdiff_t lane_mask; /* NEON cannot mask: how many lanes are on */
#else
#include <immintrin.h>
#define EITHER(avx2, neon) avx2
#define LANES ((ptrdiff_t)8)
typedef __m256 vector;
typedef __m256i lane_mask;
#endif

static inline vector load(const float *from)
{
    return EITHER(_mm256_loadu_ps(from), vld1q_f32(from));
}

static inline void store(float *to, vector value)
{
    EITHER(_mm256_storeu_ps(to, value), vst1q_f32(to, value));
}

/* The same number in each lane. */
static inline vector broadcast(float number)
{
    return EITHER(_mm256_set1_ps(number), vdupq_n_f32(number));
}

/* a * b + c, rounded once. */
static inline vector multiply_add(vector a, vector b, vector c)
{
    return EITHER(_mm256_fmadd_ps(a, b, c), vfmaq_f32(c, a, b));
}

static inline vector square_root(vector value)
{
    return EITHER(_mm256_sqrt_ps(value), vsqrtq_f32(value));
}

/* The larger of each lane; b where b is NaN. */
static inline vector maximum(vector a, vector b)
{
    return EITHER(_mm256_max_ps(a, b), vmaxq_f32(a, b));
}

/* The larger of each lane; NaN wins, as it does with NEON.  AVX2 gives the second operand when either is NaN. */
static inline vector larger(vector a, vector b)
{
    return EITHER(_mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q)), vmaxq_f32(a, b));
}

/* A mask of the first `count` lanes, all of them from LANES on: lane i is on if i < count. */
static inline lane_mask first_lanes(ptrdiff_t count)
{
    const ptrdiff_t on = count < LANES ? count : LANES;
    return EITHER(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)on), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)), on);
}

/* Lanes that are off are not read, but zero. */
static inline vector load_lanes(const float *from, lane_mask lanes)
{
#ifdef __aarch64__
    if (lanes == LANES)
        return load(from);
    vector value = broadcast(0.0f);
    for (ptrdiff_t i = 0; i < lanes; i++)
        value[i] = from[i];
    return value;
#else
    return _mm256_maskload_ps(from, lanes);
#endif
}

/* Lanes that are off are not written. */
static inline void store_lanes(float *to, lane_mask lanes, vector value)
{
#ifdef __aarch64__
    if (lanes == LANES) {
        store(to, value);
        return;
    }
    for (ptrdiff_t i = 0; i < lanes; i++)
        to[i] = value[i];
#else
    _mm256_maskstore_ps(to, lanes, value);
#endif
}

#endif
