// Repacking of a model file's weights (ggml-common.h, block_q4_0 and so on; dequantize_row_q4_0 and
// so on in ggml-quants.c say which bits belong to which column).

#include "linear_layout.h"

// A block of one row: vector j's four weights in `weights[j]`, one a byte, and its scales as they
// lie in the packed form.
typedef struct {
    uint32_t weights[8];
    // d and m, or d and dmin: halves.
    uint16_t d, m;
    // Of K types: scale and minimum, or both scales.
    uint8_t scales[2];
} row_block;

// Four bits, each into a byte of its own.
INLINE uint32_t spread(uint32_t bits) { return ((bits & 15) * 0x00204081) & 0x01010101; }

#define LOW_NIBBLES 0x0F0F0F0F

INLINE void take_nibbles(row_block *block, const uint8_t *bytes) {
    for (int p = 0; p < 4; p++) {
        const uint32_t pair = load_32(bytes + 4 * p);
        block->weights[p] = pair & LOW_NIBBLES;
        block->weights[p + 4] = pair >> 4 & LOW_NIBBLES;
    }
}

INLINE void add_fifth_bits(row_block *block, uint32_t bits) {
    for (int j = 0; j < 8; j++) block->weights[j] |= spread(bits >> 4 * j) << 4;
}

// Scale and minimum `b` of 8, six bits each (get_scale_min_k4 in ggml-quants.c).
INLINE void take_scales(row_block *block, const uint8_t *bytes, size_t b) {
    if (b < 4) {
        block->scales[0] = bytes[b] & 63;
        block->scales[1] = bytes[b + 4] & 63;
    } else {
        block->scales[0] = (uint8_t)((bytes[b + 4] & 15) | bytes[b - 4] >> 6 << 4);
        block->scales[1] = (uint8_t)(bytes[b + 4] >> 4 | bytes[b] >> 6 << 4);
    }
}

// Block `b` of the superblock at `file`: d, dmin, 12 bytes of scales, for Q5_K 32 bytes of fifth
// bits, 128 bytes of nibbles.
INLINE void read_q4_k(row_block *block, const int has_fifth, const uint8_t *file, size_t b) {
    block->d = load_16(file);
    block->m = load_16(file + 2);
    take_scales(block, file + 4, b);
    const uint8_t *fifths = file + 16, *nibbles = file + (has_fifth ? 48 : 16) + b / 2 * 32;
    for (int j = 0; j < 8; j++) {
        block->weights[j] = load_32(nibbles + 4 * j) >> (b & 1) * 4 & LOW_NIBBLES;
        if (has_fifth) block->weights[j] |= (load_32(fifths + 4 * j) >> b & 0x01010101) << 4;
    }
}

// Block `b` of the superblock at `file`: 128 bytes of nibbles, 64 of upper bits, 16 scales, d.
INLINE void read_q6_k(row_block *block, const uint8_t *file, size_t b) {
    const uint8_t *nibbles = file + b / 4 * 64 + (b & 1) * 32, *uppers = file + 128 + b / 4 * 32;
    for (int j = 0; j < 8; j++) {
        block->weights[j] = (load_32(nibbles + 4 * j) >> (b & 2) * 2 & LOW_NIBBLES) |
                            (load_32(uppers + 4 * j) >> (b & 3) * 2 & 0x03030303) << 4;
    }
    block->scales[0] = file[192 + 2 * b];
    block->scales[1] = file[192 + 2 * b + 1];
    block->d = load_16(file + 208);
    block->m = 0;
}

INLINE size_t file_block_bytes(kapok_weight_type type) {
    switch (type) {
    case KAPOK_WEIGHT_Q4_0: return 18;
    case KAPOK_WEIGHT_Q4_1: return 20;
    case KAPOK_WEIGHT_Q5_0: return 22;
    case KAPOK_WEIGHT_Q5_1: return 24;
    case KAPOK_WEIGHT_Q8_0: return 34;
    case KAPOK_WEIGHT_Q4_K: return 144;
    case KAPOK_WEIGHT_Q5_K: return 176;
    case KAPOK_WEIGHT_Q6_K: return 210;
    default: return 0;
    }
}

// Block `b` of the row at `row`.
INLINE void read_block(
    const kapok_weight_type type, row_block *block, const uint8_t *row, size_t b) {
    const size_t bytes = file_block_bytes(type);
    if (has_superblocks(type)) {
        const uint8_t *file = row + b / 8 * bytes;
        if (type == KAPOK_WEIGHT_Q6_K) read_q6_k(block, file, b % 8);
        else read_q4_k(block, type == KAPOK_WEIGHT_Q5_K, file, b % 8);
        return;
    }
    const uint8_t *file = row + b * bytes;
    block->d = load_16(file);
    file += 2;
    if (has_minimum(type)) {
        block->m = load_16(file);
        file += 2;
    }
    if (type == KAPOK_WEIGHT_Q8_0) {
        for (int j = 0; j < 8; j++) block->weights[j] = load_32(file + 4 * j) ^ 0x80808080;
        return;
    }
    if (has_fifth_bits(type)) {
        take_nibbles(block, file + 4);
        add_fifth_bits(block, load_32(file));
    } else {
        take_nibbles(block, file);
    }
}

INLINE void store_32(uint8_t *bytes, uint32_t value) { memcpy(bytes, &value, 4); }
INLINE void store_16(uint8_t *bytes, uint16_t value) { memcpy(bytes, &value, 2); }

