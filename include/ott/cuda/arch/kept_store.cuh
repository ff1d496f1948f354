#pragma once

#include <cstdint>

namespace ott::arch {

/// Stores what another kernel reads soon: it stays in L2 while what is read once runs through
/// (sm_80).
__device__ __forceinline__ void store_kept(float4* to, float4 const& x) {
  asm volatile(
      "{.reg .b64 kept;\n createpolicy.fractional.L2::evict_last.b64 kept, 1.0;\n"
      " st.global.L2::cache_hint.v4.f32 [%0], {%1, %2, %3, %4}, kept;}" ::"l"(to),
      "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w)
      : "memory");
}
__device__ __forceinline__ void store_kept(float2* to, float2 const& x) {
  asm volatile(
      "{.reg .b64 kept;\n createpolicy.fractional.L2::evict_last.b64 kept, 1.0;\n"
      " st.global.L2::cache_hint.v2.f32 [%0], {%1, %2}, kept;}" ::"l"(to),
      "f"(x.x), "f"(x.y)
      : "memory");
}

}  // namespace ott::arch
