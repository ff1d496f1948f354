// A small engine for Llama-family checkpoints whose KV cache is any ott policy.
#include "llama/bench.hpp"
#include "llama/generate.hpp"
#include "llama/id_lines.hpp"
#include "llama/score.hpp"

#include "support/input_error.hpp"

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>
#include <ott/core/error.hpp>

namespace {

using namespace llama;

struct command_line {
  engine_options engine;
  generate_options generate;
  score_options score;
  bench_options bench;
  std::string prompt;
  std::string prompts;
};

void add_engine_options(CLI::App& command, engine_options& asked) {
  command.add_option("MODEL", asked.folder, "Folder with config.json and safetensors")->required();
  command.add_option("--policy", asked.policy, "Cache policy by name, see `llama policies`")
      ->capture_default_str();
  command
      .add_option("--pool", asked.pool_by_layer,
                  "Outlier pool by layer, as 0,0,3: the last serves all that follow")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--backend", asked.backend,
                  "host, cuda (fp16), cuda-bf16; auto: cuda where there is a GPU")
      ->capture_default_str();
}

CLI::App* add_generate(CLI::App& app, command_line& asked) {
  auto* const command = app.add_subcommand("generate", "Continue prompts of token ids");
  generate_options& to = asked.generate;
  add_engine_options(*command, asked.engine);
  command->add_option("--prompt", asked.prompt, "Token ids of one prompt");
  command->add_option("--prompts", asked.prompts, "File with one prompt a line; - is stdin")
      ->capture_default_str();
  command->add_option("--max-new", to.max_new, "Tokens to generate, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--max-tokens", asked.engine.max_tokens,
                   "Room of the cache for one sequence; without it, what the prompts need")
      ->check(CLI::PositiveNumber);
  command->add_option("--batch", to.batch, "Sequences at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--temperature", to.how.temperature, "0: greedy")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--top-p", to.how.top_p)->check(CLI::Range(0.0, 1.0))->capture_default_str();
  command->add_option("--top-k", to.how.top_k, "0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", to.how.seed)->capture_default_str();
  command->add_flag("--ignore-stop", to.ignore_stop, "Go on after the model's end token");
  command->add_option("--json", to.json, "Report to this file; - is stdout");
  return command;
}

CLI::App* add_score(CLI::App& app, command_line& asked) {
  auto* const command = app.add_subcommand("score", "Mean loss and accuracy of a token file");
  score_options& to = asked.score;
  add_engine_options(*command, asked.engine);
  command->add_option("TOKENS", to.tokens, "Token file: docs/formats.md")->required();
  command->add_option("--sequences", to.sequences, "Only the first so many; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--length", to.length, "Only the first tokens of each; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--batch", to.batch, "Sequences at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--chunk", to.chunk, "Tokens of a sequence a step, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--logits", to.logits, "Write the scored rows' logits to this safetensors");
  command->add_option("--json", to.json, "Report to this file; - is stdout");
  return command;
}

CLI::App* add_bench(CLI::App& app, bench_options& to) {
  auto* const command =
      app.add_subcommand("bench", "Decode with random weights of a named shape, batch by batch");
  command->add_option("SHAPE", to.shape, "llama-3-8b, llama-2-7b, qwen2.5-7b, smollm2-135m, tiny")
      ->capture_default_str();
  command->add_option("--policy", to.policy)->capture_default_str();
  command->add_option("--backend", to.backend, "auto: cuda-bf16 where there is a GPU")
      ->capture_default_str();
  command->add_option("--context", to.context, "Tokens a sequence has when decoding begins")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--batch", to.batches, "Batch sizes as 1,16,max; max: all that fit")
      ->delimiter(',')
      ->transform([](std::string word) { return word == "max" ? "0" : word; })
      ->check(CLI::Range(0, 1 << 20))
      ->default_str("1,4,16,64,max");
  command->add_option("--steps", to.steps)->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--json", to.json, "Report to this file; - is stdout");
  return command;
}

std::vector<std::vector<int>> prompts_of(command_line const& asked) {
  if (!asked.prompt.empty()) return {ids_from(asked.prompt, "--prompt")};
  if (asked.prompts.empty() || asked.prompts == "-") return id_lines_from(std::cin, "stdin");
  std::string const name = support::printable(asked.prompts, 400);
  std::ifstream in(asked.prompts);
  if (!in) throw support::input_error(name, "cannot open", "no file", "a text file");
  return id_lines_from(in, name);
}

void run(int argc, char** argv) {
  CLI::App app{"An engine for Llama-family checkpoints on a quantized KV cache (ott)."};
  app.require_subcommand(1);
  command_line asked;
  auto* const generates = add_generate(app, asked);
  auto* const scores = add_score(app, asked);
  auto* const benches = add_bench(app, asked.bench);
  auto* const lists = app.add_subcommand("policies", "List the cache policies of this build");
  try {
    app.parse(argc, argv);
  } catch (CLI::Success const& e) {  // --help
    app.exit(e, std::cout, std::cerr);
    return;
  } catch (CLI::ParseError const& e) {
    throw support::input_error("command line", support::printable(e.what(), 200), e.get_name(),
                               "llama generate|score|bench|policies; see --help");
  }
  if (lists->parsed()) {
    for (built_policy const& one : built_policies()) {
      std::printf("%-24s%s%s\n", one.name.c_str(), one.host ? " host" : "     ",
                  one.cuda ? " cuda" : "");
    }
  } else if (benches->parsed()) {
    bench(asked.bench);
  } else if (scores->parsed()) {
    score(asked.engine, asked.score);
  } else if (generates->parsed()) {
    asked.generate.prompts = prompts_of(asked);
    if (asked.generate.prompts.empty()) {
      throw support::input_error("prompts", "token ids", "nothing", "at least one line of ids");
    }
    generate(asked.engine, asked.generate);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
    return 0;
  } catch (support::input_error const& e) {
    std::fprintf(stderr, "llama: %s\n", e.what());
    return 2;
  } catch (ott::error const& e) {
    std::fprintf(stderr, "llama: %s\n", e.what());
    return 2;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "llama: %s\n", e.what());
    return 1;
  }
}
