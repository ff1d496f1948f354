#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <ott/algo/attend_options.hpp>
#include <ott/core/view.hpp>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// Where a cache lives and who computes on it. All calls but allocate and wait are asynchronous in
/// the order of the stream; none allocates, synchronises or reads back.
/// requires B::policy, B::stream; memory: allocate, deallocate, copy (any direction), fill, wait;
///          work: append, attend for q in half, bf16, float, set_length, workspace_bytes
template <class B>
concept backend = requires(B& b, typename B::stream s, void* p, std::size_t n,
                           layer_view<typename B::policy> layer, batch_view batch,
                           view<typename B::policy::element const> kv,
                           attend_call<typename B::policy, half> const& call16,
                           attend_call<typename B::policy, bf16> const& call_bf16,
                           attend_call<typename B::policy, float> const& call32) {
  { b.allocate(n) } -> std::same_as<void*>;
  b.deallocate(p, n);
  b.copy(p, static_cast<void const*>(p), n, s);
  b.fill(p, 0, n, s);
  b.wait(s);
  b.append(layer, batch, kv, kv, s);
  b.attend(call16, s);
  b.attend(call_bf16, s);
  b.attend(call32, s);
  b.set_length(layer, 0, 0, s);
  { b.workspace_bytes(0, 0, 0, 0) } -> std::convertible_to<std::size_t>;
};

}  // namespace ott
