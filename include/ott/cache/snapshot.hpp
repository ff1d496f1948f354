#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <ott/cache/cache.hpp>
#include <ott/core/error.hpp>
#include <ott/policy/fingerprint.hpp>

namespace ott {

/// One sequence as a byte string: bit-identical after a round trip, refused when damaged.
/// shape    [header | head_state: [layer][kv_head] | group_block: [layer][group][kv_head]]
using snapshot_bytes = std::vector<std::byte>;

namespace detail {

/// Four chains of FNV over 64-bit words: every bit of the payload counts.
inline std::uint64_t checksum(std::byte const* data, std::size_t bytes) {
  std::uint64_t state = 14695981039346656037ull ^ bytes;
  for (std::size_t at = 0; at < bytes; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + at, bytes - at < 8 ? bytes - at : 8);
    state = (state ^ word) * 1099511628211ull;
    state ^= state >> 29;
  }
  return state;
}

}  // namespace detail

/// What stands before the payload. Version 1.
struct snapshot_header {
  char magic[8] = {'o', 't', 't', ' ', 's', 'e', 'q', '\n'};
  std::uint32_t version = 1;
  std::uint32_t header_bytes = sizeof(snapshot_header);
  std::uint64_t fingerprint = 0;  // of the policy
  std::uint64_t payload_bytes = 0;
  std::uint64_t checksum = 0;  // of the payload
  std::int32_t num_layers = 0;
  std::int32_t num_kv_heads = 0;
  std::int32_t length = 0;
  std::int32_t num_groups = 0;
};

/// Where the two functions below reach into a cache.
template <class Cache>
struct snapshot_access {
  using policy = typename Cache::policy;
  using state_type = head_state<policy>;
  using block_type = group_block<policy>;

  static auto& ledger_of(Cache& c) { return c.ledger_; }
  static auto& arena_of(Cache& c) { return c.arena_; }
  static void upload(Cache& c, int slot, typename Cache::stream s) { c.renew_pages(slot, s); }

  static std::size_t num_heads(Cache& c) {
    return static_cast<std::size_t>(c.config().num_layers) *
           static_cast<std::size_t>(c.config().num_kv_heads);
  }
  static std::size_t payload_bytes(Cache& c, int num_groups) {
    return num_heads(c) *
           (sizeof(state_type) + static_cast<std::size_t>(num_groups) * sizeof(block_type));
  }

  /// Rows that hold no token keep what was there before: they do not belong to the sequence.
  static void clear_dead_rows(state_type& state) {
    constexpr std::size_t row_bytes = sizeof(typename policy::element) * policy::head_dim;
    for (int row = 0; row < window_capacity<policy>; ++row) {
      int const begin = state.window_begin();
      int const first = begin % window_capacity<policy>;
      int const place = (row - first + window_capacity<policy>) % window_capacity<policy>;
      if (place < state.window_size()) continue;
      std::memset(state.window_k + row * policy::head_dim, 0, row_bytes);
      std::memset(state.window_v + row * policy::head_dim, 0, row_bytes);
    }
  }

  /// A state that no append can have made is refused, even under a right checksum.
  static bool plausible(state_type const& state, snapshot_header const& header, int capacity) {
    if (state.length != header.length || state.num_groups != header.num_groups) return false;
    if (state.num_traced < 0 || state.num_traced > traced_capacity<policy>) return false;
    if (state.tracing_done != 0) return false;
    int evicted = 0;
    for (int e = 0; e < state.num_traced; ++e) {
      traced_entry const& entry = state.entries[e];
      if (entry.pos < 0 || entry.pos >= header.num_groups * policy::group) return false;
      if (entry.evicted != 0 && entry.evicted != 1) return false;
      evicted += entry.evicted;
    }
    return evicted <= policy::evicted && state.num_traced - evicted <= capacity;
  }
};

