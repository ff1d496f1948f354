#include "small_trace.hpp"

#include "support/catch.hpp"

#include <filesystem>

namespace {

using support::dtype;

std::string opening(std::string const& bytes) {
  return small::refusal([&] { small::open(bytes); });
}

}  // namespace

TEST_CASE("a written file reads back: metadata, types, shapes, bytes") {
  support::safetensors_writer out;
  out.add_metadata("a \"name\"", "a\nvalue");
  out.add("codes", dtype::u8, {2, 3}, std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6});
  out.add("none", dtype::i32, {3, 0}, std::vector<std::int32_t>{});
  out.add("scalar", dtype::f32, {}, std::vector<float>{2.5f});
  auto const bytes = small::bytes_of(out);
  auto in = small::open(bytes);
  CHECK(in.metadata().at("a \"name\"") == "a\nvalue");
  CHECK(in.tensors().size() == 3);
  CHECK(in.at("none").shape == support::shape_t{3, 0});
  auto const codes = in.read("codes");
  CHECK(codes.size() == 6);
  CHECK(std::to_integer<int>(codes[5]) == 6);
  auto const scalar = in.read("scalar");
  float value = 0;
  REQUIRE(scalar.size() == 4);
  std::memcpy(&value, scalar.data(), 4);
  CHECK(value == 2.5f);
  CHECK(in.find("other") == nullptr);
  CHECK_THROWS_AS(in.at("other"), support::input_error);
}

TEST_CASE("a header that lies is refused with its name") {
  auto const [header, data_bytes, says] = GENERATE(table<char const*, std::size_t, char const*>({
      {"{}", 5, "data not covered"},
      {"[]", 0, "no object"},
      {"{ ", 0, "not JSON"},
      {"\xff\xfe", 0, "not JSON"},
      {R"({"a":1})", 0, "bad header entry"},
      {R"({"a":{"dtype":"F16","shape":[2]}})", 4, "bad header entry"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4],"b":0}})", 4, "bad header entry"},
      {R"({"a":{"dtype":"F17","shape":[2],"data_offsets":[0,4]}})", 4, "unknown dtype"},
      {R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,4]}})", 4, "bad dtype"},
      {R"({"a":{"dtype":"F16","shape":2,"data_offsets":[0,4]}})", 4, "bad shape"},
      {R"({"a":{"dtype":"F16","shape":[-2],"data_offsets":[0,4]}})", 4, "bad extent"},
      {R"({"a":{"dtype":"F16","shape":[2.0],"data_offsets":[0,4]}})", 4, "bad extent"},
      {R"({"a":{"dtype":"F16","shape":[1e99],"data_offsets":[0,4]}})", 4, "bad extent"},
      {R"({"a":{"dtype":"F16","shape":["2"],"data_offsets":[0,4]}})", 4, "bad extent"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0]}})", 4, "bad data_offsets"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":{"0":4}}})", 4, "bad data_offsets"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,-4]}})", 4, "bad offset"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[4,0]}})", 4, "outside the data"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 3, "outside the data"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,9223372036854775807]}})", 4,
       "outside the data"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,18446744073709551615]}})", 4,
       "bad offset"},
      {R"({"a":{"dtype":"F16","shape":[3],"data_offsets":[0,4]}})", 4, "size and shape disagree"},
      {R"({"a":{"dtype":"F16","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "shape too large"},
      {R"({"a":{"dtype":"F16","shape":[9223372036854775807,2],"data_offsets":[0,0]}})", 0,
       "shape too large"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 5, "data not covered"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, "overlaps"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       4, "overlaps"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}})",
       6, "leaves a hole"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1, "occurs twice"},
      {R"({"__metadata__":[]})", 0, "bad __metadata__"},
      {R"({"__metadata__":{"a":1}})", 0, "bad __metadata__ value of a"},
  }));
  CAPTURE(header);
  small::check_says(opening(small::raw(header, std::string(data_bytes, '\0'))), says);
}

TEST_CASE("an honest file of zero extents and many dimensions is accepted") {
  auto const* const header = R"({"a":{"dtype":"U8","shape":[0,9223372036854775807],)"
                             R"("data_offsets":[0,0]},"b":{"dtype":"BOOL","shape":[1,1,1,1,1],)"
                             R"("data_offsets":[0,1]}}   )";
  CHECK(opening(small::raw(header, "x")) == "accepted");
}

TEST_CASE("a truncated or lying header length is refused") {
  auto const whole = small::trace_bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(opening(whole.substr(0, size)) != "accepted");
  }
  CHECK(opening(whole) == "accepted");
  CHECK(opening(whole + "x") != "accepted");
  for (std::uint64_t const length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 31,
                                     ~std::uint64_t{0}, ~std::uint64_t{7}}) {
    auto lying = whole;
    std::memcpy(lying.data(), &length, 8);
    CAPTURE(length);
    small::check_says(opening(lying), "bad header length");
  }
}

TEST_CASE("a header of a million brackets is refused, not overflowed") {
  std::string const open(1'000'000, '['), close(1'000'000, ']');
  CHECK(opening(small::raw(open)) != "accepted");
  CHECK(opening(small::raw(open + close)) != "accepted");
  CHECK(opening(small::raw("{\"a\":" + open + close + "}")) != "accepted");
  CHECK(opening(small::raw("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":" + open +
                           close + "}}")) != "accepted");
}

TEST_CASE("a refusal is one line, whatever the file's names hold") {
  auto const says = opening(small::raw(R"({"a\n\u001b[31m\u0000":1})"));
  CHECK(says.find('\n') == std::string::npos);
  CHECK(says.find('\x1b') == std::string::npos);
  small::check_says(says, "a\\x0a\\x1b");
}

TEST_CASE("printable keeps characters and escapes what is none") {
  using support::printable;
  CHECK(printable("a \xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82") ==
        "a \xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82");
  CHECK(printable("\xac") == "\\xac");
  CHECK(printable("\xc3(") == "\\xc3(");
  CHECK(printable("\xe2\x82") == "\\xe2\\x82");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");
  CHECK(printable("\xff\t\x7f") == "\\xff\\x09\\x7f");
  CHECK(printable("abcdef", 3) == "abc...");
  CHECK(printable("abc", 3) == "abc");
}

TEST_CASE("paths that are no readable file are refused") {
  auto const says = [](std::string const& path) {
    return small::refusal([&] { support::safetensors_file::open(path); });
  };
  small::check_says(says("/no/such/file"), "no such file");
  small::check_says(says(std::filesystem::temp_directory_path()), "not a file");
  support::safetensors_writer out;
  CHECK_THROWS_AS(out.write_file("/no/such/folder/file"), support::input_error);
}
