#pragma once

#include "llama/engine.hpp"

#include <string>

namespace llama {

struct score_options {
  std::string tokens;  // the token file
  std::string json;    // where the report goes
  std::string logits;  // where the scored rows' logits go: [scored, vocab] F32
  int sequences = 0;   // the first so many; 0: all
  int length = 0;      // of each, the first so many tokens; 0: all
  int batch = 1;       // sequences at a time
  int chunk = 256;     // tokens of a sequence a step, at most; the results are the same
};

/// Mean loss and accuracy of the scored tokens under streaming semantics.
void score(engine_options engine_asked, score_options const& asked);

}  // namespace llama
