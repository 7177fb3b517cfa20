// The function `ADVANCE`: MD5 over LANES streams, one in each lane of a VECTOR. Included by
// md5_lanes.c once for each width and instruction set.

TARGET static void ADVANCE(uint32_t (*states)[4], const uint8_t **data, size_t blocks) {
    VECTOR a, b, c, d;
    for (int l = 0; l < LANES; l++) {
        a[l] = states[l][0], b[l] = states[l][1], c[l] = states[l][2], d[l] = states[l][3];
    }
    for (size_t offset = 0, end = 64 * blocks; offset < end;) {
        // Word i of every stream's block. Each quarter of a vector has four streams: four rows of
        // four words are transposed there.
        VECTOR words[16];
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i += 4, offset += 16) {
            const VECTOR row0 = ROW(0), row1 = ROW(1), row2 = ROW(2), row3 = ROW(3);
            const VECTOR low01 = LOW32(row0, row1), high01 = HIGH32(row0, row1);
            const VECTOR low23 = LOW32(row2, row3), high23 = HIGH32(row2, row3);
            words[i] = LOW64(low01, low23), words[i + 1] = HIGH64(low01, low23);
            words[i + 2] = LOW64(high01, high23), words[i + 3] = HIGH64(high01, high23);
        }
        const VECTOR a0 = a, b0 = b, c0 = c, d0 = d;
#define F LANES_F
#define G LANES_G
#define H LANES_H
#define I LANES_I
#define STEP(f, w, x, y, z, i, r, k)                                                               \
    w += words[i] + (uint32_t)k;                                                                   \
    KEEP_ORDER(w);                                                                                 \
    w += f(x, y, z);                                                                               \
    w = (w << r | w >> (32 - r)) + x;
        ALL_STEPS
#undef STEP
#undef F
#undef G
#undef H
#undef I
        a += a0, b += b0, c += c0, d += d0;
    }
    for (int l = 0; l < LANES; l++) {
        states[l][0] = a[l], states[l][1] = b[l], states[l][2] = c[l], states[l][3] = d[l];
        data[l] += 64 * blocks;
    }
}
