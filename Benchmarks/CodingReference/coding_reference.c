#include "CodingReference.h"

#include <isa-l.h>
#include <stdlib.h>
#include <string.h>

enum { maximum_shards = 32 };

struct coding_reference {
    int data_shards;
    int parity_shards;
    unsigned char encode_tables[32 * maximum_shards * maximum_shards];
    unsigned char rebuild_tables[32 * maximum_shards * maximum_shards];
};

coding_reference *coding_reference_create(int k, int m) {
    if (k < 1 || m < 0 || m > k || k + m > maximum_shards) return NULL;
    coding_reference *reference = malloc(sizeof *reference);
    if (reference == NULL) return NULL;
    reference->data_shards = k;
    reference->parity_shards = m;
    unsigned char matrix[maximum_shards * maximum_shards];
    gf_gen_cauchy1_matrix(matrix, k + m, k);
    ec_init_tables(k, m, matrix + k * k, reference->encode_tables);
    // The first m shards are lost: what is left are the rows from m on.
    unsigned char survivors[maximum_shards * maximum_shards];
    unsigned char inverse[maximum_shards * maximum_shards];
    memcpy(survivors, matrix + m * k, (size_t)(k * k));
    if (gf_invert_matrix(survivors, inverse, k) != 0) {
        free(reference);
        return NULL;
    }
    ec_init_tables(k, m, inverse, reference->rebuild_tables);
    return reference;
}

void coding_reference_destroy(coding_reference *reference) { free(reference); }

void coding_reference_encode(
    const coding_reference *reference, int length, unsigned char **shards, int times) {
    int k = reference->data_shards;
    for (int i = 0; i < times; i++) {
        ec_encode_data(
            length, k, reference->parity_shards, (unsigned char *)reference->encode_tables, shards,
            shards + k);
    }
}

void coding_reference_rebuild(
    const coding_reference *reference, int length, unsigned char **shards, int times) {
    int m = reference->parity_shards;
    for (int i = 0; i < times; i++) {
        ec_encode_data(
            length, reference->data_shards, m, (unsigned char *)reference->rebuild_tables,
            shards + m, shards);
    }
}

uint64_t coding_reference_crc64(const void *bytes, size_t count, int times) {
    uint64_t sum = 0;
    // Each starts from the sum, so that no call can be left out or moved out of the loop.
    for (int i = 0; i < times; i++) sum ^= crc64_ecma_refl(sum, bytes, count);
    return sum;
}

void coding_reference_copy(void *to, const void *from, size_t count, int times) {
    for (int i = 0; i < times; i++) {
        memcpy(to, from, count);
        // The copy is looked at, as far as the compiler knows.
        __asm__ volatile("" : : "r"(to), "r"(from) : "memory");
    }
}
