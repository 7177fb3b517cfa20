// The AVX-512 tile of the quantised types: integer sums of a block by vpdpbusd, then scaled and
// added in FP32. Included by linear_avx512.c.

// Many tokens: two groups by six, 12 integer sums, 12 FP32 sums, and 8 registers for what comes and
// goes. Few tokens wait for memory, which one group after the other keeps busiest: one by eight,
// twice at most.
#define PANEL_TOKENS 6
#define BLOCK_TOKENS 8

// Weights of vector `j`, one a byte. `block` is the block of 16 rows.
AVX512 INLINE __m512i
block_weights(const kapok_weight_type type, const uint8_t *block, const int j) {
    if (!has_nibbles(type)) return _mm512_load_si512(block + 64 * j);
    __m512i nibbles = _mm512_load_si512(block + 64 * (j % 4));
    if (j >= 4) nibbles = _mm512_srli_epi16(nibbles, 4);
    nibbles = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
    if (has_fifth_bits(type)) {
        // Shifts go over the bytes' borders, but what remains after the mask was in the byte.
        __m512i fifths = _mm512_load_si512(block + 256);
        fifths = j < 4 ? _mm512_slli_epi16(fifths, 4 - j) : _mm512_srli_epi16(fifths, j - 4);
        fifths = _mm512_and_si512(fifths, _mm512_set1_epi8(16));
        nibbles = _mm512_or_si512(nibbles, fifths);
    }
    if (type == KAPOK_WEIGHT_Q6_K) {
        __m512i uppers = _mm512_load_si512(block + 256 + 64 * (j / 4));
        const int bit = j % 4 * 2;
        uppers = bit < 4 ? _mm512_slli_epi16(uppers, 4 - bit) : _mm512_srli_epi16(uppers, bit - 4);
        uppers = _mm512_and_si512(uppers, _mm512_set1_epi8(48));
        nibbles = _mm512_or_si512(nibbles, uppers);
    }
    return nibbles;
}

AVX512 INLINE __m512 sixteen_halves(const uint8_t *halves) {
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)halves));
}

AVX512 INLINE __m512 sixteen_bytes(const uint8_t *bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)bytes)));
}

// The scale of each row in block `b` of a run; of Q6_K in the block's half `half`.
AVX512 INLINE __m512
block_scale(const kapok_weight_type type, const uint8_t *run, size_t b, const int half) {
    if (!has_superblocks(type)) return sixteen_halves(run + 32 * b);
    const uint8_t *bytes = run + 64 + b * 32;
    const __m512 d = sixteen_halves(run);
    if (type != KAPOK_WEIGHT_Q6_K) return _mm512_mul_ps(d, sixteen_bytes(bytes));
    const __m128i scales = _mm_load_si128((const __m128i *)(bytes + 16 * half));
    return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales)));
}

// The minimum of each row in block `b` of a run.
AVX512 INLINE __m512
block_minimum(const kapok_weight_type type, const uint8_t *run, size_t b) {
    const __m512 m = sixteen_halves(run + 32);
    if (!has_superblocks(type)) return m;
    const __m512 product = _mm512_mul_ps(m, sixteen_bytes(run + 80 + b * 32));
    return _mm512_xor_ps(product, _mm512_set1_ps(-0.0f));
}

// Where a token's integer sum of a block begins: what makes up for weights stored without a sign.
AVX512 INLINE __m512i
first_sum(const kapok_weight_type type, const activation_block *extra, const int half) {
    const int shift = offset_shift(type);
    if (shift < 0) return _mm512_setzero_si512();
    if (type == KAPOK_WEIGHT_Q8_0) return _mm512_set1_epi32(extra->byte_offset);
    if (type != KAPOK_WEIGHT_Q6_K) {
        const __m512i offset = _mm512_set1_epi32(extra->offset);
        return shift == 0 ? offset : _mm512_slli_epi32(offset, (unsigned)shift);
    }
    const int offset = half == 0 ? extra->first_offset : extra->offset - extra->first_offset;
    return _mm512_slli_epi32(_mm512_set1_epi32(offset), (unsigned)shift);
}

