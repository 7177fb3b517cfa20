// Linear layers with AVX-512: the walk over rows and tokens. linear_avx512_blocks.h has the tile of
// the quantised types, linear_avx512_floats.h that of the others.

#include "linear_layout.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF

#define AVX512                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#define ROWS KAPOK_LINEAR_ROWS
// At most so many groups at once.
#define GROUPS 2
// How far ahead of their use weights are asked for: 6 KiB are 130 to 150 ns at 40 to 47 GB/s, a
// little more than memory takes to answer. Measured: 4 KiB lose 5 to 10 per cent, 8 KiB nothing.
#define AHEAD 6144

// Some groups of rows by some tokens, computed at once in registers.
typedef struct {
    const uint8_t *groups;
    size_t group_bytes, columns;
    const uint8_t *x;
    size_t x_stride;
    float *y;
    size_t y_stride;
    // Rows of the last group that exist.
    __mmask16 last;
    // How far ahead weights are fetched, 0 when they are in a cache already; and activations.
    size_t weights_ahead, x_ahead;
    // Of two groups: what is fetched meanwhile, a part of the rows after them, and so many lines
    // of it with each block.
    const uint8_t *next;
    size_t next_lines;
} tile;

// The sums of token `t` of one or two groups.
AVX512 INLINE void store(
    const tile *at, const int groups, const int t, const __m512 first, const __m512 second) {
    float *y = at->y + (size_t)t * at->y_stride;
    _mm512_mask_storeu_ps(y, groups > 1 ? 0xFFFF : at->last, first);
    if (groups > 1) _mm512_mask_storeu_ps(y + ROWS, at->last, second);
}

// The part of the rows after these two groups that is fetched during `count` tokens from `t` on.
INLINE void share_next_rows(tile *at, size_t t, size_t count, size_t tokens) {
    const size_t lines = 2 * at->group_bytes / 64, blocks = at->columns / BLOCK;
    const size_t begin = lines * t / tokens, end = lines * (t + count) / tokens;
    at->next = at->groups + (lines + begin) * 64;
    at->next_lines = (end - begin + blocks - 1) / blocks;
}

#include "linear_avx512_blocks.h"
#include "linear_avx512_floats.h"

// Goes over all tokens with `groups` groups of rows, as many tokens at once as registers allow.
AVX512 INLINE void go_over_tokens(
    const linear_call *call, const kapok_weight_type type, const int groups, size_t row) {
    tile at = {
        .groups = call->weights + row / ROWS * group_bytes(type, call->columns),
        .group_bytes = group_bytes(type, call->columns),
        .columns = call->columns,
        .x_stride = call->activation_stride,
        .y_stride = call->y_stride,
    };
    const size_t single = is_float(type) ? FLOAT_TOKENS : BLOCK_TOKENS;
    const size_t most = groups == 1 ? single : PANEL_TOKENS;
    const size_t rows = call->row_end - row, panel = (size_t)groups * ROWS;
    at.last = rows >= panel ? 0xFFFF : (__mmask16)(0xFFFF >> (panel - rows));
    at.weights_ahead = AHEAD;
    for (size_t t = 0, count; t < call->tokens; t += count) {
        const size_t left = call->tokens - t;
        // Equal shares rather than a small last tile.
        const size_t tiles = (left + most - 1) / most;
        count = (left + tiles - 1) / tiles;
        at.x = call->activations + t * call->activation_stride;
        at.y = call->y + t * call->y_stride + row;
        at.x_ahead = left > count ? count * call->activation_stride : 0;
        if (groups == 2 && !is_float(type)) share_next_rows(&at, t, count, call->tokens);
        if (is_float(type)) float_tile(&at, type, groups, (int)count);
        else block_tile(&at, type, groups, (int)count);
        at.weights_ahead = 0;
    }
}

AVX512 INLINE void go_over_rows(const linear_call *call, const kapok_weight_type type) {
    size_t row = call->row_begin;
    const size_t few = is_float(type) ? FLOAT_TOKENS : 2 * BLOCK_TOKENS;
    if (call->tokens > few) {
        for (; row + ROWS < call->row_end; row += 2 * ROWS) go_over_tokens(call, type, 2, row);
    }
    for (; row < call->row_end; row += ROWS) go_over_tokens(call, type, 1, row);
}

AVX512 INLINE void integers_over_tokens(
    const linear_call *call, const int groups, size_t row, int32_t *y) {
    const kapok_weight_type type = KAPOK_WEIGHT_Q8_0;
    tile at = {
        .groups = call->weights + row / ROWS * group_bytes(type, call->columns),
        .group_bytes = group_bytes(type, call->columns),
        .columns = call->columns,
        .x = call->activations,
        .x_stride = call->activation_stride,
        .y_stride = call->y_stride,
    };
    const size_t last = call->row_end - row - (size_t)(groups - 1) * ROWS;
    at.last = last >= ROWS ? 0xFFFF : (__mmask16)(0xFFFF >> (ROWS - last));
    y += row;
    for (size_t t = 0, count; t < call->tokens; t += count) {
        const size_t left = call->tokens - t, tiles = (left + PANEL_TOKENS - 1) / PANEL_TOKENS;
        count = (left + tiles - 1) / tiles;
        share_next_rows(&at, t, count, call->tokens);
        integer_tile(&at, y, groups, (int)count);
        at.x += count * at.x_stride;
        y += count * at.y_stride;
    }
}

AVX512 void kapok_linear_integers_avx512(const linear_call *call, int32_t *y) {
    size_t row = call->row_begin;
    for (; row + ROWS < call->row_end; row += 2 * ROWS) integers_over_tokens(call, 2, row, y);
    if (row < call->row_end) integers_over_tokens(call, 1, row, y);
}

AVX512 static void multiply_f32(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_F32); }
AVX512 static void multiply_f16(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_F16); }
AVX512 static void multiply_bf16(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_BF16); }
AVX512 static void multiply_q4_0(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_Q4_0); }
AVX512 static void multiply_q4_1(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_Q4_1); }
AVX512 static void multiply_q5_0(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_Q5_0); }
AVX512 static void multiply_q5_1(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_Q5_1); }
AVX512 static void multiply_q8_0(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_Q8_0); }
AVX512 static void multiply_q4_k(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_Q4_K); }
AVX512 static void multiply_q5_k(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_Q5_K); }
AVX512 static void multiply_q6_k(const linear_call *c) { go_over_rows(c, KAPOK_WEIGHT_Q6_K); }

void kapok_linear_multiply_avx512(const linear_call *call) {
    switch (call->type) {
    case KAPOK_WEIGHT_F32: multiply_f32(call); return;
    case KAPOK_WEIGHT_F16: multiply_f16(call); return;
    case KAPOK_WEIGHT_BF16: multiply_bf16(call); return;
    case KAPOK_WEIGHT_Q4_0: multiply_q4_0(call); return;
    case KAPOK_WEIGHT_Q4_1: multiply_q4_1(call); return;
    case KAPOK_WEIGHT_Q5_0: multiply_q5_0(call); return;
    case KAPOK_WEIGHT_Q5_1: multiply_q5_1(call); return;
    case KAPOK_WEIGHT_Q8_0: multiply_q8_0(call); return;
    case KAPOK_WEIGHT_Q4_K: multiply_q4_k(call); return;
    case KAPOK_WEIGHT_Q5_K: multiply_q5_k(call); return;
    case KAPOK_WEIGHT_Q6_K: multiply_q6_k(call); return;
    }
}

#endif
