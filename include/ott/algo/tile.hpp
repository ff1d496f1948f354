#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/array.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>

namespace ott {

/// Sixteen bytes of elements, read as a whole and taken apart in registers.
template <scalar T>
struct alignas(16) element_chunk {
  static constexpr int size = 16 / static_cast<int>(sizeof(T));
  static constexpr int per_word = 4 / static_cast<int>(sizeof(T));

  std::uint32_t words[4];

  OTT_HD static constexpr T from_word(std::uint32_t word, int i) {
    if constexpr (sizeof(T) == 4) {
      return bit_cast<T>(word);
    } else {
      return bit_cast<T>(static_cast<std::uint16_t>(word >> (16 * i)));
    }
  }
  /// The bits of element i of a word.
  OTT_HD static constexpr std::uint32_t mask_of(int i) {
    return sizeof(T) == 4 ? 0xffffffffu : 0xffffu << (16 * i);
  }
  /// A word of one element over and over.
  OTT_HD static constexpr std::uint32_t filled(T element) {
    if constexpr (sizeof(T) == 4) {
      return bit_cast<std::uint32_t>(element);
    } else {
      return bit_cast<std::uint16_t>(element) * 0x10001u;
    }
  }
  OTT_HD static constexpr element_chunk of(T const* elements) {
    element_chunk chunk{};
    for (int i = 0; i < size; ++i) {
      if constexpr (sizeof(T) == 4) {
        chunk.words[i] = bit_cast<std::uint32_t>(elements[i]);
      } else {
        std::uint32_t const bits = bit_cast<std::uint16_t>(elements[i]);
        chunk.words[i / 2] |= bits << (16 * (i % 2));
      }
    }
    return chunk;
  }
};

/// One tensor of a group as the elements it came in: half the bytes of fp32.
/// shape    [Rows][words of a row]; an odd number of chunks, so that eight rows, or eight chunks of
///          a row, lie in different banks
template <scalar T, int Rows, int Columns>
struct element_tile {
  using chunk = element_chunk<T>;
  static constexpr int per_word = chunk::per_word;
  static constexpr int row_words = 4 * (Columns / chunk::size | 1);

  alignas(16) std::uint32_t words[Rows * row_words];

  /// Where the sixteen bytes from element `column` on lie.
  OTT_HD constexpr std::uint32_t* at(int row, int column) { return words + index(row, column); }
  /// N words of neighbours, as they are. requires `column` a multiple of the elements in a word
  template <int N>
  OTT_HD constexpr array<std::uint32_t, N> words_at(int row, int column) const {
    std::uint32_t const* const from = words + index(row, column);
    array<std::uint32_t, N> x{};
    OTT_UNROLL
    for (int i = 0; i < N; ++i) x[i] = from[i];
    return x;
  }
  /// N neighbours as fp32. requires N and `column` multiples of the elements in a word
  template <int N>
  OTT_HD constexpr array<float, N> values(int row, int column) const {
    std::uint32_t const* const from = words + index(row, column);
    array<float, N> x{};
    OTT_UNROLL
    for (int i = 0; i < N; ++i) {
      x[i] = to_float(chunk::from_word(from[i / per_word], i % per_word));
    }
    return x;
  }
  OTT_HD constexpr float value(int row, int column) const {
    return to_float(chunk::from_word(words[index(row, column)], column % per_word));
  }

 private:
  OTT_HD static constexpr int index(int row, int column) {
    return row * row_words + static_cast<int>(static_cast<unsigned>(column) / per_word);
  }
};

/// One tensor of a group in fp32, where rows are rewritten before they are quantized.
/// shape    [Rows][Columns + 1]: the odd row length keeps column walks of a warp in different banks
template <int Rows, int Columns>
struct float_tile {
  static constexpr int row_length = Columns + 1;

  float data[Rows * row_length];

  OTT_HD constexpr float* row(int r) { return data + r * row_length; }
  OTT_HD constexpr float const* row(int r) const { return data + r * row_length; }

  template <int N>
  OTT_HD constexpr array<float, N> values(int r, int column) const {
    array<float, N> x{};
    OTT_UNROLL
    for (int i = 0; i < N; ++i) x[i] = row(r)[column + i];
    return x;
  }
  OTT_HD constexpr float value(int r, int column) const { return row(r)[column]; }
};

}  // namespace ott
