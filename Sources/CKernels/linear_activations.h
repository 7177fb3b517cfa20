// Packing of some blocks of a token's activations in plain C, included once for each instruction
// set by linear_activations.c; every step is exact or rounded in one way, so all give the same
// bits.

static void NAME(pack_blocks)(
    size_t blocks, const float *x, uint8_t *packed, activation_block *extras) {
    for (size_t b = 0; b < blocks; b++, x += BLOCK, packed += BLOCK) {
        // As integers the bits of absolute values are in the order of the values, NaN the last.
        int32_t bits[BLOCK], largest = 0;
        memcpy(bits, x, sizeof bits);
        for (int k = 0; k < BLOCK; k++) {
            const int32_t absolute = bits[k] & 0x7FFFFFFF;
            largest = absolute > largest ? absolute : largest;
        }
        if (largest >= INFINITE || largest < SMALLEST) {
            // What is not finite must show in the result; what is as good as zero becomes zero.
            const float all = largest >= INFINITE ? __builtin_nanf("") : 0;
            memset(packed, 0, BLOCK);
            extras[b] = (activation_block){all, all, 0, 0, 0};
            continue;
        }
        const float maximum = float_of_bits((uint32_t)largest), factor = 127 / maximum;
        int32_t sums[2] = {0, 0};
        int32_t quants[BLOCK];
        for (int k = 0; k < BLOCK; k++) {
            // Beyond 1.5 * 2^23 there is no fraction: adding rounds to the nearest, ties to even.
            const float rounded = (x[k] * factor + ROUNDING) - ROUNDING;
            quants[k] = (int32_t)rounded;
        }
        for (int k = 0; k < BLOCK; k++) packed[k] = (uint8_t)quants[k];
        for (int k = 0; k < BLOCK / 2; k++) sums[0] += quants[k];
        for (int k = BLOCK / 2; k < BLOCK; k++) sums[1] += quants[k];
        const int32_t sum = sums[0] + sums[1];
        const float scale = maximum / 127;
        extras[b] = (activation_block){
            scale, scale * (float)sum, -8 * sum, -8 * sums[0], -128 * sum};
    }
}
