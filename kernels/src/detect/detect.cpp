// SPDX-License-Identifier: Apache-2.0
#include "p2plab/run/detect.h"

#include "detect/gather.h"

namespace p2plab {

MachineFacts gather_facts(const FactSources& sources) {
  MachineFacts facts;
  const auto nvml = sources.nvml();
  if (nvml)
    detect::add_nvml(facts, *nvml);
  else
    facts.nvml_missing = nvml.error().message;
  const auto cuda = sources.cuda();
  if (cuda)
    detect::add_cuda(facts, *cuda);
  else
    facts.cuda_missing = cuda.error().message;
  detect::add_system(facts, sources.root);
  return facts;
}

std::string short_bus_id(const std::string& bus_id) {
  std::string text;
  for (const char c : bus_id) text += c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
  const auto colon = text.find(':');
  if (colon == 8 && text.starts_with("0000")) text.erase(0, 4);
  return text;
}

}  // namespace p2plab
