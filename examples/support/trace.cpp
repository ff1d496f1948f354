#include "support/trace.hpp"

#include "support/safetensors.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <set>

namespace support {
namespace {

// Large enough for any model, small enough that products of the extents cannot overflow.
constexpr std::int64_t max_extent = std::int64_t{1} << 31;

struct layer_name {
  int index;
  std::string prefix;
};

// "layers.12.k" -> {12, "layers.12."}; "k" -> {0, ""}; other names are not ours.
std::optional<layer_name> layer_of(std::string const& tensor) {
  static std::set<std::string> const ours = {"k", "v", "q", "q_pos"};
  if (ours.contains(tensor)) return layer_name{0, ""};
  if (!tensor.starts_with("layers.")) return std::nullopt;
  auto const dot = tensor.find('.', 7);
  if (dot == std::string::npos || !ours.contains(tensor.substr(dot + 1))) return std::nullopt;
  int index = -1;
  auto const* const last = tensor.data() + dot;
  auto const parsed = std::from_chars(tensor.data() + 7, last, index);
  if (parsed.ec != std::errc{} || parsed.ptr != last || index < 0) return std::nullopt;
  return layer_name{index, tensor.substr(0, dot + 1)};
}

// Index -> prefix of every layer of the file.
std::map<int, std::string> layers_of(safetensors_file const& file) {
  std::map<int, std::string> prefixes;
  for (auto const& [tensor, info] : file.tensors()) {
    auto const name = layer_of(tensor);
    if (!name) continue;
    auto const [at, is_new] = prefixes.emplace(name->index, name->prefix);
    if (!is_new && at->second != name->prefix)
      throw input_error(file.name(), "two prefixes for layer " + std::to_string(name->index),
                        "'" + at->second + "' and '" + name->prefix + "'", "one");
  }
  if (prefixes.empty())
    throw input_error(file.name(), "no layer", std::to_string(file.tensors().size()) + " tensors",
                      "tensors layers.<i>.k, layers.<i>.v, layers.<i>.q");
  return prefixes;
}

std::string at_tensor(safetensors_file const& file, std::string const& tensor) {
  return file.name() + ": tensor " + printable(tensor);
}

// A [a, b, c] tensor of the trace's element type with the extents that `want` fixes (-1: free).
tensor_info const& rows_at(safetensors_file const& file, std::string const& tensor, dtype element,
                           shape_t const& want, char const* wanted) {
  auto const& info = file.at(tensor);
  if (info.type != element)
    throw input_error(at_tensor(file, tensor), "wrong element type",
                      std::string(name_of(info.type)), std::string(name_of(element)));
  bool fits = info.shape.size() == 3;
  for (std::size_t i = 0; fits && i < 3; ++i)
    fits =
        want[i] < 0 ? info.shape[i] >= 1 && info.shape[i] < max_extent : info.shape[i] == want[i];
  if (!fits)
    throw input_error(at_tensor(file, tensor), "wrong shape", to_string(info.shape), wanted);
  return info;
}

std::vector<std::byte> read_finite(safetensors_file& file, std::string const& tensor) {
  auto const& info = file.at(tensor);
  auto bytes = file.read(tensor);
  auto const count = bytes.size() / static_cast<std::size_t>(bytes_of(info.type));
  for (std::size_t i = 0; i < count; ++i) {
    auto const value = element_at(info.type, bytes.data(), i);
    if (std::isfinite(value)) continue;
    auto const column = static_cast<std::int64_t>(i) % info.shape[2];
    auto const row = static_cast<std::int64_t>(i) / info.shape[2];
    throw input_error(
        at_tensor(file, tensor),
        "not finite at " + to_string(shape_t{row / info.shape[1], row % info.shape[1], column}),
        std::isnan(value) ? "NaN"
        : value < 0       ? "-inf"
                          : "inf",
        "finite elements");
  }
  return bytes;
}

std::vector<std::int64_t> read_positions(safetensors_file& file, std::string const& tensor,
                                         std::int64_t queries, std::int64_t tokens) {
  std::vector<std::int64_t> positions(static_cast<std::size_t>(queries));
  auto const* const info = file.find(tensor);
  if (info == nullptr) {
    if (queries > tokens)
      throw input_error(file.name(), "more queries than tokens and no " + printable(tensor),
                        std::to_string(queries), "at most " + std::to_string(tokens));
    for (std::int64_t i = 0; i < queries; ++i)
      positions[static_cast<std::size_t>(i)] = tokens - queries + i;
    return positions;
  }
  auto const where = at_tensor(file, tensor);
  if (info->type != dtype::i64 && info->type != dtype::i32)
    throw input_error(where, "wrong element type", std::string(name_of(info->type)), "I64 or I32");
  if (info->shape != shape_t{queries})
    throw input_error(where, "wrong shape", to_string(info->shape), to_string(shape_t{queries}));
  auto const bytes = file.read(tensor);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    std::int32_t narrow = 0;
    if (info->type == dtype::i64) {
      std::memcpy(&positions[i], bytes.data() + 8 * i, 8);
    } else {
      std::memcpy(&narrow, bytes.data() + 4 * i, 4);
      positions[i] = narrow;
    }
    if (positions[i] < 0 || positions[i] >= tokens)
      throw input_error(where, "position of query " + std::to_string(i) + " outside the sequence",
                        std::to_string(positions[i]), "0 to " + std::to_string(tokens - 1));
  }
  return positions;
}

double scale_of(safetensors_file const& file, std::int64_t head_dim) {
  auto const found = file.metadata().find("softmax_scale");
  if (found == file.metadata().end()) return 1.0 / std::sqrt(static_cast<double>(head_dim));
  auto const& text = found->second;
  double scale = 0;
  auto const parsed = std::from_chars(text.data(), text.data() + text.size(), scale);
  auto const whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
  // The bounds keep every scaled score of finite keys and queries finite in fp32.
  if (!whole || !std::isfinite(scale) || scale < 1e-12 || scale > 1e12)
    throw input_error(file.name(), "bad softmax_scale in __metadata__",
                      "'" + printable(text, 40) + "'", "a number from 1e-12 to 1e12");
  return scale;
}

// The first layer's keys fix what all tensors of the trace share.
void read_extents(safetensors_file const& file, std::string const& prefix, kv_trace& trace) {
  auto const& k = file.at(prefix + "k");
  if (k.type != dtype::f16 && k.type != dtype::bf16 && k.type != dtype::f32)
    throw input_error(at_tensor(file, prefix + "k"), "wrong element type",
                      std::string(name_of(k.type)), "F16, BF16 or F32");
  trace.element = k.type;
  rows_at(file, prefix + "k", k.type, {-1, -1, -1}, "[tokens, kv_heads, head_dim], none empty");
  trace.tokens = k.shape[0];
  trace.kv_heads = k.shape[1];
  trace.head_dim = k.shape[2];
  auto const& q = rows_at(file, prefix + "q", k.type, {-1, -1, trace.head_dim},
                          "[queries, q_heads, head_dim], none empty");
  trace.q_heads = q.shape[1];
  if (trace.q_heads % trace.kv_heads != 0)
    throw input_error(at_tensor(file, prefix + "q"), "query heads do not divide among KV heads",
                      std::to_string(trace.q_heads),
                      "a multiple of " + std::to_string(trace.kv_heads));
}

}  // namespace

