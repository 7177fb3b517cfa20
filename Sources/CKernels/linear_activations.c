// Activations in the form that the kernels want: bytes with a scale for each 32 elements, or floats
// as they are.

#include "linear_layout.h"

// A fused multiply-add would round once where the others round twice.
#pragma STDC FP_CONTRACT OFF

// Bits of infinity, and of 2^-100: below that 127 / x might overflow.
#define INFINITE 0x7F800000
#define SMALLEST 0x0D800000
#define ROUNDING 12582912.0f

#define NAME(function) function##_portable
#include "linear_activations.h"
#undef NAME

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define NAME(function) function##_avx2
#include "linear_activations.h"
#undef NAME
#pragma clang attribute pop

#pragma clang attribute push(                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2"))), apply_to = function)
#define NAME(function) function##_avx512
#include "linear_activations.h"
#undef NAME
#pragma clang attribute pop

#include "linear_activations_avx512.h"

#endif

void kapok_linear_pack_activations_with(
    kapok_linear_implementation implementation, kapok_weight_type type, size_t columns,
    const float *x, size_t x_stride, size_t tokens, void *packed) {
    const size_t bytes = kapok_linear_activation_bytes(type, columns);
    const size_t blocks = columns / BLOCK;
    uint8_t *target = packed;
    for (size_t t = 0; t < tokens; t++, x += x_stride, target += bytes) {
        if (is_float(type)) {
            memcpy(target, x, columns * sizeof(float));
            continue;
        }
        activation_block *extras = (activation_block *)(target + blocks * BLOCK);
        switch (implementation) {
#if defined(__x86_64__)
        case KAPOK_LINEAR_AVX2: pack_blocks_avx2(blocks, x, target, extras); break;
        case KAPOK_LINEAR_AVX512: pack_token_avx512(blocks, x, target, extras); break;
#endif
        default: pack_blocks_portable(blocks, x, target, extras);
        }
    }
}

void kapok_linear_pack_activations(
    kapok_weight_type type, size_t columns, const float *x, size_t x_stride, size_t tokens,
    void *packed) {
    kapok_linear_pack_activations_with(
        kapok_linear_chosen(), type, columns, x, x_stride, tokens, packed);
}
