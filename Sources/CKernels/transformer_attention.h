// Attention over pages of FP16 keys and values: included by transformer.c for each instruction
// set. For each row (one query of one head) the operations and their order depend on its position
// alone: scores are one chain of fused multiply-adds over the head's elements, values one chain
// over keys, the softmax is updated after every 64 keys counted from position 0.

// 16 numbers of FP16 as floats, exactly.
INLINE v16 NAME(load_half)(const uint16_t *x) {
#if defined(HAS_AVX512)
    return (v16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)x));
#elif defined(HAS_F16C)
    const __m256 low = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)x));
    const __m256 high = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)(x + 8)));
    return __builtin_shufflevector(
        low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    const u16 bits = __builtin_convertvector(*(const h16_anywhere *)x, u16);
    const u16 magnitude = bits & 0x7FFF;
    // As the exponent of a float it is too small by 112, for subnormal numbers too.
    const v16 finite = (v16)(magnitude << 13) * NAME(splat)(0x1p112f);
    const v16 special = (v16)(magnitude << 13 | 0x7F800000);
    const v16 value = NAME(select)((i16)(magnitude >= 0x7C00), special, finite);
    return (v16)((u16)value | (bits & 0x8000) << 16);
#endif
}

// Rounded to the nearest, ties to even; what is too large becomes the largest.
INLINE uint16_t NAME(half)(float x) {
    const float limited = x > 65504 ? 65504 : x < -65504 ? -65504 : x;
#if defined(HAS_F16C)
    return (uint16_t)_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(limited), 0), 0);
#else
    uint32_t bits;
    memcpy(&bits, &limited, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7FFFFFFF;
    if (bits > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (bits >> 13 & 0x3FF));
    if (bits >= 0x38800000) {
        return (uint16_t)(sign | (bits + 0xFFF + (bits >> 13 & 1) - 0x38000000) >> 13);
    }
    // Subnormal: adding 1/2 puts the last place where FP16 has it.
    float magnitude;
    memcpy(&magnitude, &bits, sizeof bits);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, sizeof bits);
    return (uint16_t)(sign | (bits - 0x3F000000));
#endif
}

static void NAME(store_key_value)(
    void *keys, size_t token_in_page, const float *key, const float *value, size_t head_width) {
    uint16_t *const key_column = (uint16_t *)keys + token_in_page;
    for (size_t d = 0; d < head_width; d++) key_column[d * KAPOK_PAGE_TOKENS] = NAME(half)(key[d]);
    uint16_t *const value_row = (uint16_t *)keys + head_width * KAPOK_PAGE_TOKENS +
                                token_in_page * kapok_value_stride(head_width);
    for (size_t d = 0; d < head_width; d++) value_row[d] = NAME(half)(value[d]);
}

// A vector of keys or values: of FP16 in a page, or of floats that were made of it before.
INLINE v16 NAME(load_cached)(const void *base, size_t element, int is_half) {
    return is_half ? NAME(load_half)((const uint16_t *)base + element)
                   : NAME(load)((const float *)base + element);
}

// What a block of keys is worked on with.
typedef struct {
    // The keys of each page, element x token.
    const void *keys[KAPOK_ATTENTION_BLOCK / KAPOK_PAGE_TOKENS];
    // The values of each page, token x element.
    const void *values[KAPOK_ATTENTION_BLOCK / KAPOK_PAGE_TOKENS];
    size_t head_width, stride;
} NAME(block);

