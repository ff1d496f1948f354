#pragma once

#include "support/dtype.hpp"
#include "support/shape.hpp"

#include <cstddef>
#include <iosfwd>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace support {

/// Collects tensors and writes them in the order they were added.
class safetensors_writer {
 public:
  void add_metadata(std::string key, std::string value);
  void add(std::string name, dtype type, shape_t shape, std::vector<std::byte> bytes);

  template <class T>
  void add(std::string name, dtype type, shape_t shape, std::vector<T> const& elements) {
    auto const raw = std::as_bytes(std::span{elements});
    add(std::move(name), type, std::move(shape), std::vector<std::byte>(raw.begin(), raw.end()));
  }

  void write(std::ostream& out) const;
  void write_file(std::string const& path) const;

 private:
  struct entry {
    std::string name;
    dtype type;
    shape_t shape;
    std::vector<std::byte> bytes;
  };
  std::vector<entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace support
