#include "small_trace.hpp"

#include "support/catch.hpp"

#include <random>

// Random damage: the reader accepts or refuses, and under the sanitizers touches nothing else.
namespace {

std::string damage(std::string bytes, std::mt19937& random) {
  auto const below = [&](std::size_t n) { return random() % n; };
  switch (below(5)) {
    case 0:  // flip bits anywhere
      for (auto n = 1 + below(4); n > 0; --n)
        bytes[below(bytes.size())] ^= static_cast<char>(1u << below(8));
      break;
    case 1:  // cut
      bytes.resize(below(bytes.size()));
      break;
    case 2: {  // another digit, bracket or quote in the header
      static constexpr char letters[] = "0123456789-.eE{}[]\",: FBIU";
      for (auto n = 1 + below(3); n > 0; --n)
        bytes[8 + below(700)] = letters[below(sizeof letters - 1)];
      break;
    }
    case 3:  // remove or repeat a run
      if (auto const at = below(bytes.size() - 20); below(2) == 0) {
        bytes.erase(at, 1 + below(20));
      } else {
        bytes.insert(at, bytes.substr(at, 1 + below(20)));
      }
      break;
    default:  // random bytes in the data
      for (auto n = 1 + below(30); n > 0; --n)
        bytes[bytes.size() - 1 - below(200)] = static_cast<char>(random());
  }
  return bytes;
}

}  // namespace

TEST_CASE("random damage is accepted or refused, never anything else") {
  auto const whole = small::trace_bytes();
  std::mt19937 random{20261122};
  int accepted = 0, refused = 0;
  for (int round = 0; round < 30'000; ++round) {
    auto const bytes = damage(whole, random);
    auto const text = small::refusal([&] {
      auto const trace = small::trace(bytes);
      if (trace.layers.empty() || trace.tokens < 1) throw std::logic_error("an empty trace");
    });
    ++(text == "accepted" ? accepted : refused);
    if (text.find('\n') != text.npos || text.size() > 600) FAIL("not one line: " << text);
  }
  INFO("accepted " << accepted << ", refused " << refused);
  CHECK(accepted > 500);
  CHECK(refused > 10'000);
}