// scores[row][token] of `rows` x (16 `vectors`) from page `page` on. Both are constants.
INLINE void NAME(score_tile)(
    const NAME(block) *block, const float *queries, float *scores, int rows, int vectors, int page,
    int is_half) {
    v16 sums[6][TILE];
#pragma unroll
    for (int r = 0; r < rows; r++) {
#pragma unroll
        for (int v = 0; v < vectors; v++) sums[r][v] = NAME(splat)(0);
    }
    const size_t width = block->head_width;
    for (size_t d = 0; d < width; d++) {
        v16 keys[TILE];
#pragma unroll
        for (int v = 0; v < vectors; v++) {
            keys[v] = NAME(load_cached)(block->keys[page + v], d * 16, is_half);
        }
#pragma unroll
        for (int r = 0; r < rows; r++) {
            const v16 query = NAME(splat)(queries[(size_t)r * width + d]);
#pragma unroll
            for (int v = 0; v < vectors; v++) sums[r][v] = NAME(fma)(query, keys[v], sums[r][v]);
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++) {
#pragma unroll
        for (int v = 0; v < vectors; v++) {
            NAME(store)(scores + r * KAPOK_ATTENTION_BLOCK + 16 * (page + v), sums[r][v]);
        }
    }
}

// sums[row][element] += weights[row][token] * values[token][element] for `rows` x (16 `vectors`)
// elements from `element` on, over the first `count` tokens.
INLINE void NAME(mix_tile)(
    const NAME(block) *block, const float *weights, float *values, size_t count, size_t element,
    int rows, int vectors, int is_half) {
    const size_t stride = block->stride;
    v16 sums[6][TILE];
#pragma unroll
    for (int r = 0; r < rows; r++) {
#pragma unroll
        for (int v = 0; v < vectors; v++) {
            sums[r][v] = NAME(load)(values + (size_t)r * stride + element + 16 * (size_t)v);
        }
    }
    for (size_t begin = 0; begin < count; begin += 16) {
        const size_t end = count - begin < 16 ? count - begin : 16;
        const void *const page = block->values[begin / 16];
        for (size_t token = 0; token < end; token++) {
            v16 row[TILE];
#pragma unroll
            for (int v = 0; v < vectors; v++) {
                row[v] = NAME(load_cached)(
                    page, token * stride + element + 16 * (size_t)v, is_half);
            }
#pragma unroll
            for (int r = 0; r < rows; r++) {
                const v16 weight =
                    NAME(splat)(weights[(size_t)r * KAPOK_ATTENTION_BLOCK + begin + token]);
#pragma unroll
                for (int v = 0; v < vectors; v++) {
                    sums[r][v] = NAME(fma)(weight, row[v], sums[r][v]);
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++) {
#pragma unroll
        for (int v = 0; v < vectors; v++) {
            NAME(store)(values + (size_t)r * stride + element + 16 * (size_t)v, sums[r][v]);
        }
    }
}

// All pages of a block, all elements of a head, for a constant number of rows.
INLINE void NAME(score_rows)(
    const NAME(block) *block, const float *queries, float *scores, int rows, size_t pages,
    int is_half) {
    size_t page = 0;
    for (; page + TILE <= pages; page += TILE) {
        NAME(score_tile)(block, queries, scores, rows, TILE, (int)page, is_half);
    }
    for (; page < pages; page++) {
        NAME(score_tile)(block, queries, scores, rows, 1, (int)page, is_half);
    }
}
INLINE void NAME(mix_rows)(
    const NAME(block) *block, const float *weights, float *values, size_t count, int rows,
    int is_half) {
    size_t element = 0;
    for (; element + 16 * TILE <= block->stride; element += 16 * TILE) {
        NAME(mix_tile)(block, weights, values, count, element, rows, TILE, is_half);
    }
    for (; element < block->stride; element += 16) {
        NAME(mix_tile)(block, weights, values, count, element, rows, 1, is_half);
    }
}

#define FOR_ROWS(call_6, call_4, call_3, call_2, call_1)                                           \
    switch (rows) {                                                                                \
    case 1: call_1; return 1;                                                                      \
    case 2: call_2; return 2;                                                                      \
    case 3: call_3; return 3;                                                                      \
    case 4:                                                                                        \
    case 5: call_4; return 4;                                                                      \
    default: call_6; return 6;                                                                     \
    }

// As many of `rows` as go at once; tells how many. A function for each form, so that each
// gets registers of its own.
#define SCORE(count) NAME(score_rows)(block, queries, scores, count, pages, IS_HALF)
#define MIX(count) NAME(mix_rows)(block, weights, values, keys, count, IS_HALF)
#define IS_HALF 1
static size_t NAME(score_half)(
    const NAME(block) *block, const float *queries, float *scores, size_t rows, size_t pages) {
    FOR_ROWS(SCORE(6), SCORE(4), SCORE(3), SCORE(2), SCORE(1))
}
static size_t NAME(mix_half)(
    const NAME(block) *block, const float *weights, float *values, size_t keys, size_t rows) {
    FOR_ROWS(MIX(6), MIX(4), MIX(3), MIX(2), MIX(1))
}
#undef IS_HALF
#define IS_HALF 0
static size_t NAME(score_float)(
    const NAME(block) *block, const float *queries, float *scores, size_t rows, size_t pages) {
    FOR_ROWS(SCORE(6), SCORE(4), SCORE(3), SCORE(2), SCORE(1))
}
static size_t NAME(mix_float)(
    const NAME(block) *block, const float *weights, float *values, size_t keys, size_t rows) {
    FOR_ROWS(MIX(6), MIX(4), MIX(3), MIX(2), MIX(1))
}
#undef IS_HALF
#undef SCORE
#undef MIX
#undef FOR_ROWS

// Turns a row's scores over `count` keys into weights, and takes what the row has so far to the
// new largest score.
INLINE void NAME(soften)(
    float *scores, size_t count, float *largest, float *lanes, float *values, size_t stride) {
    const i16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const size_t vectors = (count + 15) / 16;
    const int32_t last = (int32_t)(count - 16 * (vectors - 1));
    float *const tail = scores + 16 * (vectors - 1);
    const v16 none = NAME(splat)(-INFINITY);
    const i16 limit = {last, last, last, last, last, last, last, last,
                       last, last, last, last, last, last, last, last};
    NAME(store)(tail, NAME(select)(lane < limit, NAME(load)(tail), none));
    v16 top = NAME(load)(scores);
    for (size_t v = 1; v < vectors; v++) top = NAME(larger)(top, NAME(load)(scores + 16 * v));
    const float highest = NAME(largest)(top);
    if (highest > *largest) {
        // e^0 = 1 would change nothing.
        const v16 factor = NAME(exp2)(NAME(splat)(*largest - highest));
        *largest = highest;
        NAME(store)(lanes, NAME(load)(lanes) * factor);
        for (size_t d = 0; d < stride; d += 16) {
            NAME(store)(values + d, NAME(load)(values + d) * factor);
        }
    }
    const v16 base = NAME(splat)(*largest);
    v16 sums = NAME(load)(lanes);
    for (size_t v = 0; v < vectors; v++) {
        const v16 weight = NAME(exp2)(NAME(load)(scores + 16 * v) - base);
        NAME(store)(scores + 16 * v, weight);
        sums += weight;
    }
    NAME(store)(lanes, sums);
}

// The floats of `count` keys or values of FP16 in `pages` pages of `size` elements each.
static void NAME(widen)(const void **pages, size_t count, size_t size, float *floats) {
    for (size_t p = 0; p < count; p++) {
        const uint16_t *const from = pages[p];
        float *const to = floats + p * size;
        for (size_t i = 0; i < size; i += 16) NAME(store)(to + i, NAME(load_half)(from + i));
        pages[p] = to;
    }
}

// How many keys of the block at `begin` a position attends to.
INLINE size_t NAME(keys_seen)(size_t position, size_t begin) {
    const size_t count = position + 1 - begin;
    return count < KAPOK_ATTENTION_BLOCK ? count : KAPOK_ATTENTION_BLOCK;
}

static void NAME(attend_block)(
    NAME(block) *block, const kapok_attention *attention, const float *queries, size_t first,
    size_t rows, size_t position, size_t begin, kapok_attention_state state, float *lanes,
    float *scores, float *floats) {
    const size_t width = block->head_width, stride = block->stride, group = attention->group;
    const size_t pages = (NAME(keys_seen)(position + (rows - 1) / group, begin) + 15) / 16;
    for (size_t p = 0; p < pages; p++) {
        const uint8_t *const page =
            attention->cache + attention->pages[begin / 16 + p] * attention->page_bytes;
        block->keys[p] = page + attention->head_offset;
        block->values[p] = page + attention->head_offset + kapok_key_bytes(width);
    }
    // Making floats first pays when several tiles of rows read them.
    const int is_half = rows - first <= 6;
    if (!is_half) NAME(widen)(block->keys, pages, width * 16, floats);
    for (size_t r = first; r < rows;) {
        const float *const q = queries + r * width;
        float *const s = scores + r * KAPOK_ATTENTION_BLOCK;
        r += is_half ? NAME(score_half)(block, q, s, rows - r, pages)
                     : NAME(score_float)(block, q, s, rows - r, pages);
    }
    for (size_t r = first; r < rows; r++) {
        NAME(soften)
        (scores + r * KAPOK_ATTENTION_BLOCK, NAME(keys_seen)(position + r / group, begin),
         state.largest + r, lanes + 16 * r, state.values + r * stride, stride);
    }
    if (!is_half) NAME(widen)(block->values, pages, stride * 16, floats);
    for (size_t r = first; r < rows;) {
        // Rows that see the same number of keys go together.
        const size_t keys = NAME(keys_seen)(position + r / group, begin);
        size_t end = keys == KAPOK_ATTENTION_BLOCK ? rows : (r / group + 1) * group;
        if (end > rows) end = rows;
        const float *const s = scores + r * KAPOK_ATTENTION_BLOCK;
        float *const v = state.values + r * stride;
        r += is_half ? NAME(mix_half)(block, s, v, keys, end - r)
                     : NAME(mix_float)(block, s, v, keys, end - r);
    }
}

static void NAME(attention_segment)(
    const kapok_attention *attention, const float *queries, size_t rows, size_t position,
    size_t segment, kapok_attention_state state, void *scratch) {
    const size_t width = attention->head_width, stride = kapok_value_stride(width);
    const size_t group = attention->group;
    float *const lanes = scratch;
    float *const scores = lanes + rows * 16;
    float *const floats = scores + rows * KAPOK_ATTENTION_BLOCK;
    for (size_t r = 0; r < rows; r++) state.largest[r] = -INFINITY;
    memset(lanes, 0, rows * 16 * sizeof(float));
    memset(state.values, 0, rows * stride * sizeof(float));
    const size_t last = position + (rows - 1) / group;
    NAME(block) block = {.head_width = width, .stride = stride};
    for (size_t begin = segment * KAPOK_ATTENTION_SEGMENT;
         begin <= last && begin < (segment + 1) * KAPOK_ATTENTION_SEGMENT;
         begin += KAPOK_ATTENTION_BLOCK) {
        const size_t first = begin > position ? (begin - position) * group : 0;
        NAME(attend_block)
        (&block, attention, queries, first, rows, position, begin, state, lanes, scores, floats);
    }
    for (size_t r = 0; r < rows; r++) state.sum[r] = NAME(sum)(NAME(load)(lanes + 16 * r));
}

static void NAME(attention_merge)(
    kapok_attention_state into, kapok_attention_state segment, size_t rows, size_t head_width) {
    const size_t stride = kapok_value_stride(head_width);
    for (size_t r = 0; r < rows; r++) {
        if (segment.largest[r] == -INFINITY) continue;
        const float largest =
            into.largest[r] > segment.largest[r] ? into.largest[r] : segment.largest[r];
        const v16 a = NAME(exp2)(NAME(splat)(into.largest[r] - largest));
        const v16 b = NAME(exp2)(NAME(splat)(segment.largest[r] - largest));
        into.largest[r] = largest;
        into.sum[r] = into.sum[r] * a[0] + segment.sum[r] * b[0];
        float *const to = into.values + r * stride;
        const float *const from = segment.values + r * stride;
        for (size_t d = 0; d < stride; d += 16) {
            NAME(store)(to + d, NAME(load)(to + d) * a + NAME(load)(from + d) * b);
        }
    }
}

static void NAME(attention_finish)(
    float *output, kapok_attention_state state, size_t row, size_t head_width) {
    const float factor = 1 / state.sum[row];
    const float *const values = state.values + row * kapok_value_stride(head_width);
    size_t d = 0;
    for (; d + 16 <= head_width; d += 16) {
        NAME(store)(output + d, NAME(load)(values + d) * NAME(splat)(factor));
    }
    for (; d < head_width; d++) output[d] = values[d] * factor;
}

static const functions NAME(functions) = {
    .rms_norm = NAME(rms_norm),
    .add = NAME(add),
    .scale = NAME(scale),
    .silu_product = NAME(silu_product),
    .power_of_two = NAME(power_of_two),
    .rotate = NAME(rotate),
    .store_key_value = NAME(store_key_value),
    .attention_segment = NAME(attention_segment),
    .attention_merge = NAME(attention_merge),
    .attention_finish = NAME(attention_finish),
};
