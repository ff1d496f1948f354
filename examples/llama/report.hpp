#pragma once

#include "llama/engine.hpp"

#include <string>

#include <nlohmann/json.hpp>

namespace llama {

/// "12.3 MiB"
std::string readable_bytes(std::size_t bytes);

/// One line about a cache: what is held, and against plain fp16.
std::string readable(kv_bytes const& bytes);

nlohmann::ordered_json to_json(kv_bytes const& bytes);

/// Model, policy and device: how every report begins.
nlohmann::ordered_json report_head(engine_options const& options, engine const& e);

/// To a file, or to stdout where the path is "-". Nothing where it is empty.
void write_report(std::string const& path, nlohmann::ordered_json const& report);

}  // namespace llama
