#pragma once

#include <bit>

#include <ott/core/macros.hpp>

namespace ott {

/// In which order threads hold the eights (eight channels) of a query row that groups attend with.
/// Lanes of tensor cores read quarters of a row, an eight a step.
/// shape    place: of an eight among its row's; Steps: of 32 channels
template <int Steps>
struct eight_order {
  static constexpr int row_eights = 4 * Steps;
  /// Quarter after quarter keeps writes out of each other's banks; but eights whose distance is a
  /// power of two must lie a power of two apart.
  static constexpr bool by_step = std::has_single_bit(static_cast<unsigned>(Steps));

  OTT_HD static constexpr int quarter(int place) { return by_step ? place % 4 : place / Steps; }
  OTT_HD static constexpr int step(int place) { return by_step ? place / 4 : place % Steps; }
  OTT_HD static constexpr int channel(int place) {
    return (quarter(place) * Steps + step(place)) * 8;
  }
  /// Distance of places where that of channels is `span` eights, a power of two.
  OTT_HD static constexpr int distance(int span) {
    if (!by_step) return span;
    return span < Steps ? 4 * span : span / Steps;
  }
};

}  // namespace ott
