#pragma once

#include "llama/config.hpp"
#include "llama/device.hpp"
#include "llama/kv_cache.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace llama {

/// What one step feeds to a sequence, and which of these rows shall have logits.
struct step_entry {
  std::int64_t seq;
  std::span<int const> ids;
  std::vector<int> wanted;  // indices into ids, ascending
};

struct engine_options {
  std::string folder;
  std::string policy = "rotated-2";
  std::string backend = "auto";  // host, cuda, cuda-bf16; auto: cuda where there is a GPU
  int max_sequences = 1;
  int max_tokens = 0;              // of one sequence; 0: what the model was trained for
  int max_rows = 128;              // of one step
  std::vector<int> pool_by_layer;  // outlier pool; the last value serves the layers that are left
};

/// A model with its cache on some device.
class engine {
 public:
  virtual ~engine() = default;
  virtual model_config const& config() const = 0;
  virtual char const* backend() const = 0;
  virtual int max_tokens() const = 0;
  virtual int max_rows() const = 0;

  virtual std::int64_t open() = 0;
  virtual void close(std::int64_t seq) = 0;
  virtual int length(std::int64_t seq) const = 0;

  /// How many of `count` further tokens one step may feed a sequence of `length`, so that every
  /// query sees what token-by-token decoding would have shown it.
  virtual int next_chunk(int length, int count) const = 0;

  /// Runs one step. Logits stay where they are until they are asked for.
  virtual void step(std::span<step_entry const> entries) = 0;
  /// shape    [wanted rows of the last step, vocab]
  virtual std::vector<float> logits() = 0;
  /// Of the last step's wanted rows, in order.
  virtual std::vector<token_score> score(std::span<int const> targets) = 0;

  /// Appends noise to every layer of these empty sequences, as if so many tokens had been read.
  virtual void fill(std::span<std::int64_t const> seqs, std::span<int const> tokens) = 0;
  /// Seconds that the attention of the last step takes in all layers: mean of `times` runs of
  /// nothing else.
  virtual double attention_seconds(int times) = 0;
  /// Has a recorded step lacked memory, and left a sequence as it was?
  virtual bool take_missed_step() = 0;

  virtual kv_bytes bytes() const = 0;
};

/// Random weights of a named shape, and engines of several sizes over them.
class bench_source {
 public:
  virtual ~bench_source() = default;
  virtual char const* backend() const = 0;
  virtual std::size_t weight_bytes() const = 0;
  virtual int group() const = 0;  // of the policy, as residual
  virtual int residual() const = 0;
  /// Sequences of so many tokens that fit beside the weights.
  virtual int most_sequences(int max_tokens) const = 0;
  virtual std::unique_ptr<engine> make(int max_sequences, int max_tokens) = 0;
};

std::unique_ptr<bench_source> make_bench_source(std::string const& shape, std::string const& policy,
                                                std::string backend);

/// Loads a model. Every refusal is an input_error.
std::unique_ptr<engine> make_engine(engine_options options);

/// A policy of this build, and the backends that have it.
struct built_policy {
  std::string name;
  bool host;
  bool cuda;
};
std::vector<built_policy> built_policies();

}  // namespace llama
