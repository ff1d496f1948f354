#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace eval {

/// One line on stderr that counts up, only where a person watches: never in a pipe or a log.
class progress {
 public:
  explicit progress(std::int64_t steps);
  ~progress();
  progress(progress const&) = delete;
  progress& operator=(progress const&) = delete;

  /// What is worked on now.
  void label(std::string text);
  void step(std::int64_t count = 1);
  /// Removes the line, so that other output starts clean.
  void clear();

 private:
  void draw();

  std::int64_t steps_, done_ = 0;
  bool shown_, drawn_ = false;
  std::string label_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace eval