kv_trace read_trace(safetensors_file& file) {
  auto const prefixes = layers_of(file);
  kv_trace trace;
  trace.path = file.name();
  if (auto const source = file.metadata().find("source"); source != file.metadata().end())
    trace.source = source->second;
  read_extents(file, prefixes.begin()->second, trace);
  trace.softmax_scale = scale_of(file, trace.head_dim);
  shape_t const kv{trace.tokens, trace.kv_heads, trace.head_dim};
  auto const kv_text = to_string(kv) + " as the first layer's k";
  auto const q_text =
      "[queries, " + std::to_string(trace.q_heads) + ", " + std::to_string(trace.head_dim) + "]";
  for (auto const& [index, prefix] : prefixes) {
    trace_layer layer{prefix, index, {}, {}, {}, {}};
    rows_at(file, prefix + "k", trace.element, kv, kv_text.c_str());
    rows_at(file, prefix + "v", trace.element, kv, kv_text.c_str());
    auto const& q = rows_at(file, prefix + "q", trace.element, {-1, trace.q_heads, trace.head_dim},
                            q_text.c_str());
    layer.q_pos = read_positions(file, prefix + "q_pos", q.shape[0], trace.tokens);
    layer.k = read_finite(file, prefix + "k");
    layer.v = read_finite(file, prefix + "v");
    layer.q = read_finite(file, prefix + "q");
    trace.layers.push_back(std::move(layer));
  }
  return trace;
}

kv_trace read_trace(std::string const& path) {
  auto file = safetensors_file::open(path);
  return read_trace(file);
}

}  // namespace support
