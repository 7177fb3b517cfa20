// Linear layers: sizes, the choice of an implementation and the calls.

#include "linear_layout.h"

#include <stdatomic.h>

int kapok_linear_supports(kapok_linear_implementation implementation) {
    switch (implementation) {
    case KAPOK_LINEAR_PORTABLE: return 1;
#if defined(__x86_64__)
    case KAPOK_LINEAR_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("f16c");
    case KAPOK_LINEAR_AVX512:
        return kapok_linear_supports(KAPOK_LINEAR_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
#endif
    default: return 0;
    }
}

static _Atomic(kapok_linear_implementation) chosen = KAPOK_LINEAR_PORTABLE;

__attribute__((constructor)) static void choose_best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    for (int i = KAPOK_LINEAR_AVX512; i > KAPOK_LINEAR_PORTABLE; i--) {
        if (kapok_linear_supports((kapok_linear_implementation)i)) {
            kapok_linear_choose((kapok_linear_implementation)i);
            return;
        }
    }
}

kapok_linear_implementation kapok_linear_chosen(void) {
    return atomic_load_explicit(&chosen, memory_order_relaxed);
}

void kapok_linear_choose(kapok_linear_implementation implementation) {
    atomic_store_explicit(&chosen, implementation, memory_order_relaxed);
}

size_t kapok_linear_packed_bytes(kapok_weight_type type, size_t rows, size_t columns) {
    const size_t groups = (rows + KAPOK_LINEAR_ROWS - 1) / KAPOK_LINEAR_ROWS;
    return groups * group_bytes(type, columns);
}

size_t kapok_linear_activation_bytes(kapok_weight_type type, size_t columns) {
    if (is_float(type)) return up_to_64(columns * sizeof(float));
    return up_to_64(columns / BLOCK * (BLOCK + sizeof(activation_block)));
}

int kapok_linear_same_activations(kapok_weight_type a, kapok_weight_type b) {
    return is_float(a) == is_float(b);
}

void kapok_linear(
    kapok_weight_type type, size_t columns, const void *packed_weights, size_t row_begin,
    size_t row_end, const void *packed_activations, size_t tokens, float *y, size_t y_stride) {
    kapok_linear_with(
        kapok_linear_chosen(), type, columns, packed_weights, row_begin, row_end,
        packed_activations, tokens, y, y_stride);
}

void kapok_linear_with(
    kapok_linear_implementation implementation, kapok_weight_type type, size_t columns,
    const void *packed_weights, size_t row_begin, size_t row_end, const void *packed_activations,
    size_t tokens, float *y, size_t y_stride) {
    const linear_call call = {
        .type = type,
        .columns = columns,
        .weights = packed_weights,
        .row_begin = row_begin,
        .row_end = row_end,
        .activations = packed_activations,
        .activation_stride = kapok_linear_activation_bytes(type, columns),
        .tokens = tokens,
        .y = y,
        .y_stride = y_stride,
    };
    switch (implementation) {
#if defined(__x86_64__)
    case KAPOK_LINEAR_AVX2: kapok_linear_multiply_avx2(&call); return;
    case KAPOK_LINEAR_AVX512: kapok_linear_multiply_avx512(&call); return;
#endif
    default: kapok_linear_multiply_portable(&call);
    }
}

void kapok_linear_integers(
    kapok_linear_implementation implementation, size_t columns, const void *packed_weights,
    size_t row_begin, size_t row_end, const void *packed_activations, size_t tokens, int32_t *y,
    size_t y_stride) {
    const linear_call call = {
        .type = KAPOK_WEIGHT_Q8_0,
        .columns = columns,
        .weights = packed_weights,
        .row_begin = row_begin,
        .row_end = row_end,
        .activations = packed_activations,
        .activation_stride = kapok_linear_activation_bytes(KAPOK_WEIGHT_Q8_0, columns),
        .tokens = tokens,
        .y_stride = y_stride,
    };
#if defined(__x86_64__)
    if (implementation == KAPOK_LINEAR_AVX512) {
        kapok_linear_integers_avx512(&call, y);
        return;
    }
#endif
    kapok_linear_integers_portable(&call, y);
}
