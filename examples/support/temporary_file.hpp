#pragma once

#include "support/input_error.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>

#include <unistd.h>

namespace support {

/// An empty file with a name of its own, gone at the end of the scope.
class temporary_file {
 public:
  explicit temporary_file(std::string const& ending)
      : path_{(std::filesystem::temp_directory_path() / "ott-XXXXXX").string() + ending} {
    int const file = mkstemps(path_.data(), static_cast<int>(ending.size()));
    if (file < 0) throw input_error(path_, "cannot make", "an error", "a writable folder");
    close(file);
  }
  ~temporary_file() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  temporary_file(temporary_file const&) = delete;
  temporary_file& operator=(temporary_file const&) = delete;

  std::string const& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace support
