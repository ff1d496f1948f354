#include "support/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

namespace support {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

using json = nlohmann::json;

// The limit of the reference implementation: no honest header comes near it.
constexpr std::uint64_t max_header_bytes = 100'000'000;

std::uint64_t size_of(std::istream& in, std::string const& name) {
  in.seekg(0, std::ios::end);
  auto const size = in.tellg();
  if (!in || size < 0)
    throw input_error(name, "cannot tell the file's size", "a stream", "a regular file");
  return static_cast<std::uint64_t>(size);
}

// JSON objects silently keep the last of two equal keys: refuse them while parsing.
json parse_json(std::string const& text, std::string const& name) {
  std::vector<std::set<std::string>> keys;
  std::string repeated;
  auto const watch = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      repeated = value.get<std::string>();
    return true;
  };
  try {
    auto header = json::parse(text, watch);
    if (!repeated.empty())
      throw input_error(name, "a name occurs twice in the header", printable(repeated),
                        "each name once");
    return header;
  } catch (json::exception const& e) {
    throw input_error(name, "the header is not JSON", printable(e.what(), 160), "a JSON object");
  }
}

// Never dump() a container: a header of a million brackets would overflow its recursion.
std::string brief(json const& value) {
  return value.is_structured()
             ? std::string("an ") + value.type_name() + " of " + std::to_string(value.size())
             : printable(value.dump(), 40);
}

std::uint64_t unsigned_from(json const& value, std::string const& where, char const* what) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
    throw input_error(where, std::string("bad ") + what, brief(value),
                      "an integer from 0 to 2^63-1");
  return value.get<std::uint64_t>();
}

tensor_info tensor_from(json const& entry, std::string const& where) {
  auto const has = [&](char const* key) { return entry.is_object() && entry.contains(key); };
  if (!has("dtype") || !has("shape") || !has("data_offsets") || entry.size() != 3)
    throw input_error(where, "bad header entry", brief(entry), "dtype, shape, data_offsets");
  if (!entry["dtype"].is_string())
    throw input_error(where, "bad dtype", brief(entry["dtype"]), "a string");
  auto const type = dtype_from(entry["dtype"].get<std::string>());
  if (!type)
    throw input_error(where, "unknown dtype", brief(entry["dtype"]),
                      "F16, BF16, F32, I32, I64 or another plain type");
  auto const& shape = entry["shape"];
  if (!shape.is_array() || shape.size() > 16)
    throw input_error(where, "bad shape", brief(shape), "an array of extents");
  auto const& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2)
    throw input_error(where, "bad data_offsets", brief(offsets), "[begin, end]");
  tensor_info info{*type, {}, 0, 0};
  for (auto const& extent : shape)
    info.shape.push_back(static_cast<std::int64_t>(unsigned_from(extent, where, "extent")));
  info.begin = unsigned_from(offsets[0], where, "offset");
  info.end = unsigned_from(offsets[1], where, "offset");
  return info;
}

void check_tensor(tensor_info const& info, std::uint64_t data_bytes, std::string const& where) {
  auto const range = "[" + std::to_string(info.begin) + ", " + std::to_string(info.end) + ")";
  if (info.begin > info.end || info.end > data_bytes)
    throw input_error(where, "offsets outside the data", range,
                      "a range inside [0, " + std::to_string(data_bytes) + ")");
  auto const wanted = bytes_for(info.shape, info.type, where);
  if (info.end - info.begin != wanted)
    throw input_error(
        where, "size and shape disagree", std::to_string(info.end - info.begin) + " bytes",
        std::to_string(wanted) + " for " + std::string(name_of(info.type)) + to_string(info.shape));
}

}  // namespace

safetensors_file safetensors_file::open(std::string const& path) {
  std::error_code error;
  auto const shown = printable(path, 400);
  auto const status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    throw input_error(shown, "no such file", "nothing", "a safetensors file");
  if (!std::filesystem::is_regular_file(status))
    throw input_error(shown, "not a file", "a directory or device", "a safetensors file");
  auto in = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!*in) throw input_error(shown, "cannot open", "an error", "a readable file");
  return {std::move(in), shown};
}

