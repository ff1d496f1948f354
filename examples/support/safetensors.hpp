#pragma once

#include "support/dtype.hpp"
#include "support/input_error.hpp"
#include "support/shape.hpp"

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace support {

struct tensor_info {
  dtype type;
  shape_t shape;
  std::uint64_t begin, end;  // bytes from the start of the data section
};

/// A safetensors file whose header was checked in full before anything is read from it: every
/// tensor lies inside the file, none overlap, none leave holes, sizes follow from the shapes.
/// Every refusal is an `input_error`.
class safetensors_file {
 public:
  static safetensors_file open(std::string const& path);
  safetensors_file(std::unique_ptr<std::istream> in, std::string name);
  safetensors_file(safetensors_file&&) noexcept;
  ~safetensors_file();

  std::string const& name() const { return name_; }
  std::map<std::string, tensor_info> const& tensors() const { return tensors_; }
  std::map<std::string, std::string> const& metadata() const { return metadata_; }

  tensor_info const* find(std::string const& tensor) const;
  /// The tensor's description; refuses with the name that is missing.
  tensor_info const& at(std::string const& tensor) const;
  /// The tensor's raw bytes, in an allocation of their own, so aligned for any element.
  std::vector<std::byte> read(std::string const& tensor);

 private:
  void parse_header(std::string const& text, std::uint64_t data_bytes);
  void check_layout(std::uint64_t data_bytes) const;

  std::unique_ptr<std::istream> in_;
  std::string name_;
  std::uint64_t data_begin_ = 0;
  std::map<std::string, tensor_info> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace support
