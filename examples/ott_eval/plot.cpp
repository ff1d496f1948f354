#include "plot.hpp"

#include "support/input_error.hpp"

#include <cerrno>
#include <cstdlib>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace eval {

void draw_plot(std::string const& report, std::string const& png) {
  std::string python = "python3", script = OTT_EVAL_PLOT_SCRIPT;
  if (auto const* const moved = std::getenv("OTT_EVAL_PLOT_SCRIPT")) script = moved;
  std::string from = report, to = png;
  // No shell in between: paths are arguments, whatever they contain.
  char* const arguments[] = {python.data(), script.data(), from.data(), to.data(), nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, "python3", nullptr, nullptr, arguments, environ) != 0)
    throw support::input_error("--plot", "cannot run python3", "an error", "python3 in PATH");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw support::input_error("--plot", "the plot was not drawn",
                               "a failure of " + script + " (above)", "python3 with matplotlib");
}

}  // namespace eval
