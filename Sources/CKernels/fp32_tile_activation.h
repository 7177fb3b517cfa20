// Functions of one number: `activate`, included by fp32_tile_rows.h for each instruction set.

#define LOOP(EXPRESSION)                                                                           \
    {                                                                                              \
        EACH { const float x = source[i]; result[i] = CANONICAL(EXPRESSION); }                     \
        return;                                                                                    \
    }
#define WIDE_LOOP(EXPRESSION)                                                                      \
    {                                                                                              \
        ONE_BY_ONE {                                                                               \
            const double x = source[i];                                                            \
            result[i] = CANONICAL((float)(EXPRESSION));                                            \
        }                                                                                          \
        return;                                                                                    \
    }

static void NAME(activate)(
    kapok_activation function, const float *source, float *result, size_t count) {
    switch (function) {
    case KAPOK_IDENTITY: LOOP(x)
    case KAPOK_EXP: WIDE_LOOP(exp(x))
    case KAPOK_LN: WIDE_LOOP(log(x))
    case KAPOK_SQRT: LOOP(__builtin_elementwise_sqrt(x))
    case KAPOK_RSQRT: WIDE_LOOP(1 / sqrt(x))
    case KAPOK_SQUARE: LOOP(x * x)
    case KAPOK_RECIPROCAL: LOOP(1 / x)
    case KAPOK_SIGMOID: WIDE_LOOP(1 / (1 + exp(-x)))
    case KAPOK_SILU: WIDE_LOOP(x == -INFINITY ? 0 : x / (1 + exp(-x)))
    case KAPOK_GELU: WIDE_LOOP(x == -INFINITY ? 0 : 0.5 * x * erfc(-0.70710678118654752440 * x))
    case KAPOK_TANH: WIDE_LOOP(tanh(x))
    case KAPOK_RELU: LOOP(x > 0 ? x : x == x ? 0 : x)
    case KAPOK_SOFTPLUS: WIDE_LOOP((x > 0 ? x : 0) + log1p(exp(x > 0 ? -x : x)))
    case KAPOK_SIN: WIDE_LOOP(sin(x))
    case KAPOK_COS: WIDE_LOOP(cos(x))
    case KAPOK_ABS: LOOP(FLOAT(BITS(x) & 0x7FFFFFFF))
    case KAPOK_ERF: WIDE_LOOP(erf(x))
    }
}

#undef LOOP
#undef WIDE_LOOP
#undef EACH
#undef ONE_BY_ONE
#undef CANONICAL
#undef BITS
#undef FLOAT
