// Conversions between FP32 and the types of memory: `decode`, `encode` and `encode_stochastic`,
// included by fp32_tile_rows.h for each instruction set. All branches are selections, so that the
// loops become vector code.

#define ENCODED NAME(encoded)
#define ENCODED_AT_RANDOM NAME(encoded_at_random)
#define DECODED NAME(decoded)
#define BITS NAME(bits)
#define FLOAT NAME(float_of)
#define TO_INTEGER NAME(to_integer)
#define RANDOM NAME(random_number)

INLINE uint32_t BITS(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE float FLOAT(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// A floating-point type of 1 sign, `e` exponent and `m` significand bits with the usual bias:
// `top` is the first code above the finite values, `nan` the quiet NaN that is written.
#define FORMATS(USE)                                                                               \
    USE(KAPOK_BF16, uint16_t, 8, 7, 0x7F80, 0x7FC0)                                                \
    USE(KAPOK_FP16, uint16_t, 5, 10, 0x7C00, 0x7E00)                                               \
    USE(KAPOK_FP8_E4M3, uint8_t, 4, 3, 0x78, 0x7C)                                                 \
    USE(KAPOK_FP8_E4M3FN, uint8_t, 4, 3, 0x7F, 0x7F)                                               \
    USE(KAPOK_FP8_E5M2, uint8_t, 5, 2, 0x7C, 0x7E)                                                 \
    USE(KAPOK_FP8_E3M4, uint8_t, 3, 4, 0x70, 0x78)

INLINE float DECODED(uint32_t code, int e, int m, uint32_t top, uint32_t nan) {
    const uint32_t sign = code >> (e + m) << 31;
    const uint32_t magnitude = code & ((1u << (e + m)) - 1);
    // Read as FP32, the value is too small by the difference of the biases; the product is exact,
    // and right for subnormal numbers too.
    const int bias = (1 << (e - 1)) - 1;
    const float scale = FLOAT((uint32_t)(127 + 127 - bias) << 23);
    uint32_t finite = BITS(e == 8 ? FLOAT(magnitude << (23 - m))
                                  : FLOAT(magnitude << (23 - m)) * scale);
    // Types of 16 bits keep a NaN's payload; those of 8 bits have but one.
    const uint32_t special =
        e + m == 15 ? 0x7F800000 | magnitude << (23 - m)
                    : (magnitude == top && top != nan ? 0x7F800000 : 0x7FC00000);
    return FLOAT(sign | (magnitude >= top ? special : finite));
}

INLINE uint32_t ENCODED(float value, int e, int m, uint32_t top, uint32_t nan) {
    const uint32_t bits = BITS(value), magnitude = bits & 0x7FFFFFFF;
    const int bias = (1 << (e - 1)) - 1;
    // Adding all but half of what is cut off, and one more where the last kept bit is odd, carries
    // exactly when rounding to nearest even goes up.
    const uint32_t rebased = magnitude - ((uint32_t)(127 - bias) << 23);
    const uint32_t odd = magnitude >> (23 - m) & 1;
    const uint32_t normal = (rebased + ((1u << (22 - m)) - 1) + odd) >> (23 - m);
    uint32_t code = normal;
    if (e < 8) {
        // Below the smallest normal number the last bit stands still: adding 2^23 of its units
        // makes the FP32 addition round there.
        const uint32_t unit = (uint32_t)(127 + 1 - bias - m + 23) << 23;
        const uint32_t subnormal = BITS(FLOAT(magnitude) + FLOAT(unit)) - unit;
        code = magnitude < (uint32_t)(127 + 1 - bias) << 23 ? subnormal : normal;
    }
    code = code > top ? top : code;
    code = magnitude > 0x7F800000 ? nan : code;
    return bits >> 31 << (e + m) | code;
}

INLINE uint32_t ENCODED_AT_RANDOM(
    float value, uint32_t random, int e, int m, uint32_t top, uint32_t nan) {
    const uint32_t bits = BITS(value), magnitude = bits & 0x7FFFFFFF;
    const int bias = (1 << (e - 1)) - 1;
    const int32_t stored = (int32_t)(magnitude >> 23);
    const int32_t exponent = stored == 0 ? 1 : stored;
    const uint64_t significand = (magnitude & 0x7FFFFF) | (stored == 0 ? 0 : 0x800000u);
    // How many bits of the significand lie below the last one that is kept.
    const int32_t least = 127 + 1 - bias;
    const int32_t below = exponent < least ? least - exponent : 0;
    const int32_t cut = 23 - m + (below > 40 ? 40 : below);
    const uint32_t kept = (uint32_t)(significand >> cut);
    const uint32_t rest = (uint32_t)(significand << 32 >> cut);
    const uint32_t binade = exponent > least ? (uint32_t)(exponent - least) << m : 0;
    uint32_t code = binade + kept + (random < rest);
    code = code > top || magnitude == 0x7F800000 ? top : code;
    code = magnitude > 0x7F800000 ? nan : code;
    return bits >> 31 << (e + m) | code;
}

// Output number `index` of SplitMix64 from state `seed`, its upper half.
INLINE uint32_t RANDOM(uint64_t seed, uint64_t index) {
    uint64_t z = seed + 0x9E3779B97F4A7C15 * (index + 1);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

// Rounds to nearest even and saturates at `low` and `high`, both exact in FP64; NaN gives 0.
INLINE int64_t TO_INTEGER(float value, double low, double high) {
    double rounded = rint((double)value);
    rounded = rounded < low ? low : rounded;
    rounded = rounded > high ? high : rounded;
    return (int64_t)(rounded == rounded ? rounded : 0);
}

// A loop over elements that do not depend on each other, and one that calls the C library.
#define ONE_BY_ONE for (size_t i = 0; i < count; i++)
#define EACH _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++)

// One loop for elements side by side, one for the others.
#define DECODE_LOOPS(TYPE, VALUE)                                                                  \
    {                                                                                              \
        const TYPE *elements = source;                                                             \
        if (stride == 1) {                                                                         \
            EACH { const TYPE element = elements[i]; result[i] = VALUE; }                          \
        } else {                                                                                   \
            for (size_t i = 0; i < count; i++, elements += stride) {                               \
                const TYPE element = *elements;                                                    \
                result[i] = VALUE;                                                                 \
            }                                                                                      \
        }                                                                                          \
        return;                                                                                    \
    }

#define ENCODE_LOOPS(TYPE, VALUE)                                                                  \
    {                                                                                              \
        TYPE *elements = result;                                                                   \
        if (stride == 1) {                                                                         \
            EACH { const float value = source[i]; elements[i] = (TYPE)(VALUE); }                   \
        } else {                                                                                   \
            for (size_t i = 0; i < count; i++, elements += stride) {                               \
                const float value = source[i];                                                     \
                *elements = (TYPE)(VALUE);                                                         \
            }                                                                                      \
        }                                                                                          \
        return;                                                                                    \
    }

static void NAME(decode)(
    kapok_element_type type, const void *source, ptrdiff_t stride, float *result, size_t count) {
    switch (type) {
    case KAPOK_FP32: DECODE_LOOPS(float, element)
    case KAPOK_TF32: DECODE_LOOPS(float, FLOAT(ENCODED(element, 8, 10, 0x3FC00, 0x3FE00) << 13))
#define CASE(TYPE, STORED, e, m, top, nan)                                                         \
    case TYPE: DECODE_LOOPS(STORED, DECODED(element, e, m, top, nan))
        FORMATS(CASE)
#undef CASE
    case KAPOK_INT32: DECODE_LOOPS(int32_t, (float)element)
    case KAPOK_UINT32: DECODE_LOOPS(uint32_t, (float)element)
    case KAPOK_INT16: DECODE_LOOPS(int16_t, (float)element)
    case KAPOK_UINT16: DECODE_LOOPS(uint16_t, (float)element)
    case KAPOK_INT8: DECODE_LOOPS(int8_t, (float)element)
    case KAPOK_UINT8: DECODE_LOOPS(uint8_t, (float)element)
    }
}

static void NAME(encode)(
    kapok_element_type type, const float *source, void *result, ptrdiff_t stride, size_t count) {
    switch (type) {
    case KAPOK_FP32: ENCODE_LOOPS(float, value)
    case KAPOK_TF32: ENCODE_LOOPS(uint32_t, ENCODED(value, 8, 10, 0x3FC00, 0x3FE00) << 13)
#define CASE(TYPE, STORED, e, m, top, nan)                                                         \
    case TYPE: ENCODE_LOOPS(STORED, ENCODED(value, e, m, top, nan))
        FORMATS(CASE)
#undef CASE
    case KAPOK_INT32: ENCODE_LOOPS(int32_t, TO_INTEGER(value, -2147483648.0, 2147483647.0))
    case KAPOK_UINT32: ENCODE_LOOPS(uint32_t, TO_INTEGER(value, 0, 4294967295.0))
    case KAPOK_INT16: ENCODE_LOOPS(int16_t, TO_INTEGER(value, -32768, 32767))
    case KAPOK_UINT16: ENCODE_LOOPS(uint16_t, TO_INTEGER(value, 0, 65535))
    case KAPOK_INT8: ENCODE_LOOPS(int8_t, TO_INTEGER(value, -128, 127))
    case KAPOK_UINT8: ENCODE_LOOPS(uint8_t, TO_INTEGER(value, 0, 255))
    }
}

static void NAME(encode_stochastic)(
    kapok_element_type type, const float *source, void *result, ptrdiff_t stride, size_t count,
    uint64_t seed, uint64_t first) {
    switch (type) {
    case KAPOK_TF32:
        ENCODE_LOOPS(uint32_t,
            ENCODED_AT_RANDOM(value, RANDOM(seed, first + i), 8, 10, 0x3FC00, 0x3FE00) << 13)
#define CASE(TYPE, STORED, e, m, top, nan)                                                         \
    case TYPE:                                                                                     \
        ENCODE_LOOPS(STORED,                                                                       \
            ENCODED_AT_RANDOM(value, RANDOM(seed, first + i), e, m, top, nan))
        FORMATS(CASE)
#undef CASE
    default: NAME(encode)(type, source, result, stride, count);
    }
}

#undef DECODE_LOOPS
#undef ENCODE_LOOPS
#undef FORMATS
#undef ENCODED
#undef ENCODED_AT_RANDOM
#undef DECODED
#undef TO_INTEGER
#undef RANDOM
