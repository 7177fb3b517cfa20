// The AVX-512 tile of F32, F16 and BF16: each sum is two chains of fused multiply-adds, over the
// even and over the odd columns, added in the end. Included by linear_avx512.c.

// Chains for one group: 24 are as many as registers allow. Two groups take PANEL_TOKENS tokens.
#define FLOAT_TOKENS 12
// A cache line of activations.
#define FLOAT_STEP 16

// The 16 rows' weights of one column.
AVX512 INLINE __m512 float_weights(const kapok_weight_type type, const uint8_t *column) {
    switch (type) {
    case KAPOK_WEIGHT_F32: return _mm512_load_ps(column);
    case KAPOK_WEIGHT_F16: return sixteen_halves(column);
    default: {
        const __m256i bits = _mm256_load_si256((const __m256i *)column);
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
    }
    }
}

// The sums of the even and of the odd columns.
typedef struct {
    __m512 even[GROUPS][FLOAT_TOKENS], odd[GROUPS][FLOAT_TOKENS];
} float_sums;

AVX512 INLINE void add_column(
    const tile *at, const kapok_weight_type type, const int groups, const int tokens,
    const uint8_t *column, const uint8_t *x, __m512 sums[GROUPS][FLOAT_TOKENS]) {
    __m512 weights[GROUPS];
    UNROLL for (int g = 0; g < groups; g++) {
        weights[g] = float_weights(type, column + (size_t)g * at->group_bytes);
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        const __m512 one = _mm512_set1_ps(*(const float *)(x + (size_t)t * at->x_stride));
        UNROLL for (int g = 0; g < groups; g++) {
            sums[g][t] = _mm512_fmadd_ps(weights[g], one, sums[g][t]);
        }
    }
}

AVX512 INLINE void float_tile_of(
    const tile *at, const kapok_weight_type type, const int groups, const int tokens) {
    const size_t bytes = ROWS * float_bytes(type);
    const uint8_t *column = at->groups, *x = at->x;
    float_sums sums;
    UNROLL for (int g = 0; g < groups; g++) {
        UNROLL for (int t = 0; t < tokens; t++) {
            sums.even[g][t] = sums.odd[g][t] = _mm512_setzero_ps();
        }
    }
    size_t k = 0;
    for (; k + 1 < at->columns; k += 2, column += 2 * bytes, x += 2 * sizeof(float)) {
        UNROLL for (int g = 0; g < groups; g++) {
            const uint8_t *ahead = column + (size_t)g * at->group_bytes + at->weights_ahead;
            UNROLL for (size_t i = 0; i < 2 * bytes; i += 64) {
                _mm_prefetch((const char *)ahead + i, _MM_HINT_T0);
            }
        }
        if (k % FLOAT_STEP == 0) {
            UNROLL for (int t = 0; t < tokens; t++) {
                const uint8_t *ahead = x + (size_t)t * at->x_stride + at->x_ahead;
                _mm_prefetch((const char *)ahead, _MM_HINT_T0);
            }
        }
        add_column(at, type, groups, tokens, column, x, sums.even);
        add_column(at, type, groups, tokens, column + bytes, x + sizeof(float), sums.odd);
    }
    if (k < at->columns) add_column(at, type, groups, tokens, column, x, sums.even);
    UNROLL for (int t = 0; t < tokens; t++) {
        const int last = groups - 1;
        store(
            at, groups, t, _mm512_add_ps(sums.even[0][t], sums.odd[0][t]),
            _mm512_add_ps(sums.even[last][t], sums.odd[last][t]));
    }
}

AVX512 INLINE void float_tile(
    const tile *at, const kapok_weight_type type, const int groups, int tokens) {
    if (groups == 2) {
        // More tokens than one group takes, in equal shares: none is smaller than 4.
        switch (tokens) {
        case 4: float_tile_of(at, type, 2, 4); return;
        case 5: float_tile_of(at, type, 2, 5); return;
        default: float_tile_of(at, type, 2, 6); return;
        }
    }
    switch (tokens) {
    case 1: float_tile_of(at, type, 1, 1); return;
    case 2: float_tile_of(at, type, 1, 2); return;
    case 3: float_tile_of(at, type, 1, 3); return;
    case 4: float_tile_of(at, type, 1, 4); return;
    case 5: float_tile_of(at, type, 1, 5); return;
    case 6: float_tile_of(at, type, 1, 6); return;
    case 7: float_tile_of(at, type, 1, 7); return;
    case 8: float_tile_of(at, type, 1, 8); return;
    case 9: float_tile_of(at, type, 1, 9); return;
    case 10: float_tile_of(at, type, 1, 10); return;
    case 11: float_tile_of(at, type, 1, 11); return;
    default: float_tile_of(at, type, 1, 12); return;
    }
}
