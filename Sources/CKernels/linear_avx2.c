// Linear layers with AVX2, FMA and F16C.

#include "linear_layout.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define ROWS KAPOK_LINEAR_ROWS

// A group is two vectors of 8 rows, a half each; two halves by this many tokens at once.
#define TOKENS 3

// Weights of vector `j` for half `half` of the rows, one a byte.
AVX2 INLINE __m256i
block_weights(const kapok_weight_type type, const uint8_t *block, const int j, const int half) {
    block += 32 * half;
    if (!has_nibbles(type)) return _mm256_load_si256((const __m256i *)(block + 64 * j));
    __m256i nibbles = _mm256_load_si256((const __m256i *)(block + 64 * (j % 4)));
    if (j >= 4) nibbles = _mm256_srli_epi16(nibbles, 4);
    nibbles = _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
    if (has_fifth_bits(type)) {
        __m256i fifths = _mm256_load_si256((const __m256i *)(block + 256));
        fifths = j < 4 ? _mm256_slli_epi16(fifths, 4 - j) : _mm256_srli_epi16(fifths, j - 4);
        fifths = _mm256_and_si256(fifths, _mm256_set1_epi8(16));
        nibbles = _mm256_or_si256(nibbles, fifths);
    }
    if (type == KAPOK_WEIGHT_Q6_K) {
        __m256i uppers = _mm256_load_si256((const __m256i *)(block + 256 + 64 * (j / 4)));
        const int bit = j % 4 * 2;
        uppers = bit < 4 ? _mm256_slli_epi16(uppers, 4 - bit) : _mm256_srli_epi16(uppers, bit - 4);
        uppers = _mm256_and_si256(uppers, _mm256_set1_epi8(48));
        nibbles = _mm256_or_si256(nibbles, uppers);
    }
    return nibbles;
}

// Adds the products of four columns. Pairs are added in 16 bits: up to 63 * 127 * 2 fits, and so
// does 128 * 127 * 2; 8-bit weights therefore give their sign to the activations.
AVX2 INLINE __m256i
add_products(const kapok_weight_type type, __m256i sum, __m256i weights, __m256i four) {
    if (type == KAPOK_WEIGHT_Q8_0) {
        const __m256i with_sign = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
        weights = _mm256_abs_epi8(with_sign);
        four = _mm256_sign_epi8(four, with_sign);
    }
    const __m256i pairs = _mm256_maddubs_epi16(weights, four);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

AVX2 INLINE __m256 eight_halves(const uint8_t *halves) {
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)halves));
}

AVX2 INLINE __m256 eight_bytes(const uint8_t *bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)));
}

// The scale of each row in block `b` of a run; `part` says which half of a Q6_K block.
AVX2 INLINE __m256 block_scale(
    const kapok_weight_type type, const uint8_t *run, size_t b, const int half, const int part) {
    if (!has_superblocks(type)) return eight_halves(run + 32 * b + 16 * half);
    const uint8_t *bytes = run + 64 + b * 32 + 8 * half;
    const __m256 d = eight_halves(run + 16 * half);
    if (type != KAPOK_WEIGHT_Q6_K) return _mm256_mul_ps(d, eight_bytes(bytes));
    const __m128i scales = _mm_loadl_epi64((const __m128i *)(bytes + 16 * part));
    return _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scales)));
}

AVX2 INLINE __m256
block_minimum(const kapok_weight_type type, const uint8_t *run, size_t b, const int half) {
    const __m256 m = eight_halves(run + 32 + 16 * half);
    if (!has_superblocks(type)) return m;
    const __m256 product = _mm256_mul_ps(m, eight_bytes(run + 80 + b * 32 + 8 * half));
    return _mm256_xor_ps(product, _mm256_set1_ps(-0.0f));
}

