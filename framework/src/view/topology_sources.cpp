// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/detail/named.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab {

namespace {

struct Question {
  std::string_view key;
  std::string_view text;
};

constexpr std::array questions{
    Question{"gpu", "which GPU is it? (--machine gpu=h200, as nvidia-smi -L or rocm-smi names it)"},
    Question{"pcie", "how fast is PCIe? (--machine pcie=31.5, or pcie_gen=4 and pcie_width=16; nvidia-smi -q -d PCIE)"},
    Question{"pcie_width", "how many PCIe lanes? (--machine pcie_width=16; nvidia-smi -q, or lspci -vv)"},
    Question{"socket_link", "what joins the sockets? (--machine cpu=turin, or socket_link=32; lscpu names the CPU)"},
    Question{"sockets", "which GPUs share a socket? (--machine sockets='0-3|4-7'; lscpu, or the machine's manual)"},
    Question{"nvswitch", "do NVSwitches join the GPUs? (--machine nvswitch=yes)"},
    Question{"peer_access", "may GPUs reach each other over PCIe? (--machine peer_access=no; nvidia-smi topo -p2p r, rocm-smi --showtopoaccess)"},
    Question{"host_memory",
             "what does data through host memory get? (--machine host_memory=11; a copy from one GPU to another with peer access off measures it)"},
    Question{"nic", "how fast are the network interfaces? (--machine nic=50)"}};

constexpr std::array fabric_kinds{Named{"NVLink", LinkKind::nvlink},
                                  Named{"direct links", LinkKind::other},
                                  Named{"PCIe", LinkKind::pcie},
                                  Named{"the link between sockets", LinkKind::upi},
                                  Named{"host memory", LinkKind::host_memory},
                                  Named{"the network", LinkKind::network}};

}  // namespace

std::string sources_text(const Topology& topology) {
  const auto& values = topology.sources().values;
  if (values.empty()) return {};
  std::string text = "\nWhere the numbers come from\n";
  for (const auto& value : values) {
    text += fmt::format("  {:<8} {}: {}", to_string(value.origin), value.what, value.value);
    if (value.least > Bandwidth{} && value.least < value.most)
      text += fmt::format(" ({:.4g} to {:.4g} can be)", value.least.gbps(), value.most.gbps());
    text += value.source.empty() ? "\n" : fmt::format("; {}\n", value.source);
  }
  std::string asked;
  for (const auto& [key, question] : questions) {
    const bool open =
        std::ranges::any_of(values, [&, wanted = key](const SourcedValue& value) { return value.origin == Origin::assumed && value.key == wanted; });
    if (open) asked += fmt::format("  {}\n", question);
  }
  return asked.empty() ? text : text + "\nQuestions\n" + asked;
}

std::string fabric_words(const Topology& topology) {
  std::vector<std::string_view> words;
  for (const auto& [word, kind] : fabric_kinds) {
    if (std::ranges::find(topology.links(), kind, &Link::kind) != topology.links().end()) words.push_back(word);
  }
  if (words.empty()) return "no links";
  std::string text{words.front()};
  for (std::size_t i = 1; i < words.size(); ++i) text += fmt::format("{}{}", i + 1 < words.size() ? ", " : " and ", words[i]);
  return text;
}

}  // namespace p2plab