/// The whole state of one sequence. Waits for the stream.
/// Throws unknown_sequence, or shape between the layers of a step.
template <class Cache>
snapshot_bytes save(Cache& c, seq_id id, typename Cache::stream s) {
  using access = snapshot_access<Cache>;
  char const* const where = "ott::save";
  int const slot = access::ledger_of(c).slot_of(id, where);
  sequence_record const& seq = access::ledger_of(c).settled(slot, where);
  auto& backend = c.get_backend();
  snapshot_header header;
  header.fingerprint = fingerprint<typename Cache::policy>();
  header.num_layers = c.config().num_layers;
  header.num_kv_heads = c.config().num_kv_heads;
  header.length = seq.length[0];
  header.num_groups = seq.groups[0];
  header.payload_bytes = access::payload_bytes(c, header.num_groups);
  snapshot_bytes out(sizeof header + header.payload_bytes);
  std::byte* at = out.data() + sizeof header;
  backend.copy(at, access::arena_of(c).heads(slot), c.slot_bytes(), s);
  at += c.slot_bytes();
  auto const heads = static_cast<std::size_t>(header.num_kv_heads);
  std::size_t const page_bytes = heads * sizeof(typename access::block_type);
  for (int layer = 0; layer < header.num_layers; ++layer) {
    for (int group = 0; group < header.num_groups; ++group, at += page_bytes) {
      auto const page = static_cast<std::size_t>(seq.pages[static_cast<std::size_t>(group)].value);
      backend.copy(at, access::arena_of(c).blocks(layer) + page * heads, page_bytes, s);
    }
  }
  backend.wait(s);
  auto* const states = reinterpret_cast<typename access::state_type*>(out.data() + sizeof header);
  for (std::size_t head = 0; head < access::num_heads(c); ++head) {
    typename access::state_type state;
    std::memcpy(&state, states + head, sizeof state);
    access::clear_dead_rows(state);
    std::memcpy(states + head, &state, sizeof state);
  }
  header.checksum = detail::checksum(out.data() + sizeof header, header.payload_bytes);
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

/// Makes a sequence of a snapshot. Waits for the stream. A blob that is cut, damaged, or made by
/// another policy or shape throws errc::snapshot; too few pages or slots throw errc::capacity.
/// Either way nothing has changed.
template <class Cache>
seq_id load(Cache& c, snapshot_bytes const& blob, typename Cache::stream s) {
  using access = snapshot_access<Cache>;
  using policy = typename Cache::policy;
  char const* const where = "ott::load";
  auto const refuse = [&](char const* what, std::string const& got, std::string const& want) {
    fail(errc::snapshot, where, what, got, want);
  };
  auto const expect = [&](char const* what, auto got, auto want) {
    if (got != want) refuse(what, std::to_string(got), std::to_string(want));
  };
  snapshot_header const fresh;
  snapshot_header header;
  if (blob.size() < sizeof header) {
    refuse("bytes", std::to_string(blob.size()), "at least " + std::to_string(sizeof header));
  }
  std::memcpy(&header, blob.data(), sizeof header);
  if (std::memcmp(header.magic, fresh.magic, sizeof fresh.magic) != 0) {
    refuse("first bytes", "others", "those of an ott snapshot");
  }
  expect("version", header.version, fresh.version);
  expect("header bytes", header.header_bytes, fresh.header_bytes);
  expect("policy fingerprint", header.fingerprint, fingerprint<policy>());
  expect("layers", header.num_layers, c.config().num_layers);
  expect("KV heads", header.num_kv_heads, c.config().num_kv_heads);
  if (header.length < 0 || header.length > c.config().max_tokens) {
    refuse("length", std::to_string(header.length), "0 .. max_tokens");
  }
  int const most =
      header.length / policy::group;  // truncating leaves fewer than R behind the groups
  if (header.num_groups < groups_after<policy>(0, header.length) || header.num_groups > most) {
    refuse("groups", std::to_string(header.num_groups),
           "what " + std::to_string(header.length) + " tokens make");
  }
  expect("payload bytes", header.payload_bytes,
         static_cast<std::uint64_t>(access::payload_bytes(c, header.num_groups)));
  expect("bytes", blob.size(), sizeof header + static_cast<std::size_t>(header.payload_bytes));
  std::byte const* at = blob.data() + sizeof header;
  expect("checksum", header.checksum, detail::checksum(at, header.payload_bytes));
  auto const heads = static_cast<std::size_t>(header.num_kv_heads);
  for (std::size_t head = 0; head < access::num_heads(c); ++head) {
    typename access::state_type state;
    std::memcpy(&state, at + head * sizeof state, sizeof state);
    if (!access::plausible(state, header, c.config().pool_by_layer[head / heads])) {
      refuse("state of a head", "one that no append makes", "a valid one");
    }
  }
  auto& ledger = access::ledger_of(c);
  int const slot = ledger.free_slot(where);
  if (header.num_groups > c.available_pages()) {
    fail(errc::capacity, where, "pages needed", std::to_string(header.num_groups),
         "at most the " + std::to_string(c.available_pages()) + " available");
  }
  seq_id const id = ledger.open(slot);
  sequence_record& seq = ledger.record(slot);
  ledger.take_groups(slot, header.num_groups);
  seq.length.assign(seq.length.size(), header.length);
  seq.groups.assign(seq.groups.size(), header.num_groups);
  access::upload(c, slot, s);
  auto& backend = c.get_backend();
  backend.copy(access::arena_of(c).heads(slot), at, c.slot_bytes(), s);
  at += c.slot_bytes();
  std::size_t const page_bytes = heads * sizeof(typename access::block_type);
  for (int layer = 0; layer < header.num_layers; ++layer) {
    for (int group = 0; group < header.num_groups; ++group, at += page_bytes) {
      auto const page = static_cast<std::size_t>(seq.pages[static_cast<std::size_t>(group)].value);
      backend.copy(access::arena_of(c).blocks(layer) + page * heads, at, page_bytes, s);
    }
  }
  backend.wait(s);
  return id;
}

}  // namespace ott
