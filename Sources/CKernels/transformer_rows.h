// Rows of floats in vectors of 16: included by transformer.c for each instruction set. Every
// function does the same operations in the same order for all of them.

INLINE v16 NAME(load)(const float *x) { return *(const v16_anywhere *)x; }
INLINE void NAME(store)(float *y, v16 value) { *(v16_anywhere *)y = value; }
INLINE v16 NAME(splat)(float x) {
    return (v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}
INLINE v16 NAME(fma)(v16 a, v16 b, v16 c) { return __builtin_elementwise_fma(a, b, c); }
INLINE v16 NAME(select)(i16 mask, v16 a, v16 b) {
    return (v16)((mask & (i16)a) | (~mask & (i16)b));
}
INLINE v16 NAME(larger)(v16 a, v16 b) { return NAME(select)(a > b, a, b); }

// The first `count` < 16 elements; zeros in the other lanes.
INLINE v16 NAME(load_some)(const float *x, size_t count) {
    float lanes[16] = {0};
    for (size_t i = 0; i < count; i++) lanes[i] = x[i];
    return NAME(load)(lanes);
}
INLINE void NAME(store_some)(float *y, v16 value, size_t count) {
    float lanes[16];
    NAME(store)(lanes, value);
    for (size_t i = 0; i < count; i++) y[i] = lanes[i];
}

// Lanes 0 and 8, 1 and 9 and so on, then those 4 apart, 2 apart, neighbours.
INLINE float NAME(sum)(v16 x) {
    float lanes[16];
    NAME(store)(lanes, x);
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
    }
    return lanes[0];
}
INLINE float NAME(largest)(v16 x) {
    float lanes[16];
    NAME(store)(lanes, x);
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) {
            lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
        }
    }
    return lanes[0];
}

// 2^x = 2^n 2^r with whole n and |r| <= 1/2; 2^r = 1 + r q(r), q of degree 5 found by least
// squares with weights moved towards the largest relative error, which is 2e-9 before rounding.
// Adding 1.5 * 2^23 leaves no bits for a fraction, and n in the lowest bits.
INLINE v16 NAME(exp2)(v16 x) {
    const v16 magic = NAME(splat)(0x1.8p23f);
    const v16 low = NAME(splat)(-126), high = NAME(splat)(127);
    v16 limited = NAME(select)(x > low, x, low);
    limited = NAME(select)(limited < high, limited, high);
    const v16 shifted = limited + magic;
    const v16 r = limited - (shifted - magic);
    v16 q = NAME(splat)(0x1.41fbbcp-13f);
    q = NAME(fma)(q, r, NAME(splat)(0x1.5f3e54p-10f));
    q = NAME(fma)(q, r, NAME(splat)(0x1.3b2d4cp-7f));
    q = NAME(fma)(q, r, NAME(splat)(0x1.c6aee8p-5f));
    q = NAME(fma)(q, r, NAME(splat)(0x1.ebfbdcp-3f));
    q = NAME(fma)(q, r, NAME(splat)(0x1.62e430p-1f));
    const v16 power = NAME(fma)(q, r, NAME(splat)(1));
    const v16 result = (v16)((u16)power + ((u16)shifted << 23));
    return NAME(select)(x < low, NAME(splat)(0), result);
}

static void NAME(power_of_two)(float *y, const float *x, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) NAME(store)(y + i, NAME(exp2)(NAME(load)(x + i)));
    if (i < count) NAME(store_some)(y + i, NAME(exp2)(NAME(load_some)(x + i, count - i)), count - i);
}

// Four sums of 16 lanes, so that the additions need not wait for one another.
static void NAME(rms_norm)(
    float *y, const float *x, const float *weights, size_t count, float epsilon) {
    v16 sums[4] = {NAME(splat)(0), NAME(splat)(0), NAME(splat)(0), NAME(splat)(0)};
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        for (int s = 0; s < 4; s++) {
            const v16 value = NAME(load)(x + i + 16 * s);
            sums[s] = NAME(fma)(value, value, sums[s]);
        }
    }
    for (; i + 16 <= count; i += 16) {
        const v16 value = NAME(load)(x + i);
        sums[0] = NAME(fma)(value, value, sums[0]);
    }
    if (i < count) {
        const v16 value = NAME(load_some)(x + i, count - i);
        sums[1] = NAME(fma)(value, value, sums[1]);
    }
    const float squares = NAME(sum)((sums[0] + sums[1]) + (sums[2] + sums[3]));
    const float factor = 1 / sqrtf(squares / (float)count + epsilon);
    for (i = 0; i + 16 <= count; i += 16) {
        NAME(store)(y + i, NAME(load)(x + i) * NAME(splat)(factor) * NAME(load)(weights + i));
    }
    for (; i < count; i++) y[i] = x[i] * factor * weights[i];
}

static void NAME(add)(float *x, const float *y, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) NAME(store)(x + i, NAME(load)(x + i) + NAME(load)(y + i));
    for (; i < count; i++) x[i] += y[i];
}

static void NAME(scale)(float *x, float factor, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) NAME(store)(x + i, NAME(load)(x + i) * NAME(splat)(factor));
    for (; i < count; i++) x[i] *= factor;
}

INLINE v16 NAME(silu)(v16 gate, v16 up) {
    // e^-g = 2^(-g log2 e).
    const v16 power = NAME(exp2)(gate * NAME(splat)(-0x1.715476p0f));
    return gate / (NAME(splat)(1) + power) * up;
}

static void NAME(silu_product)(float *y, const float *gate, const float *up, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        NAME(store)(y + i, NAME(silu)(NAME(load)(gate + i), NAME(load)(up + i)));
    }
    if (i < count) {
        const size_t rest = count - i;
        NAME(store_some)
        (y + i, NAME(silu)(NAME(load_some)(gate + i, rest), NAME(load_some)(up + i, rest)), rest);
    }
}

// The two elements of a pair, turned.
INLINE void NAME(turn)(v16 *a, v16 *b, v16 cosine, v16 sine) {
    const v16 turned = *a * cosine - *b * sine;
    *b = *b * cosine + *a * sine;
    *a = turned;
}

static void NAME(rotate)(float *head, const float *turns, size_t pairs, int halves) {
    const float *const sines = turns + pairs;
    size_t i = 0;
    for (; i + 16 <= pairs; i += 16) {
        const v16 cosine = NAME(load)(turns + i), sine = NAME(load)(sines + i);
        if (halves) {
            v16 a = NAME(load)(head + i), b = NAME(load)(head + pairs + i);
            NAME(turn)(&a, &b, cosine, sine);
            NAME(store)(head + i, a);
            NAME(store)(head + pairs + i, b);
        } else {
            const v16 low = NAME(load)(head + 2 * i), high = NAME(load)(head + 2 * i + 16);
            v16 a = __builtin_shufflevector(
                low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            v16 b = __builtin_shufflevector(
                low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            NAME(turn)(&a, &b, cosine, sine);
            NAME(store)
            (head + 2 * i, __builtin_shufflevector(
                               a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
            NAME(store)
            (head + 2 * i + 16, __builtin_shufflevector(
                                    a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30,
                                    15, 31));
        }
    }
    for (; i < pairs; i++) {
        float *const first = halves ? head + i : head + 2 * i;
        float *const second = halves ? head + pairs + i : first + 1;
        const float a = *first, b = *second;
        *first = a * turns[i] - b * sines[i];
        *second = b * turns[i] + a * sines[i];
    }
}
