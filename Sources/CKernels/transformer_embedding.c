// Rows of weights as floats: what the embedding of a token is read with. The storage is GGUF's
// (ggml-common.h describes the blocks); a row is read once per token, so plain C is enough.

#include "CKernels.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

static float half(const uint8_t *p) {
    const uint32_t bits = (uint32_t)(p[0] | p[1] << 8), magnitude = bits & 0x7FFF;
    uint32_t value = magnitude << 13;
    float result;
    if (magnitude >= 0x7C00) {
        value |= 0x7F800000;
        memcpy(&result, &value, sizeof result);
    } else {
        memcpy(&result, &value, sizeof result);
        result *= 0x1p112f;
    }
    return bits & 0x8000 ? -result : result;
}

static uint32_t word(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// Blocks of 32: a scale, perhaps a minimum, perhaps a fifth bit of each number, nibbles: the low
// ones are elements 0 to 15, the high ones 16 to 31.
static void nibbles(const uint8_t *block, float *y, int has_minimum, int has_fifth_bit) {
    const float scale = half(block);
    const float minimum = has_minimum ? half(block + 2) : 0;
    const uint8_t *p = block + (has_minimum ? 4 : 2);
    uint32_t fifth = 0;
    if (has_fifth_bit) {
        fifth = word(p);
        p += 4;
    }
    const int offset = has_minimum ? 0 : has_fifth_bit ? 16 : 8;
    for (int i = 0; i < 16; i++) {
        const int low = (p[i] & 15) | (int)(fifth >> i & 1) << 4;
        const int high = p[i] >> 4 | (int)(fifth >> (i + 16) & 1) << 4;
        y[i] = (float)(low - offset) * scale + minimum;
        y[i + 16] = (float)(high - offset) * scale + minimum;
    }
}

static void q8_0(const uint8_t *block, float *y) {
    const float scale = half(block);
    for (int i = 0; i < 32; i++) y[i] = (float)(int8_t)block[2 + i] * scale;
}

// The 6 bits of scale and of minimum of group `g` of 8, packed into 12 bytes.
static void group(const uint8_t *packed, int g, int *scale, int *minimum) {
    if (g < 4) {
        *scale = packed[g] & 63;
        *minimum = packed[g + 4] & 63;
    } else {
        *scale = (packed[g + 4] & 15) | packed[g - 4] >> 6 << 4;
        *minimum = packed[g + 4] >> 4 | packed[g] >> 6 << 4;
    }
}

// Blocks of 256 in 8 groups of 32; two groups share 32 bytes of nibbles.
static void q4_or_5_K(const uint8_t *block, float *y, int has_fifth_bit) {
    const float scale = half(block), minimum = half(block + 2);
    const uint8_t *const fifth = block + 16;
    const uint8_t *const low_bits = block + (has_fifth_bit ? 48 : 16);
    for (int g = 0; g < 8; g++) {
        int group_scale, group_minimum;
        group(block + 4, g, &group_scale, &group_minimum);
        const float factor = scale * (float)group_scale;
        const float shift = minimum * (float)group_minimum;
        for (int i = 0; i < 32; i++) {
            const uint8_t byte = low_bits[g / 2 * 32 + i];
            int number = g % 2 == 0 ? byte & 15 : byte >> 4;
            if (has_fifth_bit) number |= (fifth[i] >> g & 1) << 4;
            y[g * 32 + i] = factor * (float)number - shift;
        }
    }
}

// Blocks of 256 in two halves: 64 bytes of nibbles, 32 of pairs of bits, 8 scales each.
static void q6_K(const uint8_t *block, float *y) {
    const float scale = half(block + 208);
    for (int n = 0; n < 256; n++) {
        const int h = n / 128, quarter = n % 128 / 32, i = n % 32;
        const uint8_t byte = block[h * 64 + quarter % 2 * 32 + i];
        const int low = quarter < 2 ? byte & 15 : byte >> 4;
        const int high = block[128 + h * 32 + i] >> (2 * quarter) & 3;
        const int8_t factor = (int8_t)block[192 + h * 8 + quarter * 2 + i / 16];
        y[n] = scale * (float)factor * (float)((low | high << 4) - 32);
    }
}

void kapok_weights_to_float(uint32_t type, const void *file_row, float *y, size_t count) {
    const uint8_t *p = file_row;
    switch (type) {
    case KAPOK_WEIGHT_F32: memcpy(y, p, count * sizeof(float)); return;
    case KAPOK_WEIGHT_F16:
        for (size_t i = 0; i < count; i++) y[i] = half(p + 2 * i);
        return;
    case KAPOK_WEIGHT_BF16:
        for (size_t i = 0; i < count; i++) {
            const uint32_t bits = (uint32_t)(p[2 * i] | p[2 * i + 1] << 8) << 16;
            memcpy(y + i, &bits, sizeof bits);
        }
        return;
    case KAPOK_WEIGHT_Q4_0:
        for (size_t i = 0; i + 32 <= count; i += 32, p += 18) nibbles(p, y + i, 0, 0);
        return;
    case KAPOK_WEIGHT_Q4_1:
        for (size_t i = 0; i + 32 <= count; i += 32, p += 20) nibbles(p, y + i, 1, 0);
        return;
    case KAPOK_WEIGHT_Q5_0:
        for (size_t i = 0; i + 32 <= count; i += 32, p += 22) nibbles(p, y + i, 0, 1);
        return;
    case KAPOK_WEIGHT_Q5_1:
        for (size_t i = 0; i + 32 <= count; i += 32, p += 24) nibbles(p, y + i, 1, 1);
        return;
    case KAPOK_WEIGHT_Q8_0:
        for (size_t i = 0; i + 32 <= count; i += 32, p += 34) q8_0(p, y + i);
        return;
    case KAPOK_WEIGHT_Q4_K:
        for (size_t i = 0; i + 256 <= count; i += 256, p += 144) q4_or_5_K(p, y + i, 0);
        return;
    case KAPOK_WEIGHT_Q5_K:
        for (size_t i = 0; i + 256 <= count; i += 256, p += 176) q4_or_5_K(p, y + i, 1);
        return;
    case KAPOK_WEIGHT_Q6_K:
        for (size_t i = 0; i + 256 <= count; i += 256, p += 210) q6_K(p, y + i);
        return;
    default: memset(y, 0, count * sizeof(float)); return;
    }
}
