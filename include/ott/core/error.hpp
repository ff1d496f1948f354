#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

namespace ott {

/// What kind of mistake a refused call met.
enum class errc { shape, capacity, unknown_sequence, snapshot, device };

/// The one exception type. The text reads "where: what, got X, want Y".
class error : public std::exception {
 public:
  error(errc code, std::string text) : code_{code}, text_{std::move(text)} {}
  errc code() const noexcept { return code_; }
  char const* what() const noexcept override { return text_.c_str(); }

 private:
  errc code_;
  std::string text_;
};

using error_handler = void (*)(errc, char const* text);

/// Called instead of throwing where exceptions are disabled; the program aborts when it returns.
inline error_handler& on_error() {
  static error_handler handler = [](errc, char const* text) { std::fprintf(stderr, "%s\n", text); };
  return handler;
}

/// The one sink of run-time errors.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail(errc code, std::string const& where,
                                                        std::string const& what,
                                                        std::string const& got,
                                                        std::string const& want) {
  std::string const text = where + ": " + what + ", got " + got + ", want " + want;
#if defined(__cpp_exceptions)
  throw error{code, text};
#else
  on_error()(code, text.c_str());
  std::abort();
#endif
}

}  // namespace ott
