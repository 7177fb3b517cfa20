// Rows of FP32 numbers: the functions of fp32_tile.h for each instruction set, and their choice.
// The loops stand in fp32_tile_rows.h in plain C; the compiler turns them into vectors of the
// width that each inclusion allows.

#include "CKernels.h"

#include <math.h>
#include <string.h>

// A fused multiply-add rounds once where the stated arithmetic rounds twice.
#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))

#define NAME(function) function##_portable
#include "fp32_tile_rows.h"
#undef NAME

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NAME(function) function##_avx2
#include "fp32_tile_rows.h"
#undef NAME
#pragma clang attribute pop

#pragma clang attribute push(                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#define NAME(function) function##_avx512
#include "fp32_tile_rows.h"
#undef NAME
#pragma clang attribute pop

#endif

int kapok_fp32_supports(kapok_fp32_implementation implementation) {
    switch (implementation) {
    case KAPOK_FP32_PORTABLE: return 1;
#if defined(__x86_64__)
    case KAPOK_FP32_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case KAPOK_FP32_AVX512:
        return kapok_fp32_supports(KAPOK_FP32_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    default: return 0;
    }
}

static kapok_fp32_implementation chosen = KAPOK_FP32_PORTABLE;

// At load time, before any thread runs: what follows reads it without synchronisation.
__attribute__((constructor)) static void choose(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    for (int i = KAPOK_FP32_AVX512; i > KAPOK_FP32_PORTABLE; i--) {
        if (kapok_fp32_supports((kapok_fp32_implementation)i)) {
            chosen = (kapok_fp32_implementation)i;
            return;
        }
    }
}

kapok_fp32_implementation kapok_fp32_chosen(void) { return chosen; }

const kapok_fp32_rows *kapok_fp32_rows_of(kapok_fp32_implementation implementation) {
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_FP32_AVX2: return &rows_avx2;
    case KAPOK_FP32_AVX512: return &rows_avx512;
#endif
    default: return &rows_portable;
    }
}
