// SPDX-License-Identifier: Apache-2.0
#include "sources/tables/cpu_models.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

namespace p2plab {

namespace {

// Rates are NCCL's figures for peer traffic (src/graph/topo.h and topo.cc since 2.30: Zen 1 and 2 16, Zen 3 and 4 24, Zen 5 32; Skylake and Ice Lake
// 10, Sapphire Rapids 22, Emerald Rapids 40, Broadwell 6, ARM 6, POWER9 32 GB/s). The most is what the wires carry in one direction: QPI 9.6 GT/s and
// UPI 10.4, 11.2, 16, 20, 24 GT/s of 20 and 24 lanes times links, xGMI 10.7, 18, 32, 32 GT/s of 16 lanes times 4 (makers' data sheets).
// PCIe: what the socket's ports speak.
constexpr std::array generations{CpuGeneration{"zen,zen1,naples,epyc7001", "AMD EPYC 7001 (Zen)", 16, 8, 85, 2, 3},
                                 CpuGeneration{"zen2,rome,epyc7002", "AMD EPYC 7002 (Zen 2)", 16, 10, 144, 2, 4},
                                 CpuGeneration{"zen3,milan,epyc7003", "AMD EPYC 7003 (Zen 3)", 24, 10, 144, 2, 4},
                                 CpuGeneration{"zen4,genoa,bergamo,siena,epyc9004", "AMD EPYC 9004 (Zen 4)", 24, 12, 256, 2, 5},
                                 CpuGeneration{"zen5,turin,epyc9005", "AMD EPYC 9005 (Zen 5)", 32, 16, 256, 2, 5},
                                 CpuGeneration{"broadwell,haswell,ivybridge,sandybridge", "Intel Xeon E5/E7 (to Broadwell)", 6, 4, 38, 4, 3},
                                 CpuGeneration{"skylake,cascadelake", "Intel Xeon (Skylake, Cascade Lake)", 10, 6, 62, 8, 3},
                                 CpuGeneration{"icelake", "Intel Xeon (Ice Lake)", 10, 6, 67, 2, 4},
                                 CpuGeneration{"sapphirerapids,spr", "Intel Xeon (Sapphire Rapids)", 22, 10, 192, 8, 5},
                                 CpuGeneration{"emeraldrapids,emr", "Intel Xeon (Emerald Rapids)", 40, 10, 240, 2, 5},
                                 CpuGeneration{"graniterapids,gnr,sierraforest,xeon6", "Intel Xeon 6 (Granite Rapids)", 40, 10, 432, 2, 5},
                                 CpuGeneration{"grace,nvidiagrace,neoversev2", "NVIDIA Grace", 6, 6, 450, 4, 5},
                                 CpuGeneration{"power8", "IBM POWER8", 32, 12, 38, 2, 3},
                                 CpuGeneration{"power9", "IBM POWER9", 32, 12, 64, 2, 4},
                                 CpuGeneration{"power10,power11", "IBM POWER10", 32, 12, 64, 2, 5},
                                 CpuGeneration{"arm,ampere,altra", "ARM", 6, 4, 100, 2, 5}};

const CpuGeneration& named(std::string_view name) {
  return *std::ranges::find_if(generations, [&](const CpuGeneration& one) { return one.names.starts_with(name); });
}

// NCCL writes family and extended family as two hexadecimal digits (143, 175, 191), the kernel adds them (23, 25, 26).
const CpuGeneration* amd(const CpuModel& cpu) {
  switch (cpu.family) {
    case 159:  // Hygon's Dhyana is a Zen
    case 24: return &named("zen,");
    case 143:
    case 23: return cpu.model >= 0x30 ? &named("zen2") : &named("zen,");
    case 175:
    case 25: return (cpu.model >= 0x10 && cpu.model < 0x20) || cpu.model >= 0xA0 ? &named("zen4") : &named("zen3");
    case 191:
    case 26: return &named("zen5");
    default: return nullptr;
  }
}

const CpuGeneration* intel(const CpuModel& cpu) {
  if (cpu.family != 6) return nullptr;
  switch (cpu.model) {
    case 63:
    case 79:
    case 86: return &named("broadwell");
    case 85: return &named("skylake");
    case 106:
    case 108: return &named("icelake");
    case 143: return &named("sapphirerapids");
    case 173:
    case 174: return &named("graniterapids");
    case 207: return &named("emeraldrapids");
    default: break;
  }
  if (cpu.model > 207) return &named("graniterapids");
  return cpu.model < 63 ? &named("broadwell") : nullptr;
}

std::string plain(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c != ' ' && c != '-' && c != '_') text += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return text;
}

// "EPYC 7763", "EPYC 7V12", "EPYC 9A75": the last digit is the generation. "Threadripper PRO 3955WX": the first.
const CpuGeneration* of_amds_number(const std::string& number, bool threadripper) {
  if (number.size() < 4 || number[0] < '1' || number[0] > '9') return nullptr;
  constexpr std::array by_last{"zen,", "zen2", "zen3", "zen4", "zen5"};
  if (threadripper) {
    constexpr std::array by_first{"zen,", "zen,", "zen2", "", "zen3", "", "zen4", "", "zen5"};
    const std::string_view first = by_first[static_cast<std::size_t>(number[0] - '1')];
    return first.empty() ? nullptr : &named(first);
  }
  if (number[3] < '1' || number[3] > '5') return nullptr;
  return &named(by_last[static_cast<std::size_t>(number[3] - '1')]);
}

// "Gold 6226", "Platinum 8462Y+": the second digit is the generation; "6787P" and "6740E" are Xeon 6; "E5-2690 v4".
const CpuGeneration* of_intels_number(const std::string& number) {
  if (number.starts_with("E5") || number.starts_with("E7")) return &named("broadwell");
  if (number.size() < 4 || number.find_first_not_of("0123456789") < 4) return nullptr;
  if (number.size() > 4 && number[0] == '6' && number[1] >= '5' && (number[4] == 'P' || number[4] == 'E')) return &named("graniterapids");
  constexpr std::array by_second{"skylake", "skylake", "icelake", "sapphirerapids", "emeraldrapids"};
  return number[1] < '1' || number[1] > '5' ? nullptr : &named(by_second[static_cast<std::size_t>(number[1] - '1')]);
}

// As lscpu prints it.
const CpuGeneration* generation_of_model_number(std::string_view name) {
  const auto whole = plain(name);
  const bool epyc = whole.find("epyc") != std::string::npos;
  const bool threadripper = whole.find("threadripper") != std::string::npos;
  const bool xeon = whole.find("xeon") != std::string::npos;
  if (!epyc && !threadripper && !xeon) return nullptr;
  std::string word;
  for (const char c : std::string{name} + ' ') {
    const bool part = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (part) {
      word += c;
      continue;
    }
    const auto* found = xeon ? of_intels_number(word) : of_amds_number(word, threadripper);
    if (found != nullptr) return found;
    word.clear();
  }
  return nullptr;
}

}  // namespace

const CpuGeneration* cpu_generation(const CpuModel& cpu) {
  if (cpu.vendor == "AuthenticAMD" || cpu.vendor == "HygonGenuine" || cpu.vendor == "AMD") return amd(cpu);
  if (cpu.vendor == "GenuineIntel") return intel(cpu);
  if (cpu.arch == "ppc64" || cpu.arch == "ppc64le") return &named("power9");
  if (cpu.arch == "arm64" || cpu.arch == "aarch64") return &named("arm");
  return nullptr;
}

Result<const CpuGeneration*> find_cpu_generation(std::string_view name) {
  if (const auto* by_number = generation_of_model_number(name)) return by_number;
  const auto wanted = plain(name);
  std::vector<std::string> known;
  for (const auto& one : generations) {
    for (auto rest = one.names; !rest.empty();) {
      const auto comma = std::min(rest.find(','), rest.size());
      known.emplace_back(rest.substr(0, comma));
      if (known.back() == wanted) return &one;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return unknown_name("cpu", std::string{name}, known);
}

const CpuGeneration& usual_cpu(int pcie_generation) {
  if (pcie_generation <= 3) return named("skylake");
  return pcie_generation == 4 ? named("zen3") : named("zen4");
}

}  // namespace p2plab
