#pragma once

#include <algorithm>

namespace llama {

/// Tokens that may be appended at once to a sequence of `length` tokens: only the first of them may
/// complete a flush (length + 1 = residual + k * group), because every query of the chunk sees the
/// groups that the whole chunk has left behind.
constexpr int streaming_chunk(int length, int group, int residual) {
  int const first = group + residual;  // the first flush
  if (length + 1 < first) return first - 1 - length;
  return group - (length + 1 - first) % group;
}

static_assert(streaming_chunk(0, 128, 32) == 159);
static_assert(streaming_chunk(159, 128, 32) == 128);
static_assert(streaming_chunk(160, 128, 32) == 127);
static_assert(streaming_chunk(286, 128, 32) == 1);
static_assert(streaming_chunk(287, 128, 32) == 128);

}  // namespace llama
