// What the processor's multiply-add units can do at most: the base that matrix multiplication is
// measured against.

#include "CKernels.h"

#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Twelve chains are more than latency times units on any processor of today, and fit in sixteen
// registers. The factor lies below 1, so that no chain grows out of the normal numbers.
#define CHAINS 12
static const float factor = 0.999f, summand = 0.001f;

static float peak_portable(uint64_t rounds) {
    float chain[CHAINS];
    for (int c = 0; c < CHAINS; c++) chain[c] = (float)c;
    for (uint64_t r = 0; r < rounds; r++) {
        for (int c = 0; c < CHAINS; c++) chain[c] = fmaf(chain[c], factor, summand);
    }
    float sum = 0;
    for (int c = 0; c < CHAINS; c++) sum += chain[c];
    return sum;
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) static float peak_avx2(uint64_t rounds) {
    __m256 chain[CHAINS];
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; c++) chain[c] = _mm256_set1_ps((float)c);
    const __m256 by = _mm256_set1_ps(factor), plus = _mm256_set1_ps(summand);
    for (uint64_t r = 0; r < rounds; r++) {
#pragma clang loop unroll(full)
        for (int c = 0; c < CHAINS; c++) chain[c] = _mm256_fmadd_ps(chain[c], by, plus);
    }
    __m256 sum = _mm256_setzero_ps();
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; c++) sum = _mm256_add_ps(sum, chain[c]);
    return sum[0];
}

__attribute__((target("avx512f"))) static float peak_avx512(uint64_t rounds) {
    __m512 chain[CHAINS];
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; c++) chain[c] = _mm512_set1_ps((float)c);
    const __m512 by = _mm512_set1_ps(factor), plus = _mm512_set1_ps(summand);
    for (uint64_t r = 0; r < rounds; r++) {
#pragma clang loop unroll(full)
        for (int c = 0; c < CHAINS; c++) chain[c] = _mm512_fmadd_ps(chain[c], by, plus);
    }
    __m512 sum = _mm512_setzero_ps();
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; c++) sum = _mm512_add_ps(sum, chain[c]);
    return sum[0];
}

#endif

float kapok_sgemm_peak(kapok_fp32_implementation implementation, uint64_t rounds) {
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_FP32_AVX2: return peak_avx2(rounds);
    case KAPOK_FP32_AVX512: return peak_avx512(rounds);
#endif
    default: return peak_portable(rounds);
    }
}

size_t kapok_sgemm_peak_lanes(kapok_fp32_implementation implementation) {
    switch (implementation) {
    case KAPOK_FP32_AVX2: return 8;
    case KAPOK_FP32_AVX512: return 16;
    default: return 1;
    }
}
