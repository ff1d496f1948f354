#include "options.hpp"

#include "support/input_error.hpp"

#include <charconv>
#include <iostream>

#include <CLI/CLI.hpp>

namespace eval {
namespace {

std::int64_t chunk_from(std::string const& text) {
  if (text == "all") return 0;
  std::int64_t chunk = 0;
  auto const* const last = text.data() + text.size();
  auto const parsed = std::from_chars(text.data(), last, chunk);
  if (parsed.ec != std::errc{} || parsed.ptr != last || chunk < 1)
    throw support::input_error("--append", "bad chunk", "'" + support::printable(text, 40) + "'",
                               "a number of tokens from 1, or all");
  return chunk;
}

backend_choice backend_from(std::string const& text) {
  if (text == "auto") return backend_choice::automatic;
  if (text == "host") return backend_choice::host;
  if (text == "cuda") return backend_choice::cuda;
  throw support::input_error("--backend", "unknown backend",
                             "'" + support::printable(text, 40) + "'", "host, cuda or auto");
}

}  // namespace

bool parse_options(int argc, char** argv, options& result) {
  CLI::App app{
      "Runs KV-cache policies over a recorded KV trace and compares each with exact "
      "attention.\nThe trace is a safetensors file: docs/formats.md."};
  std::string chunk = "all", backend = "auto";
  app.add_option("TRACE", result.trace, "The KV trace");
  app.add_option("--policy", result.policies, "Run this policy; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--backend", backend, "host, cuda, or auto: cuda where there is a GPU");
  app.add_option("--append", chunk, "Tokens an append, or all at once")->option_text("N|all");
  app.add_option("--dump", result.dump, "Write the state of the one policy to this file");
  app.add_option("--json", result.json, "Write all results to this file");
  app.add_option("--plot", result.plot, "Draw key magnitudes and errors (PNG; needs matplotlib)");
  app.add_flag("--list", result.list, "List the policies and leave");
  try {
    app.parse(argc, argv);
  } catch (CLI::Success const& asked) {  // --help
    app.exit(asked, std::cout, std::cerr);
    return false;
  } catch (CLI::ParseError const& e) {
    throw support::input_error("command line", support::printable(e.what(), 200), e.get_name(),
                               "ott_eval TRACE [options]; see --help");
  }
  result.chunk = chunk_from(chunk);
  result.backend = backend_from(backend);
  if (result.list) return true;
  if (result.trace.empty())
    throw support::input_error("command line", "no trace", "nothing", "ott_eval TRACE [options]");
  if (result.policies.empty())
    result.policies = {"dense", "kivi-2", "kivi-4", "ott-2", "ott-3", "ott-4", "rotated-2"};
  if (!result.dump.empty() && result.policies.size() != 1)
    throw support::input_error("--dump", "one policy a dump",
                               std::to_string(result.policies.size()) + " policies",
                               "exactly one --policy");
  return true;
}

}  // namespace eval
