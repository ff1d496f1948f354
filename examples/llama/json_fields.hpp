#pragma once

#include "support/input_error.hpp"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace llama {

/// A JSON object from a file, asked for its fields. A missing field without a default, or one of
/// another type, is an input_error that names file and field. null counts as missing.
class json_fields {
 public:
  static json_fields from_file(std::string const& path);

  bool has(std::string const& key) const;
  int integer(std::string const& key) const;  // 1 .. 2^30
  int integer(std::string const& key, int otherwise) const;
  double real(std::string const& key) const;
  double real(std::string const& key, double otherwise) const;
  bool flag(std::string const& key, bool otherwise) const;
  std::string text(std::string const& key, std::string const& otherwise) const;
  /// The first text of a list.
  std::string first_text(std::string const& key) const;
  /// One integer or a list of them; empty where the field is missing.
  std::vector<int> integers(std::string const& key) const;
  /// The object under a key; an empty one where it is missing.
  json_fields child(std::string const& key) const;
  nlohmann::json const& value() const { return value_; }

  [[noreturn]] void refuse(std::string const& what, std::string const& got,
                           std::string const& want) const;

 private:
  json_fields(std::string name, nlohmann::json value);
  nlohmann::json const& at(std::string const& key, char const* want) const;

  std::string name_;
  nlohmann::json value_;
};

}  // namespace llama