// Brings row `r` of 16 of a block into its place.
INLINE void place_weights(
    const kapok_weight_type type, const row_block *block, uint8_t *target, size_t r) {
    const uint32_t *weights = block->weights;
    target += 4 * r;
    if (!has_nibbles(type)) {
        for (int j = 0; j < 8; j++) store_32(target + 64 * j, weights[j]);
        return;
    }
    for (int p = 0; p < 4; p++) {
        store_32(
            target + 64 * p, (weights[p] & LOW_NIBBLES) | (weights[p + 4] & LOW_NIBBLES) << 4);
    }
    if (has_fifth_bits(type)) {
        uint32_t fifths = 0;
        for (int j = 0; j < 8; j++) fifths |= (weights[j] >> 4 & 0x01010101) << j;
        store_32(target + 256, fifths);
    }
    if (type == KAPOK_WEIGHT_Q6_K) {
        uint32_t uppers[2] = {0, 0};
        for (int j = 0; j < 8; j++) uppers[j / 4] |= (weights[j] >> 4 & 0x03030303) << j % 4 * 2;
        store_32(target + 256, uppers[0]);
        store_32(target + 320, uppers[1]);
    }
}

INLINE void place_scales(
    const kapok_weight_type type, const row_block *block, uint8_t *group, size_t b, size_t r) {
    uint8_t *target = group + run_offset(type, b);
    if (has_superblocks(type)) {
        store_16(target + 2 * r, block->d);
        store_16(target + 32 + 2 * r, block->m);
        target[64 + b % 8 * 32 + r] = block->scales[0];
        target[64 + b % 8 * 32 + 16 + r] = block->scales[1];
        return;
    }
    store_16(target + b % run_blocks(type) * 32 + 2 * r, block->d);
    if (has_minimum(type)) store_16(target + 32 + 2 * r, block->m);
}

// The first `rows` rows of a group; the others become zeros.
INLINE void pack_blocks(
    const kapok_weight_type type, size_t rows, size_t columns, const uint8_t *file,
    uint8_t *group) {
    const size_t blocks = columns / BLOCK;
    const size_t per_row = columns / (has_superblocks(type) ? SUPERBLOCK : BLOCK);
    const size_t row_bytes = per_row * file_block_bytes(type);
    // Also what stays free: scales of a last run that is short.
    if (rows < KAPOK_LINEAR_ROWS || blocks % run_blocks(type) != 0) {
        memset(group, 0, group_bytes(type, columns));
    }
    for (size_t b = 0; b < blocks; b++) {
        for (size_t r = 0; r < rows; r++) {
            row_block block;
            read_block(type, &block, file + r * row_bytes, b);
            place_weights(type, &block, group + block_offset(type, b), r);
            place_scales(type, &block, group, b, r);
        }
    }
}

INLINE void pack_floats(
    const size_t bytes, size_t rows, size_t columns, const uint8_t *file, uint8_t *group) {
    if (rows < KAPOK_LINEAR_ROWS) memset(group, 0, up_to_64(columns * bytes * KAPOK_LINEAR_ROWS));
    for (size_t k = 0; k < columns; k++) {
        for (size_t r = 0; r < rows; r++) {
            memcpy(
                group + (k * KAPOK_LINEAR_ROWS + r) * bytes, file + (r * columns + k) * bytes,
                bytes);
        }
    }
}

static void pack_group(
    kapok_weight_type type, size_t rows, size_t columns, const uint8_t *file, uint8_t *group) {
    switch (type) {
    case KAPOK_WEIGHT_F32: pack_floats(4, rows, columns, file, group); return;
    case KAPOK_WEIGHT_F16:
    case KAPOK_WEIGHT_BF16: pack_floats(2, rows, columns, file, group); return;
    case KAPOK_WEIGHT_Q4_0: pack_blocks(KAPOK_WEIGHT_Q4_0, rows, columns, file, group); return;
    case KAPOK_WEIGHT_Q4_1: pack_blocks(KAPOK_WEIGHT_Q4_1, rows, columns, file, group); return;
    case KAPOK_WEIGHT_Q5_0: pack_blocks(KAPOK_WEIGHT_Q5_0, rows, columns, file, group); return;
    case KAPOK_WEIGHT_Q5_1: pack_blocks(KAPOK_WEIGHT_Q5_1, rows, columns, file, group); return;
    case KAPOK_WEIGHT_Q8_0: pack_blocks(KAPOK_WEIGHT_Q8_0, rows, columns, file, group); return;
    case KAPOK_WEIGHT_Q4_K: pack_blocks(KAPOK_WEIGHT_Q4_K, rows, columns, file, group); return;
    case KAPOK_WEIGHT_Q5_K: pack_blocks(KAPOK_WEIGHT_Q5_K, rows, columns, file, group); return;
    case KAPOK_WEIGHT_Q6_K: pack_blocks(KAPOK_WEIGHT_Q6_K, rows, columns, file, group); return;
    }
}

void kapok_linear_pack(
    kapok_weight_type type, size_t rows, size_t columns, const void *file_rows, void *packed,
    size_t row_begin, size_t row_end) {
    const size_t block = has_superblocks(type) ? SUPERBLOCK : BLOCK;
    const size_t row_bytes =
        is_float(type) ? columns * float_bytes(type) : columns / block * file_block_bytes(type);
    const size_t end = row_end < rows ? row_end : rows;
    for (size_t row = row_begin; row < end; row += KAPOK_LINEAR_ROWS) {
        const size_t count = end - row < KAPOK_LINEAR_ROWS ? end - row : KAPOK_LINEAR_ROWS;
        pack_group(
            type, count, columns, (const uint8_t *)file_rows + row * row_bytes,
            (uint8_t *)packed + row / KAPOK_LINEAR_ROWS * group_bytes(type, columns));
    }
}
