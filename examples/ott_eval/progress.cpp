#include "progress.hpp"

#include <cstdio>
#include <utility>

#include <unistd.h>

namespace eval {

progress::progress(std::int64_t steps)
    : steps_{steps < 1 ? 1 : steps},
      shown_{isatty(STDERR_FILENO) != 0},
      next_{std::chrono::steady_clock::now() + std::chrono::milliseconds{300}} {}

progress::~progress() { clear(); }

void progress::label(std::string text) { label_ = std::move(text); }

void progress::step(std::int64_t count) {
  done_ += count;
  if (!shown_ || std::chrono::steady_clock::now() < next_) return;
  next_ = std::chrono::steady_clock::now() + std::chrono::milliseconds{100};
  draw();
}

void progress::draw() {
  constexpr int width = 30;
  auto const share = static_cast<double>(done_) / static_cast<double>(steps_);
  auto const full = share > 1 ? width : static_cast<int>(share * width);
  std::fprintf(stderr, "\r\x1b[K[%.*s%.*s] %3d %% %s", full, "##############################",
               width - full, "..............................",
               static_cast<int>((share > 1 ? 1 : share) * 100), label_.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void progress::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace eval
