#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/core/scalar.hpp>

#include "support/device.hpp"

// Keys, values and queries made on the device: the same numbers for the same seed, everywhere.
namespace ott_bench {

/// Keys as models have them: channels of very different scale and offset, some outlier channels,
/// and about one token in a hundred whose key is tiny (those that tracing is for).
/// shape    out: [rows, heads, head_dim]; row r holds token `first_row + r`
void random_keys(ott::half* out, std::size_t first_row, int rows, int heads, int head_dim,
                 std::uint32_t seed, cudaStream_t s);

/// Values: normal, the scale differs from token to token.
void random_values(ott::half* out, std::size_t first_row, int rows, int heads, int head_dim,
                   std::uint32_t seed, cudaStream_t s);

/// Queries: normal, scaled so that logits spread over a few units.
void random_queries(ott::half* out, int rows, int heads, int head_dim, std::uint32_t seed,
                    cudaStream_t s);

}  // namespace ott_bench
