// Operations on two numbers and reductions: `combine`, `scan`, `reduce` and `sum_of_squares`,
// included by fp32_tile_rows.h for each instruction set.

#define CANONICAL NAME(canonical)
#define MAXIMUM NAME(maximum)
#define MINIMUM NAME(minimum)
#define LARGER NAME(larger)
#define APPLIED NAME(applied)

// Which NaN an operation passes on depends on the processor: the stated arithmetic knows but one.
INLINE float CANONICAL(float value) { return value == value ? value : FLOAT(0x7FC00000); }

INLINE float MAXIMUM(float x, float y) {
    // Equal numbers differ in bits only as +0 and -0: the conjunction is +0.
    const float ordered = x > y ? x : y;
    const float number = x == y ? FLOAT(BITS(x) & BITS(y)) : ordered;
    return x == x && y == y ? number : FLOAT(0x7FC00000);
}

INLINE float MINIMUM(float x, float y) {
    const float ordered = x < y ? x : y;
    const float number = x == y ? FLOAT(BITS(x) | BITS(y)) : ordered;
    return x == x && y == y ? number : FLOAT(0x7FC00000);
}

INLINE float LARGER(float x, float y) {
    return MAXIMUM(FLOAT(BITS(x) & 0x7FFFFFFF), FLOAT(BITS(y) & 0x7FFFFFFF));
}

// What each operation does with `x` and `y`.
#define OPERATIONS(USE)                                                                            \
    USE(KAPOK_BYPASS, ((void)y, x))                                                                \
    USE(KAPOK_ADD, x + y)                                                                          \
    USE(KAPOK_SUBTRACT, x - y)                                                                     \
    USE(KAPOK_MULTIPLY, x * y)                                                                     \
    USE(KAPOK_DIVIDE, x / y)                                                                       \
    USE(KAPOK_MAX, MAXIMUM(x, y))                                                                  \
    USE(KAPOK_MIN, MINIMUM(x, y))                                                                  \
    USE(KAPOK_POWER, (float)NAME(power)(x, y))                                                     \
    USE(KAPOK_IS_EQUAL, x == y ? 1.0f : 0.0f)                                                      \
    USE(KAPOK_NOT_EQUAL, x != y ? 1.0f : 0.0f)                                                     \
    USE(KAPOK_GREATER_EQUAL, x >= y ? 1.0f : 0.0f)                                                 \
    USE(KAPOK_GREATER, x > y ? 1.0f : 0.0f)                                                        \
    USE(KAPOK_LESS_EQUAL, x <= y ? 1.0f : 0.0f)                                                    \
    USE(KAPOK_LESS, x < y ? 1.0f : 0.0f)                                                           \
    USE(KAPOK_ABS_MAX, LARGER(x, y))

// One loop for each of row with row, row with scalar, scalar with row.
#define CASE(OPERATION, EXPRESSION)                                                                \
    case OPERATION:                                                                                \
        if (a_step != 0 && b_step != 0) {                                                          \
            EACH { const float x = a[i], y = b[i]; result[i] = CANONICAL(EXPRESSION); }            \
        } else if (a_step != 0) {                                                                  \
            const float y = b[0];                                                                  \
            EACH { const float x = a[i]; result[i] = CANONICAL(EXPRESSION); }                      \
        } else {                                                                                   \
            const float x = a[0];                                                                  \
            EACH { const float y = b[i * b_step]; result[i] = CANONICAL(EXPRESSION); }             \
        }                                                                                          \
        return;

static void NAME(combine)(
    kapok_operation operation, const float *a, size_t a_step, const float *b, size_t b_step,
    float *result, size_t count) {
    switch (operation) { OPERATIONS(CASE) }
}

#undef CASE

#define CASE(OPERATION, EXPRESSION)                                                                \
    case OPERATION: return CANONICAL(EXPRESSION);

INLINE float APPLIED(kapok_operation operation, float x, float y) {
    switch (operation) { OPERATIONS(CASE) }
    return x;
}

#undef CASE
#undef OPERATIONS

// Each element waits for the one before it: there is nothing to do in parallel.
static void NAME(scan)(
    kapok_operation operation0, int is_reversed0, kapok_operation operation1, int is_reversed1,
    const float *a, const float *b, float initial, float *result, size_t count) {
    float state = initial;
    if (operation0 == KAPOK_MULTIPLY && operation1 == KAPOK_ADD) {
        for (size_t i = 0; i < count; i++) result[i] = state = CANONICAL(a[i] * state + b[i]);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const float inner = is_reversed0 ? APPLIED(operation0, state, a[i])
                                         : APPLIED(operation0, a[i], state);
        state = is_reversed1 ? APPLIED(operation1, b[i], inner)
                             : APPLIED(operation1, inner, b[i]);
        result[i] = state;
    }
}

// `EXPRESSION` combines `x`, what a lane has so far, with `y`, its next element.
#define FOLD(NEUTRAL, EXPRESSION, ELEMENT)                                                         \
    {                                                                                              \
        float lanes[16];                                                                           \
        for (int l = 0; l < 16; l++) lanes[l] = NEUTRAL;                                           \
        size_t i = 0;                                                                              \
        for (; i + 16 <= count; i += 16) {                                                         \
            for (int l = 0; l < 16; l++) {                                                         \
                const float x = lanes[l], element = source[i + (size_t)l], y = ELEMENT;            \
                lanes[l] = EXPRESSION;                                                             \
            }                                                                                      \
        }                                                                                          \
        for (int l = 0; i < count; l++, i++) {                                                     \
            const float x = lanes[l], element = source[i], y = ELEMENT;                            \
            lanes[l] = EXPRESSION;                                                                 \
        }                                                                                          \
        for (int half = 8; half > 0; half /= 2) {                                                  \
            for (int l = 0; l < half; l++) {                                                       \
                const float x = lanes[l], y = lanes[l + half];                                     \
                lanes[l] = EXPRESSION;                                                             \
            }                                                                                      \
        }                                                                                          \
        return CANONICAL(lanes[0]);                                                                \
    }

static float NAME(reduce)(kapok_operation operation, const float *source, size_t count) {
    switch (operation) {
    case KAPOK_MULTIPLY: FOLD(1.0f, x * y, element)
    case KAPOK_MAX: FOLD(-INFINITY, MAXIMUM(x, y), element)
    case KAPOK_MIN: FOLD(INFINITY, MINIMUM(x, y), element)
    case KAPOK_ABS_MAX: FOLD(0.0f, LARGER(x, y), element)
    default: FOLD(0.0f, x + y, element)
    }
}

static float NAME(sum_of_squares)(const float *source, float mean, size_t count) {
    FOLD(0.0f, x + y, (element - mean) * (element - mean))
}

#undef FOLD
#undef MAXIMUM
#undef MINIMUM
#undef LARGER
#undef APPLIED
