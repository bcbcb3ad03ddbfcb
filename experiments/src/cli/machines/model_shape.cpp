// SPDX-License-Identifier: Apache-2.0
#include "cli/machines/model_shape.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/detail/text.h"

namespace p2plab::cli {

namespace {

const std::array<ModelShape, 9>& known_shapes() {
  static const std::array<ModelShape, 9> shapes{
      ModelShape{"llama-8b", 32, 4096, 32, 8, 128, 14336, 128256},          ModelShape{"llama-70b", 80, 8192, 64, 8, 128, 28672, 128256},
      ModelShape{"llama-405b", 126, 16384, 128, 8, 128, 53248, 128256},     ModelShape{"mistral-7b", 32, 4096, 32, 8, 128, 14336, 32000},
      ModelShape{"mixtral-8x7b", 32, 4096, 32, 8, 128, 14336, 32000, 8, 2}, ModelShape{"mixtral-8x22b", 56, 6144, 48, 8, 128, 16384, 32768, 8, 2},
      ModelShape{"qwen-7b", 28, 3584, 28, 4, 128, 18944, 152064},           ModelShape{"qwen-32b", 64, 5120, 40, 8, 128, 27648, 152064},
      ModelShape{"qwen-72b", 80, 8192, 64, 8, 128, 29568, 152064}};
  return shapes;
}

Result<ModelShape> shape_from_file(const std::string& path) {
  auto text = read_text_file(path, 1_MiB);
  if (!text) return std::move(text).error();
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  const auto bad = [&](const std::string& message) { return Error{ErrorCode::invalid_input, message, SourceLocation{path}}; };
  if (!json.is_object()) return bad("this is no JSON object: expected a model's config.json");
  std::optional<Error> missing;
  const auto number = [&](const char* key, std::optional<double> otherwise = std::nullopt) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_number() && found->get<double>() > 0 && found->get<double>() < 1e9) return found->get<double>();
    if (!otherwise && !missing) missing = bad(fmt::format("no number '{}' above 0, which a decoder's config.json has", key));
    return otherwise.value_or(1);
  };
  ModelShape shape{.name = path};
  shape.layers = number("num_hidden_layers");
  shape.hidden = number("hidden_size");
  shape.heads = number("num_attention_heads");
  shape.kv_heads = number("num_key_value_heads", shape.heads);
  shape.head = number("head_dim", shape.hidden / shape.heads);
  shape.feed_forward = number("intermediate_size");
  shape.vocabulary = number("vocab_size");
  shape.experts = number("num_local_experts", 1);
  shape.active_experts = number("num_experts_per_tok", 1);
  if (missing) return *std::move(missing);
  return shape;
}

}  // namespace

Result<ModelShape> model_shape(const std::string& model) {
  const auto& shapes = known_shapes();
  const auto found = std::ranges::find(shapes, model, &ModelShape::name);
  if (found != shapes.end()) return *found;
  if (model.ends_with(".json")) return shape_from_file(model);
  std::vector<std::string> names;
  for (const auto& shape : shapes) names.push_back(shape.name);
  auto error = unknown_name("model", model, names);
  error.notes.emplace_back("or a file: the model's config.json");
  return error;
}

}  // namespace p2plab::cli
