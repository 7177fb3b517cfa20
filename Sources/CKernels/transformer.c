// The functions of transformer.h for each instruction set, and their choice. They stand in
// transformer_rows.h and transformer_attention.h, once, in vectors of 16 floats; each inclusion
// turns those into the vectors that its instruction set has.

#include "CKernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// A compiler that fuses where it can would give each instruction set results of its own: what is
// fused below says so.
#pragma STDC FP_CONTRACT OFF
// Vectors go to inlined functions alone: there is no calling convention to disagree about.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef float v16 __attribute__((vector_size(64)));
typedef float v16_anywhere __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef uint32_t u16 __attribute__((vector_size(64)));
typedef uint16_t h16_anywhere __attribute__((vector_size(32), aligned(2), may_alias));

// What the implementations are called through.
typedef struct {
    void (*rms_norm)(float *, const float *, const float *, size_t, float);
    void (*add)(float *, const float *, size_t);
    void (*scale)(float *, float, size_t);
    void (*silu_product)(float *, const float *, const float *, size_t);
    void (*power_of_two)(float *, const float *, size_t);
    void (*rotate)(float *, const float *, size_t, int);
    void (*store_key_value)(void *, size_t, const float *, const float *, size_t);
    void (*attention_segment)(
        const kapok_attention *, const float *, size_t, size_t, size_t, kapok_attention_state,
        void *);
    void (*attention_merge)(kapok_attention_state, kapok_attention_state, size_t, size_t);
    void (*attention_finish)(float *, kapok_attention_state, size_t, size_t);
} functions;

// TILE: how many vectors of 16 accumulate at once beside up to 6 rows: what fits in registers.
#define NAME(function) function##_portable
#define TILE 1
#include "transformer_rows.h"
#include "transformer_attention.h"
#undef NAME
#undef TILE

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define NAME(function) function##_avx2
#define TILE 1
#define HAS_F16C 1
#include "transformer_rows.h"
#include "transformer_attention.h"
#undef NAME
#undef TILE
#undef HAS_F16C
#pragma clang attribute pop

#pragma clang attribute push(                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))),                   \
    apply_to = function)
#define NAME(function) function##_avx512
#define TILE 4
#define HAS_F16C 1
#define HAS_AVX512 1
#include "transformer_rows.h"
#include "transformer_attention.h"
#undef NAME
#undef TILE
#undef HAS_F16C
#undef HAS_AVX512
#pragma clang attribute pop

#endif

int kapok_transformer_supports(kapok_transformer_implementation implementation) {
    switch (implementation) {
    case KAPOK_TRANSFORMER_PORTABLE: return 1;
#if defined(__x86_64__)
    case KAPOK_TRANSFORMER_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("f16c");
    case KAPOK_TRANSFORMER_AVX512:
        return kapok_transformer_supports(KAPOK_TRANSFORMER_AVX2) &&
               __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    default: return 0;
    }
}

static kapok_transformer_implementation chosen = KAPOK_TRANSFORMER_PORTABLE;
static const functions *table = &functions_portable;

void kapok_transformer_choose(kapok_transformer_implementation implementation) {
    chosen = implementation;
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_TRANSFORMER_AVX2: table = &functions_avx2; break;
    case KAPOK_TRANSFORMER_AVX512: table = &functions_avx512; break;
#endif
    default: table = &functions_portable; break;
    }
}

// At load time, before any thread runs: what follows reads it without synchronisation.
__attribute__((constructor)) static void choose(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    for (int i = KAPOK_TRANSFORMER_AVX512; i >= KAPOK_TRANSFORMER_PORTABLE; i--) {
        if (kapok_transformer_supports((kapok_transformer_implementation)i)) {
            kapok_transformer_choose((kapok_transformer_implementation)i);
            return;
        }
    }
}

kapok_transformer_implementation kapok_transformer_chosen(void) { return chosen; }

void kapok_rms_norm(float *y, const float *x, const float *weights, size_t count, float epsilon) {
    table->rms_norm(y, x, weights, count, epsilon);
}

void kapok_add(float *x, const float *y, size_t count) { table->add(x, y, count); }

void kapok_scale(float *x, float factor, size_t count) { table->scale(x, factor, count); }

void kapok_silu_product(float *y, const float *gate, const float *up, size_t count) {
    table->silu_product(y, gate, up, count);
}

void kapok_power_of_two(float *y, const float *x, size_t count) {
    table->power_of_two(y, x, count);
}

void kapok_rotation(
    float *turns, const float *frequencies, size_t pairs, size_t position, float magnitude) {
    for (size_t i = 0; i < pairs; i++) {
        const double angle = (double)position * (double)frequencies[i];
        turns[i] = (float)(cos(angle) * (double)magnitude);
        turns[pairs + i] = (float)(sin(angle) * (double)magnitude);
    }
}

void kapok_rotate(float *head, const float *turns, size_t pairs, int halves) {
    table->rotate(head, turns, pairs, halves);
}

void kapok_store_key_value(
    void *keys, size_t token_in_page, const float *key, const float *value, size_t head_width) {
    table->store_key_value(keys, token_in_page, key, value, head_width);
}

size_t kapok_attention_scratch_bytes(size_t head_width, size_t rows) {
    // Sums of weights by lane, scores, and a block of keys or of values as floats.
    const size_t block = kapok_value_stride(head_width) * KAPOK_ATTENTION_BLOCK;
    return (rows * 16 + rows * KAPOK_ATTENTION_BLOCK + block) * sizeof(float);
}

void kapok_attention_segment(
    const kapok_attention *attention, const float *queries, size_t rows, size_t position,
    size_t segment, kapok_attention_state state, void *scratch) {
    table->attention_segment(attention, queries, rows, position, segment, state, scratch);
}

void kapok_attention_merge(
    kapok_attention_state into, kapok_attention_state segment, size_t rows, size_t head_width) {
    table->attention_merge(into, segment, rows, head_width);
}

void kapok_attention_finish(
    float *output, kapok_attention_state state, size_t row, size_t head_width) {
    table->attention_finish(output, state, row, head_width);
}
