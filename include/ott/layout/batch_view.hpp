#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>

namespace ott {

/// The sequences of one call and where their rows are.
/// shape    slot: [count]; row_begin: [count + 1], rows of k, v, q of sequence i are
///          [row_begin[i], row_begin[i + 1]). Both live where the backend computes.
struct batch_view {
  int count = 0;
  int num_rows = 0;  // row_begin[count]
  int max_rows = 0;  // the most rows of one sequence
  std::int32_t const* slot = nullptr;
  std::int32_t const* row_begin = nullptr;
};

}  // namespace ott
