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
constexpr std::array generations{CpuGeneration{"zen,zen1,naples,epyc7001", "AMD EPYC 7001 (Zen)", 16, 8, 85},
                                 CpuGeneration{"zen2,rome,epyc7002", "AMD EPYC 7002 (Zen 2)", 16, 10, 144},
                                 CpuGeneration{"zen3,milan,epyc7003", "AMD EPYC 7003 (Zen 3)", 24, 10, 144},
                                 CpuGeneration{"zen4,genoa,bergamo,epyc9004", "AMD EPYC 9004 (Zen 4)", 24, 12, 256},
                                 CpuGeneration{"zen5,turin,epyc9005", "AMD EPYC 9005 (Zen 5)", 32, 16, 256},
                                 CpuGeneration{"broadwell,haswell", "Intel Xeon E5/E7 (Haswell, Broadwell)", 6, 4, 38, 4},
                                 CpuGeneration{"skylake,cascadelake", "Intel Xeon (Skylake, Cascade Lake)", 10, 6, 62, 8},
                                 CpuGeneration{"icelake", "Intel Xeon (Ice Lake)", 10, 6, 67, 2},
                                 CpuGeneration{"sapphirerapids,spr", "Intel Xeon (Sapphire Rapids)", 22, 10, 192, 8},
                                 CpuGeneration{"emeraldrapids,emr", "Intel Xeon (Emerald Rapids)", 40, 10, 240, 2},
                                 CpuGeneration{"graniterapids,gnr", "Intel Xeon (Granite Rapids)", 40, 10, 432, 2},
                                 CpuGeneration{"grace", "NVIDIA Grace", 6, 6, 450, 4},
                                 CpuGeneration{"power8", "IBM POWER8", 32, 12, 38, 2},
                                 CpuGeneration{"power9", "IBM POWER9", 32, 12, 64, 2},
                                 CpuGeneration{"arm", "ARM", 6, 4, 100, 2}};

const CpuGeneration& named(std::string_view name) {
  return *std::ranges::find_if(generations, [&](const CpuGeneration& one) { return one.names.starts_with(name); });
}

// NCCL writes family and extended family as two hexadecimal digits (143, 175, 191), the kernel adds them (23, 25, 26).
const CpuGeneration* amd(const CpuModel& cpu) {
  switch (cpu.family) {
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

}  // namespace

const CpuGeneration* cpu_generation(const CpuModel& cpu) {
  if (cpu.vendor == "AuthenticAMD") return amd(cpu);
  if (cpu.vendor == "GenuineIntel") return intel(cpu);
  if (cpu.arch == "ppc64" || cpu.arch == "ppc64le") return &named("power9");
  if (cpu.arch == "arm64" || cpu.arch == "aarch64") return &named("arm");
  return nullptr;
}

Result<const CpuGeneration*> find_cpu_generation(std::string_view name) {
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