// The integer part of a block: vectors `from ..< from + count`, low and high nibbles in turns.
AVX512 INLINE void add_products(
    const kapok_weight_type type, const int groups, const int tokens, const uint8_t *block,
    size_t group_bytes, const uint8_t *x, size_t x_stride, const int half,
    __m512i sums[GROUPS][BLOCK_TOKENS]) {
    const int halves = type == KAPOK_WEIGHT_Q6_K ? 2 : 1, count = 8 / halves;
    UNROLL for (int i = 0; i < count; i++) {
        const int j = halves == 2 || !has_nibbles(type) ? half * count + i : i / 2 + i % 2 * 4;
        __m512i weights[GROUPS];
        UNROLL for (int g = 0; g < groups; g++) {
            weights[g] = block_weights(type, block + (size_t)g * group_bytes, j);
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            const __m512i four =
                _mm512_set1_epi32((int)load_32(x + (size_t)t * x_stride + 4 * j));
            UNROLL for (int g = 0; g < groups; g++) {
                sums[g][t] = _mm512_dpbusd_epi32(sums[g][t], weights[g], four);
            }
        }
    }
}

// Asks for a block's worth of weights at `from`, and for a run's scales before if the block is the
// first of its run.
AVX512 INLINE void fetch_ahead(const kapok_weight_type type, const uint8_t *from, size_t b) {
    if (b == 0) {
        UNROLL for (size_t i = 0; i < run_scale_bytes(type); i += 64) {
            _mm_prefetch((const char *)from - run_scale_bytes(type) + i, _MM_HINT_T0);
        }
    }
    UNROLL for (size_t i = 0; i < block_bytes(type); i += 64) {
        _mm_prefetch((const char *)from + i, _MM_HINT_T0);
    }
}

// Asks for the next part of the rows after these; returns what comes after it.
AVX512 INLINE const uint8_t *fetch_next(const tile *at, const uint8_t *next) {
    for (size_t i = 0; i < at->next_lines; i++, next += 64) {
        _mm_prefetch((const char *)next, _MM_HINT_T1);
    }
    return next;
}

// One block of `groups` groups by `tokens` tokens. `x` are the block's activations, `extras` what
// belongs to them; `b` is its place in the run.
AVX512 INLINE void add_block(
    const tile *at, const kapok_weight_type type, const int groups, const int tokens,
    const uint8_t *run, size_t b, const uint8_t *x, const uint8_t *extras,
    __m512 sums[GROUPS][BLOCK_TOKENS]) {
    const int halves = type == KAPOK_WEIGHT_Q6_K ? 2 : 1;
    const uint8_t *block = run + run_scale_bytes(type) + b * block_bytes(type);
    if (groups == 1) fetch_ahead(type, block + at->weights_ahead, b);
    UNROLL for (int half = 0; half < halves; half++) {
        __m512i integers[GROUPS][BLOCK_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) {
            const activation_block *extra =
                (const activation_block *)(extras + (size_t)t * at->x_stride);
            const __m512i first = first_sum(type, extra, half);
            UNROLL for (int g = 0; g < groups; g++) integers[g][t] = first;
        }
        add_products(
            type, groups, tokens, block, at->group_bytes, x, at->x_stride, half, integers);
        UNROLL for (int g = 0; g < groups; g++) {
            const uint8_t *scales = run + (size_t)g * at->group_bytes;
            const __m512 scale = block_scale(type, scales, b, half);
            const __m512 minimum =
                has_minimum(type) ? block_minimum(type, scales, b) : _mm512_setzero_ps();
            UNROLL for (int t = 0; t < tokens; t++) {
                const activation_block *extra =
                    (const activation_block *)(extras + (size_t)t * at->x_stride);
                const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(extra->scale));
                __m512 sum =
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(integers[g][t]), both, sums[g][t]);
                if (has_minimum(type)) {
                    sum = _mm512_fmadd_ps(minimum, _mm512_set1_ps(extra->scaled_sum), sum);
                }
                sums[g][t] = sum;
            }
        }
    }
}

