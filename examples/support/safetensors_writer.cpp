#include "support/safetensors_writer.hpp"

#include <fstream>
#include <ostream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace support {

void safetensors_writer::add_metadata(std::string key, std::string value) {
  metadata_[std::move(key)] = std::move(value);
}

void safetensors_writer::add(std::string name, dtype type, shape_t shape,
                             std::vector<std::byte> bytes) {
  if (bytes.size() != bytes_for(shape, type, name))
    throw std::logic_error("safetensors_writer: " + name + " has " + std::to_string(bytes.size()) +
                           " bytes for shape " + to_string(shape));
  entries_.push_back({std::move(name), type, std::move(shape), std::move(bytes)});
}

void safetensors_writer::write(std::ostream& out) const {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata_.empty()) header["__metadata__"] = metadata_;
  std::int64_t begin = 0;
  for (auto const& e : entries_) {
    auto const end = begin + static_cast<std::int64_t>(e.bytes.size());
    auto& entry = header[e.name];
    entry["dtype"] = std::string(name_of(e.type));
    entry["shape"] = e.shape;
    entry["data_offsets"] = shape_t{begin, end};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // keeps the data aligned
  std::uint64_t const header_bytes = text.size();
  out.write(reinterpret_cast<char const*>(&header_bytes), 8);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (auto const& e : entries_)
    out.write(reinterpret_cast<char const*>(e.bytes.data()),
              static_cast<std::streamsize>(e.bytes.size()));
}

void safetensors_writer::write_file(std::string const& path) const {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (out) write(out);
  out.close();
  if (!out) throw input_error(printable(path, 400), "cannot write", "an error", "a writable file");
}

}  // namespace support