safetensors_file::safetensors_file(safetensors_file&&) noexcept = default;
safetensors_file::~safetensors_file() = default;

safetensors_file::safetensors_file(std::unique_ptr<std::istream> in, std::string name)
    : in_(std::move(in)), name_(std::move(name)) {
  auto const file_bytes = size_of(*in_, name_);
  if (file_bytes < 10)
    throw input_error(name_, "file too short", std::to_string(file_bytes) + " bytes",
                      "8 for the header's length, and a header of 2 or more");
  std::uint64_t header_bytes = 0;
  in_->seekg(0);
  in_->read(reinterpret_cast<char*>(&header_bytes), 8);
  auto const most = std::min(file_bytes - 8, max_header_bytes);
  if (!*in_ || header_bytes < 2 || header_bytes > most)
    throw input_error(name_, "bad header length", std::to_string(header_bytes),
                      "2 to " + std::to_string(most) + ", the bytes that follow");
  std::string text(header_bytes, '\0');
  in_->read(text.data(), static_cast<std::streamsize>(header_bytes));
  if (!*in_) throw input_error(name_, "cannot read the header", "a short read", "a whole header");
  data_begin_ = 8 + header_bytes;
  parse_header(text, file_bytes - data_begin_);
  check_layout(file_bytes - data_begin_);
}

void safetensors_file::parse_header(std::string const& text, std::uint64_t data_bytes) {
  auto const header = parse_json(text, name_);
  if (!header.is_object())
    throw input_error(name_, "the header is no object", header.type_name(), "a JSON object");
  for (auto const& [key, entry] : header.items()) {
    if (key == "__metadata__") {
      if (!entry.is_object())
        throw input_error(name_, "bad __metadata__", entry.type_name(), "an object of strings");
      for (auto const& [name, value] : entry.items()) {
        if (!value.is_string())
          throw input_error(name_, "bad __metadata__ value of " + printable(name, 40),
                            value.type_name(), "a string");
        metadata_[name] = value.get<std::string>();
      }
      continue;
    }
    auto const where = name_ + ": tensor " + printable(key);
    auto const info = tensor_from(entry, where);
    check_tensor(info, data_bytes, where);
    tensors_.emplace(key, info);
  }
}

void safetensors_file::check_layout(std::uint64_t data_bytes) const {
  std::vector<std::pair<tensor_info const*, std::string const*>> order;
  for (auto const& [key, info] : tensors_) order.emplace_back(&info, &key);
  std::sort(order.begin(), order.end(), [](auto const& a, auto const& b) {
    return std::pair(a.first->begin, a.first->end) < std::pair(b.first->begin, b.first->end);
  });
  std::uint64_t covered = 0;
  for (auto const& [info, key] : order) {
    if (info->begin != covered)
      throw input_error(name_ + ": tensor " + printable(*key),
                        info->begin < covered ? "overlaps the tensor before it" : "leaves a hole",
                        "begin " + std::to_string(info->begin), std::to_string(covered));
    covered = info->end;
  }
  if (covered != data_bytes)
    throw input_error(name_, "data not covered by tensors",
                      std::to_string(data_bytes) + " bytes of data", std::to_string(covered));
}

tensor_info const* safetensors_file::find(std::string const& tensor) const {
  auto const found = tensors_.find(tensor);
  return found == tensors_.end() ? nullptr : &found->second;
}

tensor_info const& safetensors_file::at(std::string const& tensor) const {
  if (auto const* const info = find(tensor)) return *info;
  throw input_error(name_, "missing tensor", std::to_string(tensors_.size()) + " other tensors",
                    printable(tensor));
}

std::vector<std::byte> safetensors_file::read(std::string const& tensor) {
  auto const& info = at(tensor);
  std::vector<std::byte> bytes(info.end - info.begin);
  in_->clear();
  in_->seekg(static_cast<std::streamoff>(data_begin_ + info.begin));
  in_->read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!*in_)
    throw input_error(name_ + ": tensor " + printable(tensor), "cannot read the data",
                      "a short read", std::to_string(bytes.size()) + " bytes");
  return bytes;
}

}  // namespace support
