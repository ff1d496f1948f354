#include "llama/score.hpp"

#include "llama/report.hpp"
#include "llama/token_file.hpp"

#include "ott_eval/progress.hpp"
#include "support/safetensors_writer.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

namespace llama {
namespace {

struct tally {
  double loss = 0;
  std::int64_t count = 0;
  std::int64_t right = 0;

  void add(token_score const& one, int target) {
    loss += one.loss;
    right += one.best == target ? 1 : 0;
    ++count;
  }
  double mean_loss() const { return count > 0 ? loss / static_cast<double>(count) : 0; }
  double accuracy() const {
    return count > 0 ? static_cast<double>(right) / static_cast<double>(count) : 0;
  }
  nlohmann::ordered_json to_json() const {
    return {{"loss", mean_loss()}, {"accuracy", accuracy()}, {"scored_tokens", count}};
  }
};

// One sequence on its way through the engine.
struct reader {
  token_sequence const* text;
  std::int64_t seq;
  tally* sums;
  std::vector<int> wanted;
  std::size_t chunk;
  std::size_t fed = 0;

  std::size_t left() const { return text->tokens.size() - 1 - fed; }

  step_entry next(engine& e) {
    auto const most = static_cast<int>(std::min(left(), chunk));
    int const count = e.next_chunk(static_cast<int>(fed), most);
    wanted.clear();
    for (int i = 0; i < count; ++i) {
      if (text->scored[fed + 1 + static_cast<std::size_t>(i)] == 1) wanted.push_back(i);
    }
    return {seq, std::span(text->tokens).subspan(fed, static_cast<std::size_t>(count)), wanted};
  }
};

class scorer {
 public:
  scorer(engine& e, int chunk, bool keeps_logits)
      : engine_{e}, chunk_{static_cast<std::size_t>(chunk)}, keeps_logits_{keeps_logits} {}

  /// Scores some sequences side by side. `done` is told how many tokens a step took.
  template <class Done>
  void run(std::span<token_sequence const> texts, std::span<tally> sums, Done const& done) {
    std::vector<reader> readers;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      readers.push_back({&texts[i], engine_.open(), &sums[i], {}, chunk_});
    }
    while (step(readers, done)) {
    }
    bytes = engine_.bytes();
    for (reader const& one : readers) engine_.close(one.seq);
  }

  kv_bytes bytes;
  std::vector<float> logits;

 private:
  template <class Done>
  bool step(std::vector<reader>& readers, Done const& done) {
    std::vector<step_entry> entries;
    std::vector<int> targets;
    std::vector<tally*> owners;
    std::int64_t rows = 0;
    for (reader& one : readers) {
      if (one.left() == 0) continue;
      entries.push_back(one.next(engine_));
      for (int const row : one.wanted) {
        targets.push_back(one.text->tokens[one.fed + 1 + static_cast<std::size_t>(row)]);
        owners.push_back(one.sums);
      }
      one.fed += entries.back().ids.size();
      rows += static_cast<std::int64_t>(entries.back().ids.size());
    }
    if (entries.empty()) return false;
    engine_.step(entries);
    auto const scores = engine_.score(targets);
    for (std::size_t i = 0; i < scores.size(); ++i) owners[i]->add(scores[i], targets[i]);
    if (keeps_logits_) {
      auto const more = engine_.logits();
      logits.insert(logits.end(), more.begin(), more.end());
    }
    done(rows);
    return true;
  }

  engine& engine_;
  std::size_t chunk_;
  bool keeps_logits_;
};

std::vector<token_sequence> texts_of(score_options const& asked) {
  auto texts = read_token_file(asked.tokens);
  if (asked.sequences > 0 && static_cast<std::size_t>(asked.sequences) < texts.size()) {
    texts.resize(static_cast<std::size_t>(asked.sequences));
  }
  for (token_sequence& text : texts) {
    std::size_t const most = static_cast<std::size_t>(asked.length) + 1;
    if (asked.length <= 0 || text.tokens.size() <= most) continue;
    text.tokens.resize(most);
    text.scored.resize(most);
  }
  return texts;
}

void write_logits(std::string const& path, std::vector<float> const& logits, int vocab) {
  if (path.empty()) return;
  support::safetensors_writer out;
  out.add("logits", support::dtype::f32, {static_cast<std::int64_t>(logits.size()) / vocab, vocab},
          logits);
  out.write_file(path);
}

}  // namespace

void score(engine_options engine_asked, score_options const& asked) {
  auto const texts = texts_of(asked);
  auto const longest = static_cast<int>(texts.front().tokens.size()) - 1;
  engine_asked.max_sequences = std::min(asked.batch, static_cast<int>(texts.size()));
  engine_asked.max_tokens = longest;
  engine_asked.max_rows = engine_asked.max_sequences * std::min(longest, asked.chunk);
  auto const e = make_engine(engine_asked);
  std::vector<tally> sums(texts.size());
  scorer work{*e, asked.chunk, !asked.logits.empty()};
  eval::progress bar{static_cast<std::int64_t>(texts.size()) * longest};
  auto const begin = std::chrono::steady_clock::now();
  auto const seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  std::int64_t fed = 0;
  for (std::size_t i = 0; i < texts.size();) {
    auto const count =
        std::min(static_cast<std::size_t>(engine_asked.max_sequences), texts.size() - i);
    work.run(std::span(texts).subspan(i, count), std::span(sums).subspan(i, count),
             [&](std::int64_t rows) {
               fed += rows;
               bar.label(std::to_string(static_cast<int>(static_cast<double>(fed) / seconds())) +
                         " tokens/s");
               bar.step(rows);
             });
    i += count;
  }
  bar.clear();
  tally all;
  auto report = report_head(engine_asked, *e);
  auto& rows = report["sequences"] = nlohmann::ordered_json::array();
  for (tally const& one : sums) {
    all.loss += one.loss;
    all.count += one.count;
    all.right += one.right;
    rows.push_back(one.to_json());
  }
  report.update(all.to_json());
  report["tokens_per_second"] = static_cast<double>(fed) / seconds();
  report["cache"] = to_json(work.bytes);
  write_logits(asked.logits, work.logits, e->config().vocab);
  if (asked.json != "-") {
    std::printf("%s: loss %.4f, accuracy %.4f of %lld scored tokens, %.4g bits, %.1f tokens/s\n",
                engine_asked.policy.c_str(), all.mean_loss(), all.accuracy(),
                static_cast<long long>(all.count), work.bytes.bits,
                static_cast<double>(fed) / seconds());
  }
  write_report(asked.json, report);
}

}  // namespace llama
