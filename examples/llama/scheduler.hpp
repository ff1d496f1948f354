#pragma once

#include "llama/engine.hpp"
#include "llama/sampler.hpp"

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace llama {

/// One prompt on its way to its answer.
struct request {
  std::vector<int> prompt;
  std::vector<int> answer;
  sampler choose;
  int max_new;
  std::int64_t seq = -1;
  std::size_t fed = 0;  // tokens of prompt and answer that the cache has

  bool reads() const { return fed < prompt.size(); }
};

/// Tokens of one step.
struct step_tokens {
  int prompt = 0;
  int decoded = 0;
};

/// Continuous batching: sequences join as soon as a place is free and leave when they are done.
/// Every sequence that decodes takes part in every step; prompts share the rows that are left.
class scheduler {
 public:
  scheduler(engine& e, int max_sequences, std::vector<int> stop)
      : engine_{e}, max_sequences_{max_sequences}, stop_{std::move(stop)} {}

  void add(request& one) { waiting_.push_back(&one); }
  bool busy() const { return !waiting_.empty() || !active_.empty(); }
  step_tokens step();

 private:
  void admit();
  bool finished(request const& one) const;
  step_entry next(request& one, int budget);
  /// Chooses a token for each request, whose logits the last step has left in this order.
  void choose(std::vector<request*> const& ready);

  engine& engine_;
  int max_sequences_;
  std::vector<int> stop_;
  std::deque<request*> waiting_;
  std::vector<request*> active_;
};

}  // namespace llama
