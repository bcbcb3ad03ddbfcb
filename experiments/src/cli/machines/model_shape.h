// SPDX-License-Identifier: Apache-2.0
// Figures of language models that say what they hold and send.
#pragma once

#include <string>

#include "p2plab/base/result.h"

namespace p2plab::cli {

/// A decoder-only transformer with gated feed-forward layers (its config.json).
struct ModelShape {
  std::string name;
  double layers = 0;
  double hidden = 0;
  double heads = 0;
  double kv_heads = 0;
  double head = 0;  // width of one
  double feed_forward = 0;
  double vocabulary = 0;
  double experts = 1;
  double active_experts = 1;

  double attention() const { return hidden * head * (2 * heads + 2 * kv_heads); }
  double weights(double counted_experts) const {
    return 2 * vocabulary * hidden + layers * (attention() + 3 * hidden * feed_forward * counted_experts);
  }
  /// Bytes of keys and values for a token.
  double kept() const { return 2 * layers * kv_heads * head * 2; }
  /// Bytes that a token's all-reduces of float16 add up: two a layer.
  double reduced() const { return 2 * layers * hidden * 2; }
};

/// By a name such as llama-70b, or a config.json as Hugging Face writes it. Errors: unknown_name; invalid_input, where a file lacks a figure.
Result<ModelShape> model_shape(const std::string& model);

}  // namespace p2plab::cli
