#include "dump.hpp"

#include "support/safetensors_writer.hpp"

namespace eval {
namespace {

using support::dtype;

void add_groups(support::safetensors_writer& file, std::string const& prefix,
                support::kv_trace const& trace, policy_facts const& facts,
                captured_layer const& layer) {
  std::int64_t const groups = layer.groups, heads = trace.kv_heads, dim = trace.head_dim;
  std::int64_t const group = facts.group, sets = dim / facts.value_group;
  auto const code = facts.exact ? trace.element : dtype::u8;
  file.add(prefix + "codes_k", code, {groups, heads, dim, group}, layer.codes_k);
  if (!facts.exact)
    file.add(prefix + "params_k", dtype::f16, {groups, heads, dim, 2}, layer.params_k);
  file.add(prefix + "codes_v", code, {groups, heads, group, dim}, layer.codes_v);
  if (!facts.exact)
    file.add(prefix + "params_v", dtype::f16, {groups, heads, group, sets, 2}, layer.params_v);
  if (facts.factors)
    file.add(prefix + "factor_k", dtype::f16, {groups, heads, group}, layer.factor_k);
  file.add(prefix + "marks", dtype::u8, {groups, heads, group}, layer.marks);
}

}  // namespace

void write_dump(std::string const& path, support::kv_trace const& trace, policy_run const& run) {
  support::safetensors_writer file;
  file.add_metadata("policy", run.policy);
  file.add_metadata("backend", run.backend);
  file.add_metadata("source", "ott_eval");
  for (std::size_t i = 0; i < run.layers.size(); ++i) {
    auto const& layer = run.layers[i];
    auto const& source = trace.layers[i];
    auto const& prefix = source.prefix;
    if (layer.groups > 0) add_groups(file, prefix, trace, run.facts, layer);
    file.add(prefix + "pool_pos", dtype::i32, {trace.kv_heads, run.facts.pool}, layer.pool_pos);
    file.add(prefix + "evicted_pos", dtype::i32, {trace.kv_heads, run.facts.evicted},
             layer.evicted_pos);
    file.add(prefix + "out", dtype::f32, {source.queries(), trace.q_heads, trace.head_dim},
             layer.out);
    file.add(prefix + "lse", dtype::f32, {source.queries(), trace.q_heads}, layer.lse);
  }
  file.write_file(path);
}

}  // namespace eval
