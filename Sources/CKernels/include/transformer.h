// What a transformer block does beside its matrices: normalisation, rotary embedding, attention
// over pages of keys and values, the gate of the feed-forward layer; and a team of threads that
// goes through a pass together. Included by CKernels.h.
//
// All implementations give the same bits: the same fused multiply-adds, sums in 16 lanes and in
// one order. The result for one token depends on its own history alone.
#ifndef KAPOK_TRANSFORMER_H
#define KAPOK_TRANSFORMER_H

#include <stddef.h>
#include <stdint.h>

/// The implementations that the functions below choose from, once, at load time.
typedef enum {
    KAPOK_TRANSFORMER_PORTABLE = 0,
    /// AVX2, FMA and F16C.
    KAPOK_TRANSFORMER_AVX2 = 1,
    /// AVX-512 F, BW, VL and DQ.
    KAPOK_TRANSFORMER_AVX512 = 2,
} kapok_transformer_implementation;

/// Whether this processor can run `implementation`.
int kapok_transformer_supports(kapok_transformer_implementation implementation);

/// The implementation in use: the best supported, or the last one set.
kapok_transformer_implementation kapok_transformer_chosen(void);

/// Chooses an implementation for the whole process (tests); only where supported.
void kapok_transformer_choose(kapok_transformer_implementation implementation);

/// RMS normalisation: y[i] = x[i] / sqrt(mean of squares + epsilon) * weights[i]. `y` may be `x`.
void kapok_rms_norm(float *y, const float *x, const float *weights, size_t count, float epsilon);

/// x[i] += y[i].
void kapok_add(float *x, const float *y, size_t count);

/// x[i] *= factor.
void kapok_scale(float *x, float factor, size_t count);

/// y[i] = gate[i] / (1 + e^-gate[i]) * up[i] (SwiGLU).
void kapok_silu_product(float *y, const float *gate, const float *up, size_t count);

/// 2^x[i]: what softmax is computed with. x below -126 gives 0, x of 0 gives exactly 1.
void kapok_power_of_two(float *y, const float *x, size_t count);

/// Sines and cosines of one position: cosines of `pairs` angles, then as many sines, each times
/// `magnitude`. An angle is `position` times a frequency, computed in FP64.
void kapok_rotation(
    float *turns, const float *frequencies, size_t pairs, size_t position, float magnitude);

/// Turns the first `2 * pairs` elements of a head by a position's angles: elements 2i and 2i + 1
/// together, or i and i + pairs where `halves` is not 0.
void kapok_rotate(float *head, const float *turns, size_t pairs, int halves);

/// Tokens in a page of the cache.
#define KAPOK_PAGE_TOKENS 16
/// Keys between two updates of the running softmax.
#define KAPOK_ATTENTION_BLOCK 64
/// Keys of a segment: attention over each is computed by itself and then merged, in order of
/// segments, whether one thread does all of it or several.
#define KAPOK_ATTENTION_SEGMENT 256

/// The elements that a value takes in a page: `head_width` rounded up to whole vectors.
static inline size_t kapok_value_stride(size_t head_width) { return (head_width + 15) / 16 * 16; }

/// Bytes of the keys of one head in a page: head element x token, FP16.
static inline size_t kapok_key_bytes(size_t head_width) {
    return head_width * KAPOK_PAGE_TOKENS * 2;
}

/// Bytes of the values of one head in a page: token x head element (stride above), FP16.
static inline size_t kapok_value_bytes(size_t head_width) {
    return kapok_value_stride(head_width) * KAPOK_PAGE_TOKENS * 2;
}

/// Writes one token's key and value of one head into its page. `keys` is where the head's keys
/// begin, its values follow them. Numbers too large for FP16 become its largest.
void kapok_store_key_value(
    void *keys, size_t token_in_page, const float *key, const float *value, size_t head_width);

/// Where one sequence's keys and values of one layer and head lie.
typedef struct {
    /// The first page.
    const uint8_t *cache;
    /// From one page to the next.
    size_t page_bytes;
    /// From a page's beginning to the head's keys.
    size_t head_offset;
    /// The sequence's pages.
    const uint32_t *pages;
    /// Elements of a head, a multiple of 8.
    size_t head_width;
    /// Rows of queries that share a position: the query heads of one key and value head.
    size_t group;
} kapok_attention;

/// Results of attention over some segments, not yet divided by the sum of weights.
typedef struct {
    /// The largest score of each row; -infinity before any key.
    float *largest;
    /// The sum of weights of each row.
    float *sum;
    /// The weighted sum of values: row x `kapok_value_stride`.
    float *values;
} kapok_attention_state;

/// Bytes of scratch for `rows` rows of queries, a multiple of 64.
size_t kapok_attention_scratch_bytes(size_t head_width, size_t rows);

/// Attention of `rows` queries (`head_width` floats each, scaled so that weights are powers of
/// two) over the keys of one segment, up to each query's own position. Row r is at position
/// `position + r / group`. The scratch lies at a multiple of 64.
void kapok_attention_segment(
    const kapok_attention *attention, const float *queries, size_t rows, size_t position,
    size_t segment, kapok_attention_state state, void *scratch);

/// Merges the results of a segment into those of the segments before it; rows without keys in
/// that segment stay as they are.
void kapok_attention_merge(
    kapok_attention_state into, kapok_attention_state segment, size_t rows, size_t head_width);

/// One row's output: its values divided by its sum of weights.
void kapok_attention_finish(
    float *output, kapok_attention_state state, size_t row, size_t head_width);

/// Threads that go through the phases of a job together. A phase is over when all its pieces are
/// done, not when all threads have come: whoever is free takes the next piece, so a thread that the
/// system does not let run holds the others up only while it has a piece.
typedef struct kapok_team kapok_team;

/// What a thread of a team does. The caller of `kapok_team_run` is `index` 0; others take part as
/// soon as they run, perhaps never.
typedef void (*kapok_team_body)(void *context, uint32_t index);

/// The most phases of a job.
#define KAPOK_TEAM_PHASES 8192

/// A team of `threads`, none of which runs yet; NULL when memory is short.
kapok_team *kapok_team_create(uint32_t threads);

/// Frees a team that no thread uses any more.
void kapok_team_destroy(kapok_team *team);

/// Thread `index` (1 and up) waits for jobs and takes part in them until the team is dismissed.
void kapok_team_serve(kapok_team *team, uint32_t index);

/// Does a job of up to `phases` phases. Returns when no thread is in it any more. One at a time.
void kapok_team_run(kapok_team *team, uint32_t phases, kapok_team_body body, void *context);

/// Within a job: takes a piece of a phase; 0, 1, 2 and so on, each given to one thread.
uint32_t kapok_team_claim(kapok_team *team, uint32_t phase);

/// Within a job: says that `count` pieces are done, and waits until all `pieces` are.
void kapok_team_finish(kapok_team *team, uint32_t phase, uint32_t count, uint32_t pieces);

/// Lets the threads that serve return.
void kapok_team_dismiss(kapok_team *team);

#endif
