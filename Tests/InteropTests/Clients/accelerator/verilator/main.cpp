// Runs random integer matrix products on the Verilated array and prints what is needed to check it:
// one line `MODE ROWS COLUMNS M K N CYCLES | A | B | C` each, matrices row by row.
//
//     systolic SEED COUNT

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "Vsystolic.h"
#include "verilated.h"

namespace {

constexpr int rows = ARRAY_ROWS;
constexpr int columns = ARRAY_COLUMNS;

using Matrix = std::vector<int>;

// Bytes and words of a Verilator port, narrow or wide.
template <typename Port> void setByte(Port &port, int index, int value) {
    auto words = reinterpret_cast<uint32_t *>(&port);
    int shift = index % 4 * 8;
    words[index / 4] &= ~(0xFFu << shift);
    words[index / 4] |= static_cast<uint32_t>(value & 0xFF) << shift;
}

template <typename Port> int32_t word(const Port &port, int index) {
    return static_cast<int32_t>(reinterpret_cast<const uint32_t *>(&port)[index]);
}

class Bench {
  public:
    Bench(int m, int k, int n, const Matrix &a, const Matrix &b, bool overlaps)
        : m(m), k(k), n(n), a(a), b(b), overlaps(overlaps), rowFolds((k + rows - 1) / rows),
          folds(rowFolds * ((n + columns - 1) / columns)), taken(columns, 0), c(m * n, 0) {
        reset();
    }

    // Cycles from the first row of weights until the last sum stands at the bottom.
    long run() {
        while (true) {
            if (collect()) return cycle + 1;
            feed();
            tick();
            cycle += 1;
        }
    }

    const Matrix &result() const { return c; }

  private:
    int m, k, n;
    const Matrix &a, &b;
    bool overlaps;
    int rowFolds, folds;
    Vsystolic top;
    long cycle = 0;
    int loading = 0, streaming = -1;
    long loadStart = 0, streamStart = 0;
    // Sums that each column has given.
    std::vector<long> taken;
    Matrix c;

    void reset() {
        top.reset = 1;
        top.load = top.load_first = top.stream = top.swap = 0;
        tick();
        top.reset = 0;
    }

    void tick() {
        top.clock = 0;
        top.eval();
        top.clock = 1;
        top.eval();
    }

    // Adds up what stands at the bottom; true when nothing is missing any more.
    bool collect() {
        bool allHere = true;
        for (int column = 0; column < columns; column++) {
            if (top.valid >> column & 1) {
                int fold = static_cast<int>(taken[column] / m);
                int row = static_cast<int>(taken[column] % m);
                int target = fold / rowFolds * columns + column;
                if (target < n) {
                    uint32_t sum = static_cast<uint32_t>(c[row * n + target])
                                   + static_cast<uint32_t>(word(top.sums, column));
                    c[row * n + target] = static_cast<int32_t>(sum);
                }
                taken[column] += 1;
            }
            allHere = allHere && taken[column] == static_cast<long>(folds) * m;
        }
        // Without overlap the next fold starts when all of this one has left.
        long expected = static_cast<long>(loading + 1) * m;
        bool hasLeft = taken[columns - 1] == expected;
        if (!overlaps && hasLeft && loading + 1 < folds) {
            loading += 1;
            loadStart = cycle + 1;
        }
        return allHere;
    }

    void feed() {
        top.swap = 0;
        if (streaming < loading && cycle >= loadStart + rows
            && (streaming < 0 || cycle >= streamStart + m)) {
            streaming = loading;
            streamStart = cycle;
            top.swap = 1;
            if (overlaps && loading + 1 < folds) {
                loading += 1;
                loadStart = cycle;
            }
        }
        feedWeights(cycle - loadStart);
        feedValues(cycle - streamStart);
    }

    void feedWeights(long step) {
        top.load = step >= 0 && step < rows;
        top.load_first = step == 0;
        if (!top.load) return;
        int row = loading % rowFolds * rows + rows - 1 - static_cast<int>(step);
        for (int i = 0; i < columns; i++) {
            int column = loading / rowFolds * columns + i;
            setByte(top.weights, i, row < k && column < n ? b[row * n + column] : 0);
        }
    }

    void feedValues(long step) {
        top.stream = streaming >= 0 && step < m;
        if (!top.stream) return;
        for (int i = 0; i < rows; i++) {
            int column = streaming % rowFolds * rows + i;
            setByte(top.values, i, column < k ? a[step * k + column] : 0);
        }
    }
};

Matrix randomMatrix(int count, std::mt19937 &random) {
    Matrix values(count);
    for (int &value : values) value = static_cast<int>(random() % 256) - 128;
    return values;
}

void print(const Matrix &values) {
    std::printf(" |");
    for (int value : values) std::printf(" %d", value);
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s SEED COUNT\n", arguments[0]);
        return 2;
    }
    std::mt19937 random(static_cast<uint32_t>(std::atoi(arguments[1])));
    for (int i = 0; i < std::atoi(arguments[2]); i++) {
        int m = 1 + static_cast<int>(random() % (3 * rows));
        int k = 1 + static_cast<int>(random() % (3 * rows));
        int n = 1 + static_cast<int>(random() % (3 * columns));
        Matrix a = randomMatrix(m * k, random);
        Matrix b = randomMatrix(k * n, random);
        for (bool overlaps : {false, true}) {
            Bench bench(m, k, n, a, b, overlaps);
            long cycles = bench.run();
            std::printf("%s %d %d %d %d %d %ld", overlaps ? "background" : "serial", rows, columns,
                        m, k, n, cycles);
            print(a);
            print(b);
            print(bench.result());
            std::printf("\n");
        }
    }
}
