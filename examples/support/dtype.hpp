#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace support {

/// The element types of safetensors files that this reader knows.
enum class dtype : std::uint8_t {
  boolean,
  u8,
  i8,
  u16,
  i16,
  f16,
  bf16,
  u32,
  i32,
  f32,
  u64,
  i64,
  f64
};

struct dtype_row {
  dtype type;
  std::string_view name;
  int bytes;
};

inline constexpr dtype_row dtype_rows[] = {
    {dtype::boolean, "BOOL", 1}, {dtype::u8, "U8", 1},   {dtype::i8, "I8", 1},
    {dtype::u16, "U16", 2},      {dtype::i16, "I16", 2}, {dtype::f16, "F16", 2},
    {dtype::bf16, "BF16", 2},    {dtype::u32, "U32", 4}, {dtype::i32, "I32", 4},
    {dtype::f32, "F32", 4},      {dtype::u64, "U64", 8}, {dtype::i64, "I64", 8},
    {dtype::f64, "F64", 8},
};

constexpr std::string_view name_of(dtype type) {
  return dtype_rows[static_cast<std::size_t>(type)].name;
}

constexpr int bytes_of(dtype type) { return dtype_rows[static_cast<std::size_t>(type)].bytes; }

constexpr std::optional<dtype> dtype_from(std::string_view name) {
  for (auto const& row : dtype_rows)
    if (row.name == name) return row.type;
  return std::nullopt;
}

inline double double_from_f16(std::uint16_t bits) {
  int const exponent = (bits >> 10) & 31;
  int const mantissa = bits & 0x3ff;
  double const sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return mantissa != 0 ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

/// Element `index` of raw little-endian F16, BF16 or F32 data, exactly; other types give NaN.
inline double element_at(dtype type, std::byte const* data, std::size_t index) {
  if (type == dtype::f32) {
    float value;
    std::memcpy(&value, data + 4 * index, 4);
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, data + 2 * index, 2);
  if (type == dtype::f16) return double_from_f16(bits);
  if (type == dtype::bf16) return std::bit_cast<float>(std::uint32_t{bits} << 16);
  return std::nan("");
}

}  // namespace support
