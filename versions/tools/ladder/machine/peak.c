/* The most multiply-adds that one core of this processor can start: FMA instructions that wait for nothing.
 *
 * Each function runs `rounds` times over 12 independent chains x = x * factor + term, all lanes of a register at once,
 * and returns the sum of the chains, so that no compiler can leave the work out.  An FMA takes 4 or 5 cycles and 2
 * start in each, so 10 chains keep both units busy; 12 leave a margin, and with the factor and the term they still fit
 * into AVX2's 16 registers.  The optimiser (-O3) unrolls the loop over the chains and so keeps them in registers.
 * Whoever calls a function asks first whether the processor has its instructions. */
#if defined(__x86_64__)
#include <immintrin.h>

enum { CHAINS = 12 };

/* Volatile, so that the compiler can't foresee the result.  x goes to term / (1 - factor) = 2: far from infinity and
 * from the denormal numbers, which are slow.  The chains begin apart from one another: equal ones would become one. */
static const volatile float factor = 0.5f, term = 1.0f;

__attribute__((target("avx2,fma"))) float peak_avx2(long rounds)
{
    const __m256 factors = _mm256_set1_ps(factor), terms = _mm256_set1_ps(term);
    __m256 x[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        x[i] = _mm256_set1_ps((float)i);
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm256_fmadd_ps(x[i], factors, terms);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm256_add_ps(x[0], x[i]);
    return _mm256_cvtss_f32(x[0]);
}

__attribute__((target("avx512f"))) float peak_avx512(long rounds)
{
    const __m512 factors = _mm512_set1_ps(factor), terms = _mm512_set1_ps(term);
    __m512 x[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        x[i] = _mm512_set1_ps((float)i);
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_fmadd_ps(x[i], factors, terms);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    return _mm512_cvtss_f32(x[0]);
}
#elif defined(__aarch64__)
#include <arm_neon.h>

/* Twice as many chains, for some processors start 4 FMAs in a cycle; there are 32 registers. */
enum { CHAINS = 24 };

static const volatile float factor = 0.5f, term = 1.0f;

float peak_neon(long rounds)
{
    const float32x4_t factors = vdupq_n_f32(factor), terms = vdupq_n_f32(term);
    float32x4_t x[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        x[i] = vdupq_n_f32((float)i);
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = vfmaq_f32(terms, x[i], factors);
    for (int i = 1; i < CHAINS; i++)
        x[0] = vaddq_f32(x[0], x[i]);
    return vgetq_lane_f32(x[0], 0);
}
#endif
