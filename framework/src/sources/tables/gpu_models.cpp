// SPDX-License-Identifier: Apache-2.0
#include "sources/tables/gpu_models.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "p2plab/base/error.h"
#include "sources/tables/link_rates.h"

namespace p2plab {

namespace {

// Compute capability, PCIe generation and lanes, links and GB/s of one (one direction), memory in GB, peer access: NVIDIA's and AMD's data sheets.
// GeForce: no peer access over PCIe since Turing (driver's policy; `nvidia-smi topo -p2p r` says CNS or GNS), over an NVLink bridge where there is
// one.
constexpr auto models = std::to_array<GpuModel>({
    {"2060,2060super", "GeForce RTX 2060", 75, 3, 16, 0, 0, 6, PeerPolicy::no},
    {"2070", "GeForce RTX 2070", 75, 3, 16, 0, 0, 8, PeerPolicy::no},
    {"2070super", "GeForce RTX 2070 SUPER", 75, 3, 16, 1, 25, 8, PeerPolicy::nvlink_only},
    {"2080", "GeForce RTX 2080", 75, 3, 16, 1, 25, 8, PeerPolicy::nvlink_only},
    {"2080super", "GeForce RTX 2080 SUPER", 75, 3, 16, 1, 25, 8, PeerPolicy::nvlink_only},
    {"2080ti", "GeForce RTX 2080 Ti", 75, 3, 16, 2, 25, 11, PeerPolicy::nvlink_only},
    {"m60", "Tesla M60", 52, 3, 16, 0, 0, 8, PeerPolicy::yes},
    {"k80", "Tesla K80", 37, 3, 16, 0, 0, 12, PeerPolicy::yes},
    {"titanv", "TITAN V", 70, 3, 16, 0, 0, 12, PeerPolicy::yes},
    {"titanrtx,titan", "TITAN RTX", 75, 3, 16, 2, 25, 24, PeerPolicy::nvlink_only},
    {"1080ti,1080,titanxp", "GeForce GTX 1080 Ti", 61, 3, 16, 0, 0, 11, PeerPolicy::yes},
    {"3060", "GeForce RTX 3060", 86, 4, 16, 0, 0, 12, PeerPolicy::no},
    {"3060ti", "GeForce RTX 3060 Ti", 86, 4, 16, 0, 0, 8, PeerPolicy::no},
    {"3070", "GeForce RTX 3070", 86, 4, 16, 0, 0, 8, PeerPolicy::no},
    {"3070ti", "GeForce RTX 3070 Ti", 86, 4, 16, 0, 0, 8, PeerPolicy::no},
    {"3080", "GeForce RTX 3080", 86, 4, 16, 0, 0, 10, PeerPolicy::no},
    {"3080ti", "GeForce RTX 3080 Ti", 86, 4, 16, 0, 0, 12, PeerPolicy::no},
    {"3090", "GeForce RTX 3090", 86, 4, 16, 4, 14.0625, 24, PeerPolicy::nvlink_only},
    {"3090ti", "GeForce RTX 3090 Ti", 86, 4, 16, 0, 0, 24, PeerPolicy::no},
    {"4060", "GeForce RTX 4060", 89, 4, 8, 0, 0, 8, PeerPolicy::no},
    {"4060ti", "GeForce RTX 4060 Ti", 89, 4, 8, 0, 0, 16, PeerPolicy::no},
    {"4070,4070super", "GeForce RTX 4070", 89, 4, 16, 0, 0, 12, PeerPolicy::no},
    {"4070ti", "GeForce RTX 4070 Ti", 89, 4, 16, 0, 0, 12, PeerPolicy::no},
    {"4070tisuper", "GeForce RTX 4070 Ti SUPER", 89, 4, 16, 0, 0, 16, PeerPolicy::no},
    {"4080,4080super", "GeForce RTX 4080", 89, 4, 16, 0, 0, 16, PeerPolicy::no},
    {"4090,4090d", "GeForce RTX 4090", 89, 4, 16, 0, 0, 24, PeerPolicy::no},
    {"5060", "GeForce RTX 5060", 120, 5, 8, 0, 0, 8, PeerPolicy::no},
    {"5060ti", "GeForce RTX 5060 Ti", 120, 5, 8, 0, 0, 16, PeerPolicy::no},
    {"5070", "GeForce RTX 5070", 120, 5, 16, 0, 0, 12, PeerPolicy::no},
    {"5070ti", "GeForce RTX 5070 Ti", 120, 5, 16, 0, 0, 16, PeerPolicy::no},
    {"5080", "GeForce RTX 5080", 120, 5, 16, 0, 0, 16, PeerPolicy::no},
    {"5090,5090d", "GeForce RTX 5090", 120, 5, 16, 0, 0, 32, PeerPolicy::no},
    {"5090dv2", "GeForce RTX 5090 D v2", 120, 5, 16, 0, 0, 24, PeerPolicy::no},
    {"quadrogv100,gv100", "Quadro GV100", 70, 3, 16, 4, 25, 32, PeerPolicy::yes},
    {"quadro4000", "Quadro RTX 4000", 75, 3, 16, 0, 0, 8, PeerPolicy::yes},
    {"quadro5000", "Quadro RTX 5000", 75, 3, 16, 1, 25, 16, PeerPolicy::yes},
    {"quadro6000", "Quadro RTX 6000", 75, 3, 16, 2, 25, 24, PeerPolicy::yes},
    {"quadro8000,8000", "Quadro RTX 8000", 75, 3, 16, 2, 25, 48, PeerPolicy::yes},
    {"a2000", "RTX A2000", 86, 4, 16, 0, 0, 12, PeerPolicy::yes},
    {"a4000", "RTX A4000", 86, 4, 16, 0, 0, 16, PeerPolicy::yes},
    {"a4500", "RTX A4500", 86, 4, 16, 4, 14.0625, 20, PeerPolicy::yes},
    {"a5000", "RTX A5000", 86, 4, 16, 4, 14.0625, 24, PeerPolicy::yes},
    {"a5500", "RTX A5500", 86, 4, 16, 4, 14.0625, 24, PeerPolicy::yes},
    {"a6000", "RTX A6000", 86, 4, 16, 4, 14.0625, 48, PeerPolicy::yes},
    {"2000ada", "RTX 2000 Ada", 89, 4, 8, 0, 0, 16, PeerPolicy::yes},
    {"4000ada,4000sffada", "RTX 4000 Ada", 89, 4, 16, 0, 0, 20, PeerPolicy::yes},
    {"4500ada", "RTX 4500 Ada", 89, 4, 16, 0, 0, 24, PeerPolicy::yes},
    {"5000ada", "RTX 5000 Ada", 89, 4, 16, 0, 0, 32, PeerPolicy::yes},
    {"5880ada", "RTX 5880 Ada", 89, 4, 16, 0, 0, 48, PeerPolicy::yes},
    {"6000ada", "RTX 6000 Ada", 89, 4, 16, 0, 0, 48, PeerPolicy::yes},
    {"pro2000", "RTX PRO 2000 Blackwell", 120, 5, 8, 0, 0, 16, PeerPolicy::yes},
    {"pro4000", "RTX PRO 4000 Blackwell", 120, 5, 16, 0, 0, 24, PeerPolicy::yes},
    {"pro4000sff", "RTX PRO 4000 Blackwell SFF", 120, 5, 8, 0, 0, 24, PeerPolicy::yes},
    {"pro4500,pro4500server", "RTX PRO 4500 Blackwell", 120, 5, 16, 0, 0, 32, PeerPolicy::yes},
    {"pro5000", "RTX PRO 5000 Blackwell", 120, 5, 16, 0, 0, 48, PeerPolicy::yes},
    {"pro500072gb", "RTX PRO 5000 72GB Blackwell", 120, 5, 16, 0, 0, 72, PeerPolicy::yes},
    {"pro6000,pro6000server,pro6000workstation,pro6000maxq,pro6000maxqworkstation", "RTX PRO 6000 Blackwell", 120, 5, 16, 0, 0, 96, PeerPolicy::yes},
    {"p4", "Tesla P4", 61, 3, 16, 0, 0, 8, PeerPolicy::yes},
    {"p40", "Tesla P40", 61, 3, 16, 0, 0, 24, PeerPolicy::yes},
    {"p100,p100sxm2", "Tesla P100 SXM2", 60, 3, 16, 4, 20, 16, PeerPolicy::yes},
    {"p100pcie", "Tesla P100 PCIe", 60, 3, 16, 0, 0, 16, PeerPolicy::yes},
    {"v100,v100sxm2,v100sxm3", "Tesla V100 SXM2", 70, 3, 16, 6, 25, 32, PeerPolicy::yes},
    {"v100pcie,v100spcie,v100s", "Tesla V100 PCIe", 70, 3, 16, 0, 0, 32, PeerPolicy::yes},
    {"t4", "Tesla T4", 75, 3, 16, 0, 0, 16, PeerPolicy::yes},
    {"a2", "A2", 86, 4, 8, 0, 0, 16, PeerPolicy::yes},
    {"a10", "A10", 86, 4, 16, 0, 0, 24, PeerPolicy::yes},
    {"a10g", "A10G", 86, 4, 16, 0, 0, 24, PeerPolicy::yes},
    {"a16", "A16", 86, 4, 16, 0, 0, 16, PeerPolicy::yes},
    {"a30", "A30", 80, 4, 16, 4, 25, 24, PeerPolicy::yes},
    {"a40", "A40", 86, 4, 16, 4, 14.0625, 48, PeerPolicy::yes},
    {"a100,a100sxm4,a100sxm", "A100 SXM", 80, 4, 16, 12, 25, 80, PeerPolicy::yes},
    {"a100pcie,a100pciepcie,a100x", "A100 PCIe", 80, 4, 16, 12, 25, 80, PeerPolicy::yes},
    {"a800,a800sxm4,a800sxm", "A800 SXM", 80, 4, 16, 8, 25, 80, PeerPolicy::yes},
    {"a800pcie", "A800 PCIe", 80, 4, 16, 8, 25, 80, PeerPolicy::yes},
    {"l2", "L2", 89, 4, 16, 0, 0, 24, PeerPolicy::yes},
    {"l4", "L4", 89, 4, 16, 0, 0, 24, PeerPolicy::yes},
    {"l20", "L20", 89, 4, 16, 0, 0, 48, PeerPolicy::yes},
    {"l40,l40g", "L40", 89, 4, 16, 0, 0, 48, PeerPolicy::yes},
    {"l40s", "L40S", 89, 4, 16, 0, 0, 48, PeerPolicy::yes},
    {"h20,h20sxm", "H20", 90, 5, 16, 18, 25, 96, PeerPolicy::yes},
    {"h203e,h20141gb", "H20-3e", 90, 5, 16, 18, 25, 141, PeerPolicy::yes},
    {"h100,h100sxm5,h100sxm,h100hbm3", "H100 SXM", 90, 5, 16, 18, 25, 80, PeerPolicy::yes},
    {"h100pcie", "H100 PCIe", 90, 5, 16, 12, 25, 80, PeerPolicy::yes},
    {"h100nvl", "H100 NVL", 90, 5, 16, 12, 25, 94, PeerPolicy::yes},
    {"h800,h800sxm5,h800sxm", "H800 SXM", 90, 5, 16, 8, 25, 80, PeerPolicy::yes},
    {"h800pcie", "H800 PCIe", 90, 5, 16, 8, 25, 80, PeerPolicy::yes},
    {"h200,h200sxm,h200sxm5", "H200 SXM", 90, 5, 16, 18, 25, 141, PeerPolicy::yes},
    {"h200nvl", "H200 NVL", 90, 5, 16, 18, 25, 141, PeerPolicy::yes},
    {"gh200,gh200480gb", "GH200", 90, 5, 16, 18, 25, 96, PeerPolicy::yes, "", 450},
    {"gh200144ghbm3e,gh200144gb", "GH200 144GB", 90, 5, 16, 18, 25, 144, PeerPolicy::yes, "", 450},
    {"b100", "B100", 100, 5, 16, 18, 50, 180, PeerPolicy::yes},
    {"b200", "B200", 100, 5, 16, 18, 50, 180, PeerPolicy::yes},
    {"b300,b300sxm6,b300sxm6ac", "B300", 103, 6, 16, 18, 50, 288, PeerPolicy::yes},
    {"gb200", "GB200", 100, 6, 2, 18, 50, 186, PeerPolicy::yes, "", 225},
    {"gb300", "GB300", 103, 6, 2, 18, 50, 288, PeerPolicy::yes, "", 225},
    {"gb10,dgxspark,spark", "GB10", 121, 0, 0, 0, 0, 128, PeerPolicy::yes, "", 345},
    {"mi50,mi50vii", "Instinct MI50", 0, 4, 16, 2, 46, 32, PeerPolicy::yes, "gfx906"},
    {"mi60", "Instinct MI60", 0, 4, 16, 2, 46, 32, PeerPolicy::yes, "gfx906"},
    {"mi100", "Instinct MI100", 0, 4, 16, 3, 46, 32, PeerPolicy::yes, "gfx908"},
    {"mi210", "Instinct MI210", 0, 4, 16, 3, 50, 64, PeerPolicy::yes, "gfx90a"},
    {"mi250", "Instinct MI250", 0, 4, 16, 8, 50, 64, PeerPolicy::yes, "gfx90a"},
    {"mi250x", "Instinct MI250X", 0, 4, 16, 8, 50, 64, PeerPolicy::yes, "gfx90a"},
    {"mi300a", "Instinct MI300A", 0, 5, 16, 6, 64, 128, PeerPolicy::yes, "gfx942"},
    {"mi300x,mi300xvf,mi300xhf", "Instinct MI300X", 0, 5, 16, 7, 64, 192, PeerPolicy::yes, "gfx942"},
    {"mi308x,mi308xvf,mi308xhf,mi308", "Instinct MI308X", 0, 5, 16, 7, 64, 192, PeerPolicy::yes, "gfx942"},
    {"mi325x,mi325xvf,mi325", "Instinct MI325X", 0, 5, 16, 7, 64, 256, PeerPolicy::yes, "gfx942"},
    {"mi350x,mi350", "Instinct MI350X", 0, 5, 16, 7, 76.8, 288, PeerPolicy::yes, "gfx950"},
    {"mi355x,mi355", "Instinct MI355X", 0, 5, 16, 7, 76.8, 288, PeerPolicy::yes, "gfx950"},
    {"rx7900xtx,7900xtx", "Radeon RX 7900 XTX", 0, 4, 16, 0, 0, 24, PeerPolicy::yes, "gfx1100"},
    {"prow7900,w7900,prow7900dualslot", "Radeon PRO W7900", 0, 4, 16, 0, 0, 48, PeerPolicy::yes, "gfx1100"},
    {"prow7800,w7800", "Radeon PRO W7800", 0, 4, 16, 0, 0, 32, PeerPolicy::yes, "gfx1100"},
    {"rx9070xt,9070xt", "Radeon RX 9070 XT", 0, 5, 16, 0, 0, 16, PeerPolicy::yes, "gfx1201"},
    {"aipror9700,r9700", "Radeon AI PRO R9700", 0, 5, 16, 0, 0, 32, PeerPolicy::yes, "gfx1201"},
});

// The names between commas.
std::vector<std::string_view> names_of(const GpuModel& model) {
  std::vector<std::string_view> names;
  auto rest = model.names;
  while (!rest.empty()) {
    const auto comma = std::min(rest.find(','), rest.size());
    names.push_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return names;
}

bool is_memory(std::string_view word) {
  if (word.size() < 3 || !(word.ends_with("gb") || word.ends_with("g"))) return false;
  word.remove_suffix(word.ends_with("gb") ? 2 : 1);
  return std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

// The words of a name in lower case, without those that say nothing.
std::vector<std::string> words_of_name(std::string_view name) {
  constexpr std::array<std::string_view, 19> empty{"nvidia",   "geforce",    "rtx",     "gtx",         "tesla",     "amd",         "instinct",
                                                   "radeon",   "generation", "edition", "gpu",         "blackwell", "accelerator", "(tm)",
                                                   "graphics", "oam",        "rev",     "corporation", "inc"};
  std::vector<std::string> words;
  std::string word;
  const auto end = [&] {
    if (!word.empty() && std::ranges::find(empty, word) == empty.end()) words.push_back(word);
    word.clear();
  };
  for (const char c : name) {
    const bool kept = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '(' || c == ')';
    if (kept)
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    else
      end();
  }
  end();
  // "rtx3090", "rtxa6000": the product line written together with the number.
  for (auto& one : words) {
    for (const std::string_view line : {"rtx", "gtx"}) {
      if (one.starts_with(line) && one.size() > line.size()) one.erase(0, line.size());
    }
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += word;
  return text;
}

const GpuModel* find(const std::string& plain) {
  for (const auto& model : models) {
    const auto names = names_of(model);
    if (std::ranges::find(names, plain) != names.end()) return &model;
  }
  return nullptr;
}

bool one_letter_apart(std::string_view a, std::string_view b) {
  if (a.size() < b.size()) std::swap(a, b);
  std::size_t same = 0;
  while (same < b.size() && a[same] == b[same]) ++same;
  return a.substr(std::min(same + 1, a.size())) == b.substr(std::min(same + (a.size() == b.size() ? 1 : 0), b.size()));
}

void add_title(std::vector<std::string_view>& titles, std::string_view title) {
  if (std::ranges::find(titles, title) == titles.end() && titles.size() < 3) titles.push_back(title);
}

// What begins with the name ("mi300"); else one letter away; else the longest name that stands in it ("5090laptop").
std::vector<std::string_view> near_titles(const std::string& plain) {
  std::vector<std::string_view> titles;
  if (plain.size() < 2 || plain.size() > 60) return titles;
  std::vector<std::string> plains;
  for (const auto& model : models) {
    for (const auto one : names_of(model)) plains.emplace_back(one);
  }
  for (const auto& one : plains) {
    if (plain.size() >= 4 && one.starts_with(plain)) add_title(titles, find(one)->title);
  }
  if (!titles.empty()) return titles;
  if (const auto near = nearest_name(plain, plains); !near.empty() && one_letter_apart(plain, near)) return {find(near)->title};
  std::string inside;
  for (const auto& one : plains) {
    if (one.size() >= 4 && one.size() > inside.size() && plain.find(one) != std::string::npos) inside = one;
  }
  if (!inside.empty()) titles.push_back(find(inside)->title);
  return titles;
}

// From the list that pci-ids.ucw.cz keeps (2026). 0x2bb3 has two memories there, and reports call it another model: left out.
constexpr auto pci_devices = std::to_array<std::pair<std::string_view, std::string_view>>(
    {{"0x102d", "k80"},      {"0x13f2", "m60"},      {"0x15f8", "p100pcie"},    {"0x15f9", "p100"},          {"0x1b38", "p40"},
     {"0x1bb3", "p4"},       {"0x1d81", "titanv"},   {"0x1db1", "v100"},        {"0x1db4", "v100pcie"},      {"0x1db5", "v100"},
     {"0x1db6", "v100pcie"}, {"0x1db8", "v100"},     {"0x1dba", "quadrogv100"}, {"0x1df6", "v100spcie"},     {"0x1e02", "titanrtx"},
     {"0x1e04", "2080ti"},   {"0x1e07", "2080ti"},   {"0x1eb8", "t4"},          {"0x20b0", "a100"},          {"0x20b1", "a100pcie"},
     {"0x20b2", "a100"},     {"0x20b5", "a100pcie"}, {"0x20b7", "a30"},         {"0x20b8", "a100x"},         {"0x20f1", "a100pcie"},
     {"0x20f3", "a800"},     {"0x20f5", "a800pcie"}, {"0x2203", "3090ti"},      {"0x2204", "3090"},          {"0x2206", "3080"},
     {"0x2208", "3080ti"},   {"0x220a", "3080"},     {"0x2216", "3080"},        {"0x2230", "a6000"},         {"0x2231", "a5000"},
     {"0x2232", "a4500"},    {"0x2233", "a5500"},    {"0x2235", "a40"},         {"0x2236", "a10"},           {"0x2237", "a10g"},
     {"0x2321", "h100nvl"},  {"0x2322", "h800pcie"}, {"0x2324", "h800"},        {"0x2329", "h20"},           {"0x232c", "h203e"},
     {"0x2330", "h100"},     {"0x2331", "h100pcie"}, {"0x2335", "h200"},        {"0x2337", "h100"},          {"0x2338", "h100"},
     {"0x2339", "h100"},     {"0x233b", "h200nvl"},  {"0x2342", "gh200"},       {"0x2348", "gh200144gb"},    {"0x2484", "3070"},
     {"0x2486", "3060ti"},   {"0x2489", "3060ti"},   {"0x24b0", "a4000"},       {"0x2503", "3060"},          {"0x2504", "3060"},
     {"0x2531", "a2000"},    {"0x2571", "a2000"},    {"0x2684", "4090"},        {"0x2685", "4090d"},         {"0x26b1", "6000ada"},
     {"0x26b5", "l40"},      {"0x26b9", "l40s"},     {"0x26ba", "l20"},         {"0x2702", "4080super"},     {"0x2704", "4080"},
     {"0x27b8", "l4"},       {"0x2901", "b200"},     {"0x2941", "gb200"},       {"0x2b85", "5090"},          {"0x2b87", "5090d"},
     {"0x2b8c", "5090dv2"},  {"0x2bb1", "pro6000"},  {"0x2bb4", "pro6000maxq"}, {"0x2bb5", "pro6000server"}, {"0x2c02", "5080"},
     {"0x2c05", "5070ti"},   {"0x2c31", "pro4500"},  {"0x2c33", "pro4000sff"},  {"0x2c34", "pro4000"},       {"0x2c3a", "pro4500"},
     {"0x2d30", "pro2000"},  {"0x2e12", "gb10"},     {"0x2f04", "5070"},        {"0x3182", "b300"},          {"0x31c2", "gb300"},
     {"0x66a1", "mi50"},     {"0x738c", "mi100"},    {"0x7408", "mi250x"},      {"0x740c", "mi250x"},        {"0x740f", "mi210"},
     {"0x7448", "prow7900"}, {"0x74a0", "mi300a"},   {"0x74a1", "mi300x"},      {"0x74a2", "mi308x"},        {"0x74a5", "mi325x"},
     {"0x75a0", "mi350x"},   {"0x75a3", "mi355x"}});

}  // namespace

std::span<const GpuModel> gpu_models() { return models; }

std::string_view gpu_of_pci_device(std::string_view device) {
  const auto found = std::ranges::find(pci_devices, device, &std::pair<std::string_view, std::string_view>::first);
  return found == pci_devices.end() ? std::string_view{} : found->second;
}

std::string plain_gpu_name(std::string_view name) { return joined(words_of_name(name)); }

const GpuModel* known_gpu_model(std::string_view name) {
  auto words = words_of_name(name);
  if (const auto* model = find(joined(words))) return model;
  std::erase_if(words,
                [](const std::string& word) { return is_memory(word) || word == "hbm2" || word == "hbm2e" || word == "hbm3" || word == "hbm3e"; });
  if (const auto* model = find(joined(words))) return model;
  return find(joined(words));
}

Result<const GpuModel*> find_gpu_model(std::string_view name) {
  if (const auto* model = known_gpu_model(name)) return model;
  std::vector<std::string> titles;
  for (const auto& model : models) titles.emplace_back(model.title);
  Error error{ErrorCode::unknown_name, fmt::format("unknown gpu '{}'", name.substr(0, 60))};
  if (const auto near = near_titles(plain_gpu_name(name)); !near.empty())
    error.notes.push_back(fmt::format("did you mean '{}'?", fmt::join(near, "', '")));
  error.notes.push_back(fmt::format("known: {}", fmt::join(titles, ", ")));
  return error;
}

Bandwidth pcie_rate(const GpuModel& model) {
  return pcie_rate(transfers_of_generation(model.pcie_generation), model.pcie_lanes).value_or(Bandwidth{});
}

}  // namespace p2plab
