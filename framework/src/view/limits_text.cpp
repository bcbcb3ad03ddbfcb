// SPDX-License-Identifier: Apache-2.0
#include "view/limits_text.h"

#include <fmt/format.h>

#include "p2plab/base/quantity.h"

namespace p2plab {

std::string counts_text(Traffic of) {
  switch (of) {
    case Traffic::all: return "";
    case Traffic::peers: return " for peer accesses";
    case Traffic::loads: return " for loads from other GPUs";
    case Traffic::stores: return " for stores to other GPUs";
    case Traffic::host_loads: return " for kernels' loads of host memory";
  }
  return "";
}

std::string limits_text(const Node& node) {
  std::string text;
  const auto& model = node.switching;
  if (node.ingress) text += fmt::format("; takes in {} at most", to_string(*node.ingress));
  if (node.egress) text += fmt::format("; gives out {} at most", to_string(*node.egress));
  if (node.root_complex) text += fmt::format("; passes {} at most", to_string(*node.root_complex));
  if (node.memory) text += fmt::format("; memory {}", to_string(*node.memory));
  if (model.exchange < 1) text += fmt::format("; where all send to many, {:.3g} of each port", model.exchange);
  if (model.exchange_loads < 1) text += fmt::format("; where all load from many, {:.3g} of each port", model.exchange_loads);
  if (model.posted_writes) text += fmt::format("; stores of several GPUs to several roots {}", to_string(*model.posted_writes));
  return text;
}

}  // namespace p2plab
