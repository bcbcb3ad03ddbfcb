// SPDX-License-Identifier: Apache-2.0
// Answers put into a machine that is a graph already: a preset, or a topology file.
#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/presets.h"
#include "sources/device_rates.h"
#include "sources/tables/cpu_models.h"
#include "sources/tables/gpu_models.h"
#include "sources/tables/link_rates.h"
#include "structure/with_rates.h"

namespace p2plab {

namespace {

// What a link's rate becomes, and how it is known then.
struct Answer {
  Bandwidth rate;
  Origin origin = Origin::read;
  std::string source;
  Bandwidth least = {};
  Bandwidth most = {};
};

class Answering {
 public:
  Answering(const Topology& topology, const MachineAnswers& answers) : topology_(topology), answers_(answers), sources_(topology.sources()) {}

  Result<Topology> run() {
    refuse_answers_about_the_graph();
    if (!answers_.gpu.empty()) answer_gpu();
    if (answers_.pcie > Bandwidth{}) put_pcie("pcie", {answers_.pcie, Origin::read, "--machine pcie"});
    if (answers_.pcie_gen > 0 || answers_.pcie_width > 0) answer_pcie_generation();
    if (!answers_.cpu.empty()) answer_cpu();
    if (answers_.socket_link > Bandwidth{}) put("socket_link", {"socket_link"}, "", {answers_.socket_link, Origin::read, "--machine socket_link"});
    if (answers_.host_memory > Bandwidth{}) put("host_memory", {"host_memory"}, "", {answers_.host_memory, Origin::read, "--machine host_memory"});
    if (answers_.nic > Bandwidth{}) put("nic", {"nic"}, "", {answers_.nic, Origin::read, "--machine nic"});
    if (error_) return *std::move(error_);
    std::vector<LinkRate> rates;
    for (std::size_t i = 0; i < sources_.values.size(); ++i) {
      if (i < changed_.size() && changed_[i]) rates.push_back({sources_.values[i].links, *changed_[i]});
    }
    return with_rates(topology_, rates, sources_);
  }

 private:
  void fail(Error error) {
    if (error_)
      error_->more.push_back(std::move(error));
    else
      error_ = std::move(error);
  }
  void fail(std::string message, std::string note) { fail(Error{ErrorCode::invalid_input, std::move(message), std::nullopt, {std::move(note)}}); }

  // Who joins whom is settled in a graph.
  void refuse_answers_about_the_graph() {
    const std::array settled{std::pair{"sockets", !answers_.sockets.empty()},
                             std::pair{"nvlinks", answers_.nvlinks > 0},
                             std::pair{"nvlink", answers_.nvlink > Bandwidth{}},
                             std::pair{"nvswitch", answers_.nvswitch.has_value()},
                             std::pair{"peer_access", answers_.peer_access.has_value()},
                             std::pair{"server", !answers_.server.empty()},
                             std::pair{"pcie_beside_nvlink", answers_.pcie_beside_nvlink}};
    for (const auto& [key, given] : settled) {
      if (given)
        fail(fmt::format("'{}' is a graph already, which says itself what {} would answer", topology_.name(), key),
             "give the answer where the machine is made of a text or XML (p2plab topo import --machine ...), or change the file");
    }
  }

  // Every number that has one of these keys, and whose name starts so, becomes the answer.
  void put(const std::string& key, const std::vector<std::string_view>& keys, std::string_view what, const Answer& answer) {
    bool asked = false;
    changed_.resize(sources_.values.size());
    for (std::size_t i = 0; i < sources_.values.size(); ++i) {
      auto& value = sources_.values[i];
      if ((value.links.empty() && !staged()) || std::ranges::find(keys, value.key) == keys.end() || !value.what.starts_with(what)) continue;
      value = {value.what, fmt::format("{:.6g} GB/s", answer.rate.gbps()), answer.origin, answer.source, "", answer.least, answer.most, value.links};
      changed_[i] = answer.rate;
      asked = true;
    }
    if (!asked)
      fail(fmt::format("nothing of '{}' asks for {}", topology_.name(), key),
           "a topology file of ours and a preset say their rates themselves; answers are for texts, XML and what 'topo show' asks");
  }

