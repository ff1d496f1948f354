#include "llama/json_fields.hpp"

#include <fstream>
#include <utility>

namespace llama {

using json = nlohmann::json;

json_fields::json_fields(std::string name, json value)
    : name_{std::move(name)}, value_(std::move(value)) {
  if (!value_.is_object()) refuse("content", value_.type_name(), "a JSON object");
}

json_fields json_fields::from_file(std::string const& path) {
  std::string const name = support::printable(path, 400);
  std::ifstream in(path);
  if (!in) throw support::input_error(name, "cannot open", "no file", "a JSON file");
  try {
    return {name, json::parse(in)};
  } catch (json::exception const& e) {
    throw support::input_error(name, "not JSON", support::printable(e.what(), 160),
                               "a JSON object");
  }
}

void json_fields::refuse(std::string const& what, std::string const& got,
                         std::string const& want) const {
  throw support::input_error(name_, what, support::printable(got), want);
}

bool json_fields::has(std::string const& key) const {
  auto const found = value_.find(key);
  return found != value_.end() && !found->is_null();
}

json const& json_fields::at(std::string const& key, char const* want) const {
  if (!has(key)) refuse(key, "nothing", want);
  return value_[key];
}

int json_fields::integer(std::string const& key) const {
  constexpr char const* want = "an integer from 1 to 2^30";
  json const& field = at(key, want);
  bool const good =
      field.is_number_integer() && field.get<double>() >= 1 && field.get<double>() <= 1 << 30;
  if (!good) refuse(key, field.is_structured() ? field.type_name() : field.dump(), want);
  return field.get<int>();
}

int json_fields::integer(std::string const& key, int otherwise) const {
  return has(key) ? integer(key) : otherwise;
}

double json_fields::real(std::string const& key) const {
  json const& field = at(key, "a number");
  if (!field.is_number() || !(field.get<double>() > 0)) {
    refuse(key, field.is_structured() ? field.type_name() : field.dump(), "a number above 0");
  }
  return field.get<double>();
}

double json_fields::real(std::string const& key, double otherwise) const {
  return has(key) ? real(key) : otherwise;
}

bool json_fields::flag(std::string const& key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (!value_[key].is_boolean()) refuse(key, value_[key].type_name(), "true or false");
  return value_[key].get<bool>();
}

std::string json_fields::text(std::string const& key, std::string const& otherwise) const {
  if (!has(key)) return otherwise;
  if (!value_[key].is_string()) refuse(key, value_[key].type_name(), "a string");
  return value_[key].get<std::string>();
}

std::string json_fields::first_text(std::string const& key) const {
  json const& list = at(key, "a list with one name");
  if (!list.is_array() || list.size() != 1 || !list[0].is_string()) {
    refuse(key, list.type_name(), "a list with one name");
  }
  return list[0].get<std::string>();
}

std::vector<int> json_fields::integers(std::string const& key) const {
  if (!has(key)) return {};
  json const& field = value_[key];
  std::vector<int> all;
  for (json const& one : field.is_array() ? field : json::array({field})) {
    if (!one.is_number_integer()) refuse(key, one.type_name(), "an integer or a list of them");
    all.push_back(one.get<int>());
  }
  return all;
}

json_fields json_fields::child(std::string const& key) const {
  return {name_ + ": " + key, has(key) ? value_[key] : json::object()};
}

}  // namespace llama