AVX512 INLINE void block_tile_of(
    const tile *at, const kapok_weight_type type, const int groups, const int tokens) {
    const size_t blocks = at->columns / BLOCK;
    const uint8_t *run = at->groups, *x = at->x, *extras = x + blocks * BLOCK, *next = at->next;
    __m512 sums[GROUPS][BLOCK_TOKENS];
    UNROLL for (int g = 0; g < groups; g++) {
        UNROLL for (int t = 0; t < tokens; t++) sums[g][t] = _mm512_setzero_ps();
    }
    for (size_t first = 0; first < blocks; first += run_blocks(type)) {
        const size_t left = blocks - first, all = run_blocks(type), count = left < all ? left : all;
        for (size_t b = 0; b < count; b++) {
            if (groups == 2) next = fetch_next(at, next);
            add_block(at, type, groups, tokens, run, b, x, extras, sums);
            x += BLOCK;
            extras += sizeof(activation_block);
        }
        run += run_scale_bytes(type) + run_blocks(type) * block_bytes(type);
    }
    UNROLL for (int t = 0; t < tokens; t++) store(at, groups, t, sums[0][t], sums[groups - 1][t]);
}

AVX512 INLINE void block_tile(
    const tile *at, const kapok_weight_type type, const int groups, int tokens) {
    if (groups == 2) {
        // More tokens than one group takes, in equal shares: none is smaller than 4.
        switch (tokens) {
        case 4: block_tile_of(at, type, 2, 4); return;
        case 5: block_tile_of(at, type, 2, 5); return;
        default: block_tile_of(at, type, 2, 6); return;
        }
    }
    switch (tokens) {
    case 1: block_tile_of(at, type, 1, 1); return;
    case 2: block_tile_of(at, type, 1, 2); return;
    case 3: block_tile_of(at, type, 1, 3); return;
    case 4: block_tile_of(at, type, 1, 4); return;
    case 5: block_tile_of(at, type, 1, 5); return;
    case 6: block_tile_of(at, type, 1, 6); return;
    case 7: block_tile_of(at, type, 1, 7); return;
    default: block_tile_of(at, type, 1, 8); return;
    }
}

// The integer part of `block_tile` alone, over all blocks: `y` gets 32-bit sums.
AVX512 INLINE void integer_tile_of(const tile *at, int32_t *y, const int groups, const int tokens) {
    const kapok_weight_type type = KAPOK_WEIGHT_Q8_0;
    const size_t blocks = at->columns / BLOCK;
    const uint8_t *x = at->x, *extras = x + blocks * BLOCK, *next = at->next;
    __m512i sums[GROUPS][BLOCK_TOKENS];
    int32_t offsets[BLOCK_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) {
        offsets[t] = 0;
        UNROLL for (int g = 0; g < groups; g++) sums[g][t] = _mm512_setzero_si512();
    }
    for (size_t b = 0; b < blocks; b++, x += BLOCK, extras += sizeof(activation_block)) {
        next = fetch_next(at, next);
        const uint8_t *block = at->groups + block_offset(type, b);
        add_products(type, groups, tokens, block, at->group_bytes, x, at->x_stride, 0, sums);
        // The scalar units have nothing else to do; by itself before the products this took as
        // long as a twelfth of them.
        UNROLL for (int t = 0; t < tokens; t++) {
            const activation_block *extra =
                (const activation_block *)(extras + (size_t)t * at->x_stride);
            offsets[t] += extra->byte_offset;
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        UNROLL for (int g = 0; g < groups; g++) {
            _mm512_mask_storeu_epi32(
                y + (size_t)t * at->y_stride + g * ROWS, g + 1 < groups ? 0xFFFF : at->last,
                _mm512_add_epi32(sums[g][t], _mm512_set1_epi32(offsets[t])));
        }
    }
}

AVX512 INLINE void integer_tile(const tile *at, int32_t *y, const int groups, int tokens) {
    switch (tokens) {
    case 1: integer_tile_of(at, y, groups, 1); return;
    case 2: integer_tile_of(at, y, groups, 2); return;
    case 3: integer_tile_of(at, y, groups, 3); return;
    case 4: integer_tile_of(at, y, groups, 4); return;
    case 5: integer_tile_of(at, y, groups, 5); return;
    default: integer_tile_of(at, y, groups, 6); return;
    }
}
