// The AVX-512 tile of F32, F16 and BF16: each sum is one chain of fused multiply-adds over the
// columns. Included by linear_avx512.c.

// Two groups by twelve tokens: 24 chains, and registers for two groups' weights.
#define FLOAT_TOKENS 12

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

AVX512 INLINE void float_tile_of(
    const tile *at, const kapok_weight_type type, const int groups, const int tokens) {
    const size_t column_bytes = ROWS * float_bytes(type);
    const uint8_t *column = at->groups, *x = at->x;
    __m512 sums[GROUPS][FLOAT_TOKENS];
    UNROLL for (int g = 0; g < groups; g++) {
        UNROLL for (int t = 0; t < tokens; t++) sums[g][t] = _mm512_setzero_ps();
    }
    for (size_t k = 0; k < at->columns; k++, column += column_bytes, x += sizeof(float)) {
        __m512 weights[GROUPS];
        UNROLL for (int g = 0; g < groups; g++) {
            weights[g] = float_weights(type, column + (size_t)g * at->group_bytes);
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            const __m512 one = _mm512_set1_ps(
                *(const float *)(x + (size_t)t * at->x_stride));
            UNROLL for (int g = 0; g < groups; g++) {
                sums[g][t] = _mm512_fmadd_ps(weights[g], one, sums[g][t]);
            }
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) store(at, groups, t, sums[0][t], sums[groups - 1][t]);
}

AVX512 INLINE void float_tile(
    const tile *at, const kapok_weight_type type, const int groups, int tokens) {
    switch (tokens) {
    case 1: float_tile_of(at, type, groups, 1); return;
    case 2: float_tile_of(at, type, groups, 2); return;
    case 3: float_tile_of(at, type, groups, 3); return;
    case 4: float_tile_of(at, type, groups, 4); return;
    case 5: float_tile_of(at, type, groups, 5); return;
    case 6: float_tile_of(at, type, groups, 6); return;
    case 7: float_tile_of(at, type, groups, 7); return;
    case 8: float_tile_of(at, type, groups, 8); return;
    case 9: float_tile_of(at, type, groups, 9); return;
    case 10: float_tile_of(at, type, groups, 10); return;
    case 11: float_tile_of(at, type, groups, 11); return;
    default: float_tile_of(at, type, groups, 12); return;
    }
}
