// A weight-stationary systolic array of ROWS x COLUMNS elements: int8 x int8, sums of 32 bits.
//
// Each element holds an active and a shadow weight. Weights shift down the shadow registers, last
// row first; the first value of a stream carries a swap bit that makes each element it reaches take
// its shadow over. Values pass to the right and sums downwards, one element a cycle. All columns of
// a weight row and all rows of a value vector are given in the same cycle: the skew is made here.
module systolic #(
    parameter int ROWS = 8,
    parameter int COLUMNS = 8
) (
    input logic clock,
    input logic reset,
    // A row of weights; `load_first` marks the first of the ROWS rows of a matrix.
    input logic load,
    input logic load_first,
    input logic [COLUMNS*8-1:0] weights,
    // A vector of values; `swap` marks the first one that meets the newly loaded matrix.
    input logic stream,
    input logic swap,
    input logic [ROWS*8-1:0] values,
    // The bottom row: one valid bit and one sum for each column.
    output logic [COLUMNS-1:0] valid,
    output logic [COLUMNS*32-1:0] sums
);
    localparam int COUNT = ROWS * COLUMNS;

    // The skew: lane i sees what entered i cycles ago. The last delays have no lane to feed.
    /* verilator lint_off UNUSEDSIGNAL */
    logic [COLUMNS-1:0] load_lane, first_lane, load_delay, first_delay;
    logic [COLUMNS*8-1:0] weight_lane;
    logic [COLUMNS*COLUMNS*8-1:0] weight_delay;
    logic [ROWS-1:0] stream_lane, swap_lane, stream_delay, swap_delay;
    logic [ROWS*8-1:0] value_lane;
    logic [ROWS*ROWS*8-1:0] value_delay;
    /* verilator lint_on UNUSEDSIGNAL */

    always_comb begin
        load_lane = {load_delay[COLUMNS-2:0], load};
        first_lane = {first_delay[COLUMNS-2:0], load_first};
        weight_lane[7:0] = weights[7:0];
        for (int c = 1; c < COLUMNS; c++)
            weight_lane[c*8 +: 8] = weight_delay[((c-1)*COLUMNS + c)*8 +: 8];
        stream_lane = {stream_delay[ROWS-2:0], stream};
        swap_lane = {swap_delay[ROWS-2:0], swap};
        value_lane[7:0] = values[7:0];
        for (int r = 1; r < ROWS; r++)
            value_lane[r*8 +: 8] = value_delay[((r-1)*ROWS + r)*8 +: 8];
    end

    always_ff @(posedge clock) begin
        load_delay <= reset ? '0 : load_lane;
        first_delay <= reset ? '0 : first_lane;
        weight_delay <= {weight_delay[(COLUMNS-1)*COLUMNS*8-1:0], weights};
        stream_delay <= reset ? '0 : stream_lane;
        swap_delay <= reset ? '0 : swap_lane;
        value_delay <= {value_delay[(ROWS-1)*ROWS*8-1:0], values};
    end

    // The elements' registers; element (r, c) is number r * COLUMNS + c.
    logic [COUNT*8-1:0] active, shadow, value, active_next, shadow_next, value_next;
    logic [COUNT*32-1:0] sum, sum_next;
    logic [COUNT-1:0] has_value, swaps, has_value_next, swaps_next;
    // A column's load runs down its rows: `front` is its first step, `running` its later ones.
    logic [COUNT-1:0] front, running, front_next, running_next;

    always_comb begin
        for (int r = 0; r < ROWS; r++) begin
            for (int c = 0; c < COLUMNS; c++) begin
                automatic int i = r * COLUMNS + c;
                automatic int left = c == 0 ? i : i - 1;
                automatic int up = r == 0 ? i : i - COLUMNS;
                automatic logic here = c == 0 ? stream_lane[r] : has_value[left];
                automatic logic take = c == 0 ? swap_lane[r] : swaps[left];
                automatic logic signed [7:0] x =
                    c == 0 ? value_lane[r*8 +: 8] : value[left*8 +: 8];
                automatic logic signed [7:0] w =
                    take ? shadow[i*8 +: 8] : active[i*8 +: 8];
                automatic logic signed [31:0] above = r == 0 ? 32'sd0 : sum[up*32 +: 32];
                automatic logic begins = r == 0 ? first_lane[c] : front[up];
                automatic logic shifts =
                    load_lane[c] && (begins || (running[i] && !first_lane[c]));
                has_value_next[i] = here;
                swaps_next[i] = take;
                value_next[i*8 +: 8] = x;
                active_next[i*8 +: 8] = w;
                sum_next[i*32 +: 32] = above + 32'(x) * 32'(w);
                front_next[i] = begins;
                running_next[i] = shifts;
                shadow_next[i*8 +: 8] = !shifts ? shadow[i*8 +: 8]
                    : r == 0 ? weight_lane[c*8 +: 8] : shadow[up*8 +: 8];
            end
        end
    end

    always_ff @(posedge clock) begin
        has_value <= reset ? '0 : has_value_next;
        swaps <= reset ? '0 : swaps_next;
        front <= reset ? '0 : front_next;
        running <= reset ? '0 : running_next;
        value <= value_next;
        active <= active_next;
        shadow <= shadow_next;
        sum <= sum_next;
    end

    assign valid = has_value[COUNT-1:COUNT-COLUMNS];
    assign sums = sum[COUNT*32-1:(COUNT-COLUMNS)*32];
endmodule