// Where a token's integer sum begins: what makes up for weights stored without a sign.
AVX2 INLINE __m256i
first_sum(const kapok_weight_type type, const activation_block *extra, const int part) {
    const int shift = offset_shift(type);
    if (shift < 0 || type == KAPOK_WEIGHT_Q8_0) return _mm256_setzero_si256();
    int offset = extra->offset;
    if (type == KAPOK_WEIGHT_Q6_K) {
        offset = part == 0 ? extra->first_offset : extra->offset - extra->first_offset;
    }
    return _mm256_slli_epi32(_mm256_set1_epi32(offset), shift);
}

AVX2 INLINE void block_tile(
    const linear_call *call, const kapok_weight_type type, const uint8_t *group, const uint8_t *x,
    const int tokens, __m256 sums[2][TOKENS]) {
    const size_t blocks = call->columns / BLOCK, stride = call->activation_stride;
    const int parts = type == KAPOK_WEIGHT_Q6_K ? 2 : 1, count = 8 / parts;
    const uint8_t *extras = x + blocks * BLOCK;
    for (size_t b = 0; b < blocks; b++, x += BLOCK) {
        const uint8_t *run = group + run_offset(type, b), *block = group + block_offset(type, b);
        const size_t in_run = b % run_blocks(type);
        UNROLL for (int part = 0; part < parts; part++) {
            __m256i integers[2][TOKENS];
            UNROLL for (int t = 0; t < tokens; t++) {
                const activation_block *extra =
                    (const activation_block *)(extras + (size_t)t * stride) + b;
                integers[0][t] = integers[1][t] = first_sum(type, extra, part);
            }
            UNROLL for (int j = part * count; j < (part + 1) * count; j++) {
                const __m256i low = block_weights(type, block, j, 0);
                const __m256i high = block_weights(type, block, j, 1);
                UNROLL for (int t = 0; t < tokens; t++) {
                    const __m256i four =
                        _mm256_set1_epi32((int)load_32(x + (size_t)t * stride + 4 * j));
                    integers[0][t] = add_products(type, integers[0][t], low, four);
                    integers[1][t] = add_products(type, integers[1][t], high, four);
                }
            }
            UNROLL for (int half = 0; half < 2; half++) {
                const __m256 scale = block_scale(type, run, in_run, half, part);
                __m256 minimum = _mm256_setzero_ps();
                if (has_minimum(type)) minimum = block_minimum(type, run, in_run, half);
                UNROLL for (int t = 0; t < tokens; t++) {
                    const activation_block *extra =
                        (const activation_block *)(extras + (size_t)t * stride) + b;
                    const __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(extra->scale));
                    __m256 sum = _mm256_fmadd_ps(
                        _mm256_cvtepi32_ps(integers[half][t]), both, sums[half][t]);
                    if (has_minimum(type)) {
                        sum = _mm256_fmadd_ps(minimum, _mm256_set1_ps(extra->scaled_sum), sum);
                    }
                    sums[half][t] = sum;
                }
            }
        }
    }
}

AVX2 INLINE __m256
float_weights(const kapok_weight_type type, const uint8_t *column, const int half) {
    switch (type) {
    case KAPOK_WEIGHT_F32: return _mm256_load_ps((const float *)column + 8 * half);
    case KAPOK_WEIGHT_F16: return eight_halves(column + 16 * half);
    default: {
        const __m128i bits = _mm_load_si128((const __m128i *)column + half);
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
    }
    }
}

AVX2 INLINE void add_column(
    const linear_call *call, const kapok_weight_type type, const uint8_t *column, const uint8_t *x,
    const int tokens, __m256 sums[2][TOKENS]) {
    const __m256 low = float_weights(type, column, 0), high = float_weights(type, column, 1);
    UNROLL for (int t = 0; t < tokens; t++) {
        const __m256 one =
            _mm256_broadcast_ss((const float *)(x + (size_t)t * call->activation_stride));
        sums[0][t] = _mm256_fmadd_ps(low, one, sums[0][t]);
        sums[1][t] = _mm256_fmadd_ps(high, one, sums[1][t]);
    }
}

