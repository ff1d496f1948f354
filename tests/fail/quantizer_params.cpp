// expect: ott: quantizer::params must hold nothing but floats
#include <ott/layout/group_block.hpp>

struct halves {
  static constexpr int bits = 1;
  struct params {
#if defined(OTT_POSITIVE_CONTROL)
    float low;
#else
    short low;
#endif
  };
  static constexpr params fit(float, float) { return {0}; }
  static constexpr int encode(params, float) { return 0; }
  static constexpr float decode(params p, int) { return p.low; }
};

struct mine : ott::paper_policy {
  using key_quantizer = halves;
};

static_assert(sizeof(ott::group_block<mine>) > 0);
