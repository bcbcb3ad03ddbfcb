// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks/nccl_variables.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

#include <fmt/format.h>

namespace p2plab::doctor {

namespace {

std::string lower(std::string text) {
  for (auto& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

std::optional<int> number_in(const std::string& text) {
  int value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

// NCCL alone goes through host memory: all pairs as if CUDA kept them apart, unless `kept` says that a pair keeps its way.
Change without_peers(const Patient& patient, const std::function<bool(std::size_t, std::size_t)>& kept) {
  std::vector<std::pair<int, int>> lost;
  for (std::size_t a = 0; a < patient.gpus().size(); ++a) {
    for (std::size_t b = 0; b < patient.gpus().size(); ++b) {
      if (a != b && !kept(a, b)) lost.emplace_back(static_cast<int>(a), static_cast<int>(b));
    }
  }
  return [lost](MachineFacts& facts) {
    for (auto& peer : facts.peers) {
      if (std::ranges::find(lost, std::pair{peer.from, peer.to}) != lost.end()) peer.access = false;
    }
  };
}

bool has_peers(const Patient& patient) { return std::ranges::any_of(patient.facts().peers, &CudaPeer::access); }

void p2p_disable(const Patient& patient, const std::string& value, Complaints& complaints) {
  if (!is_on(value) || !has_peers(patient)) return;
  auto one = about(patient, "NCCL_P2P_DISABLE", Severity::slow, "NCCL goes through host memory, though GPUs reach each other", "");
  one.present = without_peers(patient, [](std::size_t, std::size_t) { return false; });
  one.finding.remedies.push_back({"p2plab doctor --probe cuda first, if it was set because of hangs or wrong data", ""});
  complaints.add(std::move(one));
}

// LOC, NVL, PIX, PXB, PHB, SYS; older programs write numbers.
void p2p_level(const Patient& patient, const std::string& value, Complaints& complaints) {
  if (!has_peers(patient)) return;
  constexpr std::array levels{"loc", "nvl", "pix", "pxb", "phb", "sys"};
  const auto word = lower(value);
  auto level = std::ranges::find(levels, word) - levels.begin();
  if (level == std::ssize(levels)) {
    const auto number = number_in(value);
    if (!number || *number < 0) {
      complaints.add(
          about(patient, "NCCL_P2P_LEVEL", Severity::fault, "NCCL does not know this level: it knows LOC, NVL, PIX, PXB, PHB, SYS", only_a_risk));
      return;
    }
    level = *number;
  }
  const bool nothing = level == 0;
  const bool nvlink_only = level == 1 && patient.peers_over_pcie();
  if (!nothing && !nvlink_only) return;
  auto one = about(patient, "NCCL_P2P_LEVEL", Severity::slow,
                   nothing ? "NCCL goes through host memory, though GPUs reach each other"
                           : "NCCL goes through host memory between GPUs that no NVLink joins, though they reach each other over PCIe",
                   "");
  one.present = without_peers(patient, [&](std::size_t a, std::size_t b) { return !nothing && patient.over_nvlink(a, b); });
  complaints.add(std::move(one));
}

void shm_disable(const Patient& patient, const std::string& value, Complaints& complaints) {
  if (!is_on(value)) return;
  const bool needed = is_on(patient.variable("NCCL_P2P_DISABLE").value_or("0")) ||
                      std::ranges::any_of(patient.facts().peers, [](const CudaPeer& peer) { return !peer.access; });
  complaints.add(about(
      patient, "NCCL_SHM_DISABLE", needed ? Severity::slow : Severity::risk,
      needed ? "pairs without peer access go through the network's sockets, even inside this machine" : "nothing is left where peer access fails",
      needed ? "not known: by the network, often a tenth" : only_a_risk));
}

void ib_disable(const Patient& patient, const std::string& value, Complaints& complaints) {
  const bool there =
      std::ranges::any_of(patient.facts().networks, [](const NetworkFact& one) { return one.name.starts_with("mlx") || one.name.starts_with("ib"); });
  if (is_on(value) && there)
    complaints.add(about(patient, "NCCL_IB_DISABLE", Severity::risk, "InfiniBand is there and not used: jobs over several machines go over TCP",
                         "none inside this machine"));
}

void algo(const Patient& patient, const std::string& value, Complaints& complaints) {
  const auto word = lower(value);
  const bool nvls = word.find("nvls") != std::string::npos;
  bool able = patient.any_nvlink() && patient.gpus().size() > 1;
  for (const auto& gpu : patient.gpus()) {
    const auto capability = gpu.nvml != nullptr ? gpu.nvml->compute_capability : 0;
    const bool to_switch = gpu.nvml != nullptr && std::ranges::any_of(gpu.nvml->links, [](const NvlinkFact& link) {
                             return link.active && (link.remote_kind == "switch" || link.remote.starts_with("ffff"));
                           });
    able = able && to_switch && (capability == 0 || capability >= 90);
  }
  if (nvls && !able && word.find(',') == std::string::npos && !word.starts_with("^"))
    complaints.add(about(patient, "NCCL_ALGO", Severity::fault,
                         "NVLS needs Hopper or later behind NVSwitches: NCCL stops with an error, or takes another",
                         "not known: what NCCL takes instead depends on its version"));
  else if (word == "collnet" || word == "collnetdirect" || word == "collnetchain")
    complaints.add(about(patient, "NCCL_ALGO", Severity::fault,
                         "CollNet needs switches of a network that add (SHARP): inside one machine there are none",
                         "not known: what NCCL takes instead depends on its version"));
  else
    complaints.add(about(patient, "NCCL_ALGO", Severity::risk,
                         "NCCL may not choose its algorithm by size any more: one is best for small, another for large messages",
                         "not known: p2plab bench --executor nccl with and without it"));
}

void proto(const Patient& patient, const std::string& value, Complaints& complaints) {
  const auto word = lower(value);
  if (word == "ll") {
    complaints.add(about(patient, "NCCL_PROTO", Severity::slow,
                         "LL alone: half of every packet is flag, so at most half of the links' rate carries data",
                         "half of the bound, for large messages"));
  } else if (word.find("ll128") != std::string::npos && !word.starts_with("^") && !patient.all_over_nvlink()) {
    complaints.add(about(patient, "NCCL_PROTO", Severity::fault,
                         "LL128 forced where some pairs go over PCIe: lines of 128 bytes may arrive in parts, and wrong data is then taken for right",
                         "none: it may be wrong, not slow"));
  } else {
    complaints.add(about(patient, "NCCL_PROTO", Severity::risk, "NCCL may not choose its protocol by size any more",
                         "not known: p2plab bench --executor nccl with and without it"));
  }
}

void nvls_enable(const Patient& patient, const std::string& value, Complaints& complaints) {
  if (value != "0") return;
  const bool able = patient.all_over_nvlink() && patient.gpus().size() > 2 && std::ranges::all_of(patient.gpus(), [](const PatientGpu& gpu) {
                      return gpu.nvml != nullptr && gpu.nvml->compute_capability >= 90;
                    });
  if (able)
    complaints.add(about(patient, "NCCL_NVLS_ENABLE", Severity::note, "sums in NVSwitches are off: large all-reduces of NCCL take longer",
                         "none of this bound, which counts no sums in switches (p2plab bound --in-network all)"));
}

void few_channels(const Patient& patient, const std::string& variable, const std::string& value, Complaints& complaints) {
  constexpr int few = 4;
  const auto count = number_in(value);
  if (count && *count > 0 && *count < few && patient.any_nvlink())
    complaints.add(about(patient, variable, Severity::slow, fmt::format("NCCL may use {} thread blocks: too few to fill NVLinks", *count),
                         "not known: about 20 to 25 GB/s a channel"));
}

void file_there(const Patient& patient, const std::string& variable, const std::string& value, Complaints& complaints) {
  // A recorded machine's files are elsewhere: whether they are there is known only on it.
  const auto* read = patient.find(variable, reading::environment);
  if (read == nullptr || read->source.find("no such file") == std::string::npos) return;
  complaints.add(about(patient, variable, Severity::fault, fmt::format("the file {} does not exist: NCCL goes on without it, or stops", value),
                       "not known: what it was to bring"));
}

void socket_name(const Patient& patient, const std::string& value, Complaints& complaints) {
  if (value.empty() || value.starts_with("^") || value.find(',') != std::string::npos || patient.facts().networks.empty()) return;
  const bool exact = value.starts_with("=");
  const auto name = exact ? value.substr(1) : value;
  if (name.starts_with("lo") || name.starts_with("docker") || name.starts_with("bond") || name.starts_with("br")) return;
  for (const auto& one : patient.facts().networks) {
    // Where InfiniBand is there, facts name its devices and not the interfaces.
    if (one.name.starts_with("mlx") || one.name.starts_with(name)) return;
  }
  complaints.add(about(patient, "NCCL_SOCKET_IFNAME", Severity::fault,
                       fmt::format("no interface is called {}: NCCL finds no way to its other ranks", name), "none: NCCL stops"));
}

void debug(const Patient& patient, const std::string& value, Complaints& complaints) {
  if (lower(value) == "trace")
    complaints.add(
        about(patient, "NCCL_DEBUG", Severity::risk, "every call writes lines: small messages take much longer", "not known: by message size"));
}

}  // namespace

bool is_on(const std::string& value) {
  const auto word = lower(value);
  return !word.empty() && word != "0" && word != "no" && word != "false" && word != "off";
}

Complaint about(const Patient& patient, const std::string& variable, Severity severity, std::string what, std::string no_worth) {
  return {.finding = {.name = "variable." + variable,
                      .severity = severity,
                      .what = fmt::format("{}={}: {}", variable, patient.variable(variable).value_or(""), what),
                      .no_worth = std::move(no_worth),
                      .evidence = {patient.evidence(variable, reading::environment)},
                      .remedies = {{"unset " + variable, "somebody set it: look in the job's script, /etc/nccl.conf and ~/.nccl.conf too"}}}};
}

std::vector<VariableRule> nccl_rules() {
  const auto named = [](const std::string& name, auto judge) {
    return VariableRule{
        name, [name, judge](const Patient& patient, const std::string& value, Complaints& complaints) { judge(patient, name, value, complaints); }};
  };
  return {{"NCCL_P2P_DISABLE", p2p_disable},
          {"NCCL_P2P_LEVEL", p2p_level},
          {"NCCL_SHM_DISABLE", shm_disable},
          {"NCCL_IB_DISABLE", ib_disable},
          {"NCCL_ALGO", algo},
          {"NCCL_PROTO", proto},
          {"NCCL_NVLS_ENABLE", nvls_enable},
          {"NCCL_SOCKET_IFNAME", socket_name},
          {"NCCL_DEBUG", debug},
          named("NCCL_MAX_NCHANNELS", few_channels),
          named("NCCL_MAX_CTAS", few_channels),
          named("NCCL_TOPO_FILE", file_there),
          named("NCCL_GRAPH_FILE", file_there)};
}

}  // namespace p2plab::doctor
