#include "llama/generate.hpp"

#include "llama/report.hpp"
#include "llama/scheduler.hpp"

#include "ott_eval/progress.hpp"
#include "support/input_error.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

namespace llama {
namespace {

// Time and tokens of the steps that read a prompt, and of those that only decode.
struct pace {
  double seconds = 0;
  std::int64_t tokens = 0;
  double rate() const { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }
};

void check_prompts(generate_options const& asked, int most) {
  for (std::size_t i = 0; i < asked.prompts.size(); ++i) {
    std::string const where = "prompt " + std::to_string(i + 1);
    auto const tokens = static_cast<std::int64_t>(asked.prompts[i].size());
    if (tokens == 0) throw support::input_error(where, "tokens", "none", "at least one");
    if (tokens + asked.max_new - 1 <= most) continue;
    throw support::input_error(
        where, "does not fit",
        std::to_string(tokens) + " tokens and " + std::to_string(asked.max_new) + " new ones",
        "no more than " + std::to_string(most) + " together");
  }
}

void print_ids(std::vector<int> const& ids) {
  for (std::size_t i = 0; i < ids.size(); ++i) std::printf(i == 0 ? "%d" : " %d", ids[i]);
  std::printf("\n");
}

int longest_of(generate_options const& asked) {
  std::size_t longest = 0;
  for (auto const& prompt : asked.prompts) longest = std::max(longest, prompt.size());
  return static_cast<int>(longest) + asked.max_new - 1;
}

}  // namespace

void generate(engine_options engine_asked, generate_options const& asked) {
  engine_asked.max_sequences = std::min(asked.batch, static_cast<int>(asked.prompts.size()));
  engine_asked.max_rows = engine_asked.max_sequences + 256;
  // The cache is as large as these prompts need, unless the user has said how large.
  int const positions = read_config(engine_asked.folder).max_positions;
  if (engine_asked.max_tokens == 0)
    engine_asked.max_tokens = std::min(longest_of(asked), positions);
  check_prompts(asked, engine_asked.max_tokens);
  auto const e = make_engine(engine_asked);

  std::vector<request> requests;
  for (std::size_t i = 0; i < asked.prompts.size(); ++i) {
    requests.push_back({asked.prompts[i], {}, sampler{asked.how, i}, asked.max_new});
  }
  scheduler work{*e, engine_asked.max_sequences,
                 asked.ignore_stop ? std::vector<int>{} : e->config().stop_tokens};
  for (request& one : requests) work.add(one);

  eval::progress bar{static_cast<std::int64_t>(requests.size()) * asked.max_new};
  pace prefill, decode;
  kv_bytes peak;
  while (work.busy()) {
    auto const begin = std::chrono::steady_clock::now();
    step_tokens const tokens = work.step();
    pace& which = tokens.prompt > 0 ? prefill : decode;
    which.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    which.tokens += tokens.prompt + tokens.decoded;
    if (kv_bytes const now = e->bytes(); now.dense >= peak.dense) peak = now;
    bar.label(std::to_string(static_cast<int>(decode.rate())) + " tokens/s");
    bar.step(tokens.decoded);
  }
  bar.clear();

  auto report = report_head(engine_asked, *e);
  auto& answers = report["answers"] = nlohmann::ordered_json::array();
  for (request const& one : requests) answers.push_back(one.answer);
  report["prompt_tokens_per_second"] = prefill.rate();
  report["decode_tokens_per_second"] = decode.rate();
  report["cache"] = to_json(peak);
  if (asked.json != "-") {
    for (request const& one : requests) print_ids(one.answer);
    std::fflush(stdout);
  }
  std::fprintf(stderr, "%s: prompt %.1f tokens/s, decode %.1f tokens/s; %s\n",
               engine_asked.policy.c_str(), prefill.rate(), decode.rate(), readable(peak).c_str());
  write_report(asked.json, report);
}

}  // namespace llama