  // Does data go through host memory at a part of PCIe's rate, so that PCIe itself has no links?
  bool staged() const {
    return std::ranges::any_of(sources_.values, [](const SourcedValue& value) { return value.key == "host_memory" && !value.links.empty(); });
  }

  void put_pcie(const std::string& key, const Answer& answer, const std::vector<std::string_view>& keys = {"pcie", "pcie_width", "gpu"}) {
    put(key, keys, "PCIe", answer);
    const auto part = through_host_memory({answer.rate, answer.origin, answer.source});
    for (std::size_t i = 0; i < sources_.values.size(); ++i) {
      auto& value = sources_.values[i];
      if (value.key != "host_memory" || value.links.empty()) continue;
      value.value = fmt::format("{:.6g} GB/s", part.rate.gbps());
      value.least = part.least;
      value.most = part.most;
      changed_[i] = part.rate;
    }
  }

  // Names the GPUs of a machine that does not, for costs and tables; and their PCIe where that rests on it.
  void answer_gpu() {
    const auto found = find_gpu_model(answers_.gpu);
    if (!found) return fail(found.error());
    const auto* model = *found;
    const auto kind = gpu_kind(topology_);
    if (kind && kind->title != model->title)
      return fail(fmt::format("'{}' has {}, not {}", topology_.name(), kind->title, model->title), "leave gpu=... away, or take another machine");
    const auto rests = [](const SourcedValue& value) { return value.key == "gpu" && (!value.links.empty() || value.what.starts_with("PCIe")); };
    for (const auto& value : sources_.values) {
      if (rests(value) && !value.what.starts_with("PCIe"))
        return fail(fmt::format("{} of '{}' rests on the GPU, too, and is settled in this file", value.what, topology_.name()),
                    "make the machine of its text or XML again: p2plab topo import --machine gpu=...");
    }
    if (std::ranges::any_of(sources_.values, rests))
      put_pcie("gpu", {pcie_rate(*model), Origin::known, fmt::format("table of GPUs: {}", model->title)}, {"gpu"});
    if (!kind) sources_.values.push_back(*gpu_source(answers_.gpu, Origin::read, "--machine gpu"));
  }

  void answer_pcie_generation() {
    const auto rate = pcie_rate(transfers_of_generation(answers_.pcie_gen), answers_.pcie_width);
    if (answers_.pcie_gen == 0 || answers_.pcie_width == 0 || !rate)
      return fail(fmt::format("of a graph such as '{}', pcie_gen and pcie_width are answered together", topology_.name()),
                  "--machine pcie_gen=4 --machine pcie_width=16, or pcie=31.5");
    put_pcie("pcie_gen and pcie_width", {*rate, Origin::read, "--machine pcie_gen, pcie_width"});
  }

  void answer_cpu() {
    const auto generation = find_cpu_generation(answers_.cpu);
    if (!generation) return fail(generation.error());
    const auto& cpu = **generation;
    put("cpu", {"socket_link"}, "",
        {GBps(cpu.rate), Origin::known, fmt::format("table of CPUs: {}, NCCL's figure", cpu.title), GBps(cpu.least), GBps(cpu.most)});
  }

  const Topology& topology_;
  const MachineAnswers& answers_;
  MachineSources sources_;
  std::vector<std::optional<Bandwidth>> changed_;  // by source
  std::optional<Error> error_;
};

}  // namespace

Result<Topology> answered(const Topology& topology, const MachineAnswers& answers) {
  if (answers == MachineAnswers{}) return topology;
  return Answering(topology, answers).run();
}

}  // namespace p2plab
