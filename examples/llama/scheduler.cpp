#include "llama/scheduler.hpp"

#include <algorithm>

namespace llama {

void scheduler::admit() {
  while (!waiting_.empty() && static_cast<int>(active_.size()) < max_sequences_) {
    request& one = *waiting_.front();
    waiting_.pop_front();
    one.seq = engine_.open();
    active_.push_back(&one);
  }
}

bool scheduler::finished(request const& one) const {
  if (one.answer.empty()) return false;
  return static_cast<int>(one.answer.size()) >= one.max_new ||
         std::find(stop_.begin(), stop_.end(), one.answer.back()) != stop_.end();
}

step_entry scheduler::next(request& one, int budget) {
  if (!one.reads()) return {one.seq, std::span<int const>(&one.answer.back(), 1), {0}};
  auto const left = static_cast<int>(one.prompt.size() - one.fed);
  int const count = engine_.next_chunk(static_cast<int>(one.fed), std::min(left, budget));
  auto const ids =
      std::span<int const>(one.prompt).subspan(one.fed, static_cast<std::size_t>(count));
  return {one.seq, ids, count == left ? std::vector{count - 1} : std::vector<int>{}};
}

void scheduler::choose(std::vector<request*> const& ready) {
  if (ready.empty()) return;
  bool const greedy = std::all_of(ready.begin(), ready.end(),
                                  [](request const* one) { return one->choose.greedy(); });
  if (greedy) {  // the argmax comes with a score, and no logits have to travel
    auto const scores = engine_.score(std::vector<int>(ready.size(), 0));
    for (std::size_t i = 0; i < ready.size(); ++i) ready[i]->answer.push_back(scores[i].best);
    return;
  }
  auto const logits = engine_.logits();
  auto const vocab = static_cast<std::size_t>(engine_.config().vocab);
  for (std::size_t i = 0; i < ready.size(); ++i) {
    ready[i]->answer.push_back(ready[i]->choose(std::span(logits).subspan(i * vocab, vocab)));
  }
}

step_tokens scheduler::step() {
  admit();
  step_tokens tokens;
  for (request const* const one : active_) tokens.decoded += one->reads() ? 0 : 1;
  std::vector<step_entry> entries;
  std::vector<request*> stepped;
  for (request* const one : active_) {
    int const budget = engine_.max_rows() - tokens.decoded - tokens.prompt;
    if (one->reads() && budget < 1) continue;  // waits for the prompts before it
    entries.push_back(next(*one, budget));
    stepped.push_back(one);
    if (one->reads()) tokens.prompt += static_cast<int>(entries.back().ids.size());
  }
  engine_.step(entries);
  std::vector<request*> ready;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    stepped[i]->fed += entries[i].ids.size();
    if (!entries[i].wanted.empty()) ready.push_back(stepped[i]);
  }
  choose(ready);
  for (request* const one : ready) {
    if (!finished(*one)) continue;
    engine_.close(one->seq);
    std::erase(active_, one);
  }
  return tokens;
}

}  // namespace llama
