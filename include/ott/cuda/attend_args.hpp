#pragma once

#include <concepts>
#include <cstdint>

#include <ott/algo/attend_options.hpp>
#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/core/view.hpp>

namespace ott {

enum class scalar_kind : std::int32_t { half, bf16, single };

template <scalar T>
OTT_HD constexpr scalar_kind kind_of() {
  if constexpr (std::same_as<T, half>) return scalar_kind::half;
  if constexpr (std::same_as<T, bf16>) return scalar_kind::bf16;
  return scalar_kind::single;
}

/// A tensor of queries or outputs whose element type is known at run time only: kernels are
/// compiled once for all three.
struct any_view {
  void* data;
  scalar_kind kind;
  std::int64_t token_stride;
  std::int64_t head_stride;

  /// Where a row's channels begin.
  OTT_HD std::int64_t at(int row, int head) const {
    return row * token_stride + head * head_stride;
  }
  OTT_HD float load(int row, int head, int channel) const {
    return load_at(at(row, head) + channel);
  }
  OTT_HD float load_at(std::int64_t at) const {
    if (kind == scalar_kind::half) return to_float(static_cast<half const*>(data)[at]);
    if (kind == scalar_kind::bf16) return to_float(static_cast<bf16 const*>(data)[at]);
    return static_cast<float const*>(data)[at];
  }
  OTT_HD void store(int row, int head, int channel, float x) const {
    store_at(at(row, head) + channel, x);
  }
  OTT_HD void store_at(std::int64_t at, float x) const {
    if (kind == scalar_kind::half) {
      static_cast<half*>(data)[at] = from_float<half>(x);
    } else if (kind == scalar_kind::bf16) {
      static_cast<bf16*>(data)[at] = from_float<bf16>(x);
    } else {
      static_cast<float*>(data)[at] = x;
    }
  }
};

/// An attend_call as kernels receive it: element type of the queries erased, defaults filled in.
/// requires q is only read
template <class P>
struct attend_args {
  layer_view<P> layer;
  batch_view batch;
  any_view q;
  any_view out;
  attend_options options;  // scale is not 0
  int num_q_heads;
  int per_kv;            // query heads a KV head
  float per_kv_inverse;  // divisions that kernels need not repeat

  OTT_HD int q_per_kv() const { return per_kv; }
  /// row / q_per_kv, by a product: halves keep it away from where rounding would matter.
  /// requires 0 <= row < 2^20
  OTT_HD int query_row(int row) const {
    return static_cast<int>((static_cast<float>(row) + 0.5f) * per_kv_inverse);
  }

  /// Position of row `row` of a tile (query row and query head), when its sequence has `length`
  /// tokens.
  OTT_HD int position(int first, int rows, int row, int length) const {
    int const pos = query_position(options, first, rows, query_row(row), length);
    return pos < hidden_pos ? pos : hidden_pos - 1;
  }

  /// Position of a token that no query sees.
  static constexpr int hidden_pos = 0x7fffffff;
};

}  // namespace ott