// Even and odd columns are summed apart: two chains hide the latency of one.
AVX2 INLINE void float_tile(
    const linear_call *call, const kapok_weight_type type, const uint8_t *group, const uint8_t *x,
    const int tokens, __m256 sums[2][TOKENS]) {
    const size_t bytes = ROWS * float_bytes(type);
    __m256 odd[2][TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) odd[0][t] = odd[1][t] = _mm256_setzero_ps();
    size_t k = 0;
    for (; k + 1 < call->columns; k += 2, group += 2 * bytes, x += 2 * sizeof(float)) {
        add_column(call, type, group, x, tokens, sums);
        add_column(call, type, group + bytes, x + sizeof(float), tokens, odd);
    }
    if (k < call->columns) add_column(call, type, group, x, tokens, sums);
    UNROLL for (int t = 0; t < tokens; t++) {
        sums[0][t] = _mm256_add_ps(sums[0][t], odd[0][t]);
        sums[1][t] = _mm256_add_ps(sums[1][t], odd[1][t]);
    }
}

// One group by `tokens` tokens from token `t` on.
AVX2 INLINE void one_tile(
    const linear_call *call, const kapok_weight_type type, size_t row, size_t t,
    const int tokens) {
    const uint8_t *group = call->weights + row / ROWS * group_bytes(type, call->columns);
    const uint8_t *x = call->activations + t * call->activation_stride;
    __m256 sums[2][TOKENS];
    UNROLL for (int i = 0; i < tokens; i++) sums[0][i] = sums[1][i] = _mm256_setzero_ps();
    if (is_float(type)) float_tile(call, type, group, x, tokens, sums);
    else block_tile(call, type, group, x, tokens, sums);
    const size_t rows = call->row_end - row;
    UNROLL for (int i = 0; i < tokens; i++) {
        float *y = call->y + (t + (size_t)i) * call->y_stride + row;
        if (rows >= ROWS) {
            _mm256_storeu_ps(y, sums[0][i]);
            _mm256_storeu_ps(y + 8, sums[1][i]);
        } else {
            float all[ROWS];
            _mm256_storeu_ps(all, sums[0][i]);
            _mm256_storeu_ps(all + 8, sums[1][i]);
            memcpy(y, all, rows * sizeof(float));
        }
    }
}

AVX2 INLINE void go_over(const linear_call *call, const kapok_weight_type type) {
    for (size_t row = call->row_begin; row < call->row_end; row += ROWS) {
        size_t t = 0;
        for (; t + 3 <= call->tokens; t += 3) one_tile(call, type, row, t, 3);
        if (t + 2 == call->tokens) one_tile(call, type, row, t, 2);
        if (t + 1 == call->tokens) one_tile(call, type, row, t, 1);
    }
}

AVX2 void kapok_linear_multiply_avx2(const linear_call *call) {
    switch (call->type) {
    case KAPOK_WEIGHT_F32: go_over(call, KAPOK_WEIGHT_F32); return;
    case KAPOK_WEIGHT_F16: go_over(call, KAPOK_WEIGHT_F16); return;
    case KAPOK_WEIGHT_BF16: go_over(call, KAPOK_WEIGHT_BF16); return;
    case KAPOK_WEIGHT_Q4_0: go_over(call, KAPOK_WEIGHT_Q4_0); return;
    case KAPOK_WEIGHT_Q4_1: go_over(call, KAPOK_WEIGHT_Q4_1); return;
    case KAPOK_WEIGHT_Q5_0: go_over(call, KAPOK_WEIGHT_Q5_0); return;
    case KAPOK_WEIGHT_Q5_1: go_over(call, KAPOK_WEIGHT_Q5_1); return;
    case KAPOK_WEIGHT_Q8_0: go_over(call, KAPOK_WEIGHT_Q8_0); return;
    case KAPOK_WEIGHT_Q4_K: go_over(call, KAPOK_WEIGHT_Q4_K); return;
    case KAPOK_WEIGHT_Q5_K: go_over(call, KAPOK_WEIGHT_Q5_K); return;
    case KAPOK_WEIGHT_Q6_K: go_over(call, KAPOK_WEIGHT_Q6_K); return;
    }
}

#endif
