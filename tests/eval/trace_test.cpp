#include "small_trace.hpp"

#include "support/catch.hpp"

#include <functional>

namespace {

using support::dtype;

// A trace of one layer, with any of its tensors replaced.
struct builder {
  std::string prefix = "layers.0.";
  dtype k = dtype::f16, v = dtype::f16, q = dtype::f16;
  support::shape_t k_shape{5, 2, 3}, v_shape{5, 2, 3}, q_shape{2, 4, 3};
  std::vector<std::int64_t> q_pos{1, 4};
  bool with_k = true, with_q = true, with_pos = true;
  std::string scale = "0.5";
  int nan_at = -1;

  std::string bytes() const {
    support::safetensors_writer file;
    if (!scale.empty()) file.add_metadata("softmax_scale", scale);
    if (with_k) add(file, "k", k, k_shape);
    add(file, "v", v, v_shape, nan_at);
    if (with_q) add(file, "q", q, q_shape);
    if (with_pos)
      file.add(prefix + "q_pos", dtype::i64, {static_cast<std::int64_t>(q_pos.size())}, q_pos);
    return small::bytes_of(file);
  }

  void add(support::safetensors_writer& file, char const* name, dtype type,
           support::shape_t const& shape, int nan = -1) const {
    auto const size = support::bytes_for(shape, type, name);
    std::vector<std::uint16_t> bits(size / 2, 0x3c00);
    if (nan >= 0) bits[static_cast<std::size_t>(nan)] = 0xfc00;
    file.add(prefix + name, type, shape, bits);
  }
};

std::string says(std::function<void(builder&)> const& damage) {
  builder made;
  damage(made);
  return small::refusal([&] { small::trace(made.bytes()); });
}

}  // namespace

TEST_CASE("a trace reads back") {
  auto const trace = small::trace(small::trace_bytes());
  CHECK(trace.source == "a test");
  CHECK(trace.softmax_scale == 0.5);
  CHECK(trace.element == dtype::f16);
  CHECK((trace.tokens == 5 && trace.kv_heads == 2 && trace.q_heads == 4 && trace.head_dim == 3));
  REQUIRE(trace.layers.size() == 2);
  CHECK(trace.layers[1].index == 7);
  CHECK(trace.layers[1].prefix == "layers.7.");
  CHECK(trace.layers[1].q_pos == std::vector<std::int64_t>{1, 4});
  CHECK(support::element_at(dtype::f16, trace.layers[0].k.data(), 0) == 1.0);
}

TEST_CASE("a file of one layer may leave the prefix, the positions and the scale out") {
  builder made;
  made.prefix = "";
  made.with_pos = false;
  made.scale = "";
  auto const trace = small::trace(made.bytes());
  REQUIRE(trace.layers.size() == 1);
  CHECK(trace.layers[0].prefix.empty());
  CHECK(trace.layers[0].q_pos == std::vector<std::int64_t>{3, 4});
  CHECK(trace.softmax_scale == Approx(1 / std::sqrt(3.0)));
}

TEST_CASE("element values are exact for every 16-bit pattern") {
  CHECK(support::double_from_f16(0x0001) == std::ldexp(1.0, -24));
  CHECK(support::double_from_f16(0x83ff) == -std::ldexp(1023.0, -24));
  CHECK(support::double_from_f16(0x7bff) == 65504.0);
  CHECK(support::double_from_f16(0xbc00) == -1.0);
  CHECK(support::double_from_f16(0xfc00) == -HUGE_VAL);
  CHECK(std::isnan(support::double_from_f16(0x7c01)));
  std::uint16_t const one = 0x3f80;
  CHECK(support::element_at(dtype::bf16, reinterpret_cast<std::byte const*>(&one), 0) == 1.0);
}

TEST_CASE("a trace that does not hold together is refused with the tensor's name") {
  CHECK(says([](builder&) {}) == "accepted");
  small::check_says(says([](builder& t) { t.with_k = false; }), "layers.0.k");
  small::check_says(says([](builder& t) { t.with_q = false; }), "layers.0.q");
  small::check_says(says([](builder& t) { t.prefix = "model."; }), "no layer");
  small::check_says(says([](builder& t) { t.prefix = "layers.99999999999."; }), "no layer");
  small::check_says(says([](builder& t) { t.prefix = "layers.-1."; }), "no layer");
  small::check_says(says([](builder& t) { t.k = dtype::i16; }), "wrong element type, got I16");
  small::check_says(says([](builder& t) { t.v = dtype::bf16; }), "layers.0.v");
  small::check_says(says([](builder& t) { t.q = dtype::bf16; }), "wrong element type");
  small::check_says(says([](builder& t) { t.k_shape = {30}; }), "wrong shape, got [30]");
  small::check_says(says([](builder& t) { t.k_shape = {0, 2, 3}; }), "wrong shape");
  small::check_says(says([](builder& t) { t.v_shape = {4, 2, 3}; }), "wrong shape, got [4, 2, 3]");
  small::check_says(says([](builder& t) { t.q_shape = {2, 4, 4}; }), "wrong shape");
  small::check_says(says([](builder& t) { t.q_shape = {2, 3, 3}; }), "do not divide");
  small::check_says(says([](builder& t) { t.q_pos = {1}; }), "wrong shape, got [1], want [2]");
  small::check_says(says([](builder& t) { t.q_pos = {1, 5}; }), "got 5, want 0 to 4");
  small::check_says(says([](builder& t) { t.q_pos = {-1, 4}; }), "got -1");
  small::check_says(says([](builder& t) {
                      t.with_pos = false;
                      t.q_shape = {6, 4, 3};
                    }),
                    "more queries than tokens");
  for (auto const* const scale : {"", "x", "nan", "inf", "0", "-1", "1e30", "0.5 "}) {
    CAPTURE(scale);
    auto const text = says([&](builder& t) { t.scale = scale; });
    CHECK((*scale == '\0' ? text == "accepted" : text.find("softmax_scale") != text.npos));
  }
  small::check_says(says([](builder& t) { t.nan_at = 10; }),
                    "layers.0.v: not finite at [1, 1, 1], got -inf");
}

TEST_CASE("layers must agree on their extents and names") {
  support::safetensors_writer twice;
  small::add_layer(twice, "layers.1.");
  small::add_layer(twice, "layers.01.");
  small::check_says(small::refusal([&] { small::trace(small::bytes_of(twice)); }), "two prefixes");
  support::safetensors_writer mixed;
  small::add_layer(mixed, "layers.0.");
  small::add_layer(mixed, "");
  small::check_says(small::refusal([&] { small::trace(small::bytes_of(mixed)); }), "two prefixes");
}
