// Linear layers in plain C: what the others are held against, bit by bit.

#include "linear_layout.h"

#include <math.h>

#pragma STDC FP_CONTRACT OFF

#define ROWS KAPOK_LINEAR_ROWS
#define TOKENS 8

// The four weights of row `r` in vector `j` of a block, one a byte.
INLINE uint32_t weights_at(kapok_weight_type type, const uint8_t *block, int j, int r) {
    block += 4 * r;
    if (!has_nibbles(type)) return load_32(block + 64 * j);
    uint32_t weights = load_32(block + 64 * (j % 4)) >> j / 4 * 4 & 0x0F0F0F0F;
    if (has_fifth_bits(type)) weights |= (load_32(block + 256) >> j & 0x01010101) << 4;
    if (type == KAPOK_WEIGHT_Q6_K) {
        weights |= (load_32(block + 256 + 64 * (j / 4)) >> j % 4 * 2 & 0x03030303) << 4;
    }
    return weights;
}

// Scale and minimum of row `r` in block `b` of a run; of a Q6_K block the scales of its halves.
INLINE void scales_at(
    kapok_weight_type type, const uint8_t *run, size_t b, int r, float scales[2]) {
    const float d = float_of_half(load_16(run + 2 * r));
    const float m = float_of_half(load_16(run + 32 + 2 * r));
    const uint8_t *bytes = run + 64 + b * 32 + r;
    if (!has_superblocks(type)) {
        scales[0] = b == 0 ? d : m;
        scales[1] = m;
    } else if (type == KAPOK_WEIGHT_Q6_K) {
        scales[0] = d * (float)(int8_t)bytes[0];
        scales[1] = d * (float)(int8_t)bytes[16];
    } else {
        scales[0] = d * (float)bytes[0];
        scales[1] = -(m * (float)bytes[16]);
    }
}

INLINE int32_t dot(uint32_t weights, const int8_t *x) {
    int32_t sum = 0;
    for (int i = 0; i < 4; i++) sum += (int32_t)(weights >> 8 * i & 255) * x[i];
    return sum;
}

// Adds block `b` of one token to one row's `sum`.
INLINE float add_block(
    kapok_weight_type type, const uint32_t weights[8], const float scales[2], const int8_t *x,
    const activation_block *extra, float sum) {
    const int shift = offset_shift(type);
    int32_t halves[2] = {0, 0};
    for (int j = 0; j < 8; j++) halves[j / 4] += dot(weights[j], x + 4 * j);
    if (type == KAPOK_WEIGHT_Q6_K) {
        halves[0] += extra->first_offset * (1 << shift);
        halves[1] += (extra->offset - extra->first_offset) * (1 << shift);
        sum = fmaf((float)halves[0], scales[0] * extra->scale, sum);
        return fmaf((float)halves[1], scales[1] * extra->scale, sum);
    }
    int32_t whole = halves[0] + halves[1];
    if (shift >= 0) whole += extra->offset * (1 << shift);
    sum = fmaf((float)whole, scales[0] * extra->scale, sum);
    return has_minimum(type) ? fmaf(scales[1], extra->scaled_sum, sum) : sum;
}

static void multiply_blocks(
    const linear_call *call, const uint8_t *group, const uint8_t *x, size_t tokens,
    float sums[TOKENS][ROWS]) {
    const kapok_weight_type type = call->type;
    const size_t blocks = call->columns / BLOCK;
    for (size_t b = 0; b < blocks; b++) {
        const uint8_t *run = group + run_offset(type, b), *block = group + block_offset(type, b);
        for (int r = 0; r < ROWS; r++) {
            uint32_t weights[8];
            float scales[2];
            for (int j = 0; j < 8; j++) weights[j] = weights_at(type, block, j, r);
            scales_at(type, run, b % run_blocks(type), r, scales);
            for (size_t t = 0; t < tokens; t++) {
                const uint8_t *token = x + t * call->activation_stride;
                sums[t][r] = add_block(
                    type, weights, scales, (const int8_t *)token + b * BLOCK,
                    (const activation_block *)(token + blocks * BLOCK) + b, sums[t][r]);
            }
        }
    }
}

INLINE float float_at(kapok_weight_type type, const uint8_t *group, size_t index) {
    switch (type) {
    case KAPOK_WEIGHT_F32: return float_of_bits(load_32(group + 4 * index));
    case KAPOK_WEIGHT_F16: return float_of_half(load_16(group + 2 * index));
    default: return float_of_bfloat(load_16(group + 2 * index));
    }
}

// Even and odd columns are summed apart.
static void multiply_floats(
    const linear_call *call, const uint8_t *group, const uint8_t *x, size_t tokens,
    float sums[TOKENS][ROWS]) {
    float odd[TOKENS][ROWS] = {{0}};
    for (size_t k = 0; k < call->columns; k++) {
        for (int r = 0; r < ROWS; r++) {
            const float weight = float_at(call->type, group, k * ROWS + (size_t)r);
            for (size_t t = 0; t < tokens; t++) {
                const float *token = (const float *)(x + t * call->activation_stride);
                float *sum = k % 2 == 0 ? &sums[t][r] : &odd[t][r];
                *sum = fmaf(weight, token[k], *sum);
            }
        }
    }
    for (size_t t = 0; t < tokens; t++) {
        for (int r = 0; r < ROWS; r++) sums[t][r] += odd[t][r];
    }
}

void kapok_linear_multiply_portable(const linear_call *call) {
    const size_t bytes = group_bytes(call->type, call->columns);
    for (size_t row = call->row_begin; row < call->row_end; row += ROWS) {
        const uint8_t *group = call->weights + row / ROWS * bytes;
        const size_t rows = call->row_end - row < ROWS ? call->row_end - row : ROWS;
        for (size_t t = 0; t < call->tokens; t += TOKENS) {
            const size_t tokens = call->tokens - t < TOKENS ? call->tokens - t : TOKENS;
            const uint8_t *x = call->activations + t * call->activation_stride;
            float sums[TOKENS][ROWS] = {{0}};
            if (is_float(call->type)) multiply_floats(call, group, x, tokens, sums);
            else multiply_blocks(call, group, x, tokens, sums);
            for (size_t i = 0; i < tokens; i++) {
                memcpy(call->y + (t + i) * call->y_stride + row, sums[i], rows * sizeof(float));
            }
        }
    }
}

void kapok_linear_integers_portable(const linear_call *call, int32_t *y) {
    const size_t bytes = group_bytes(KAPOK_WEIGHT_Q8_0, call->columns);
    for (size_t row = call->row_begin; row < call->row_end; row++) {
        const uint8_t *group = call->weights + row / ROWS * bytes;
        for (size_t t = 0; t < call->tokens; t++) {
            const int8_t *x = (const int8_t *)call->activations + t * call->activation_stride;
            int32_t sum = 0;
            for (size_t k = 0; k < call->columns; k++) {
                const uint8_t *block = group + block_offset(KAPOK_WEIGHT_Q8_0, k / BLOCK);
                const uint8_t weight = block[k % BLOCK / 4 * 64 + row % ROWS * 4 + k % 4];
                sum += ((int32_t)weight - 128) * x[k];
            }
            y[t * call->y_stride + row] = sum;
        }
    }
}
