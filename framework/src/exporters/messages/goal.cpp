// SPDX-License-Identifier: Apache-2.0
// GOAL, the schedules of LogGOPSim and ATLAHS: per rank sends, receives and calculations with their dependencies. Times of calculations are left 0:
// what a sum costs belongs to the machine, not to the plan. The reader keeps numbers of CPUs and NICs in 8 bits, with one more as their count.
#include <fmt/format.h>

#include "exporters/messages/message_graph.h"
#include "exporters/messages/message_ports.h"
#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

constexpr int most_numbers = 255;  // 0 to 254

class Goal final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto too_many = [](int count, const char* what) {
      return Error{ErrorCode::unsupported, fmt::format("GOAL: a GPU has {} {}; at most {} can be numbered", count, what, most_numbers)};
    };
    if (job.program->blocks() > most_numbers) {
      auto error = too_many(job.program->blocks(), "thread blocks, each a CPU");
      error.notes.emplace_back("plan with fewer parts or channels");
      return error;
    }
    if (const auto ports = MessagePorts{*job.topology}.count(); ports > most_numbers) return too_many(ports, "neighbours, each a NIC");
    return has_message_graph(*job.program);
  }

  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    if (auto can = supports(job); !can) return std::move(can).error();
    auto graph = message_graph(*job.topology, *job.program);
    if (!graph) return std::move(graph).error();
    std::string text = fmt::format("num_ranks {}\n", graph->ranks.size());
    text += "// Give LogGOPSim its times in picoseconds: L, o, g and G (a byte) are whole numbers there.\n";
    for (std::size_t r = 0; r < graph->ranks.size(); ++r) {
      text += fmt::format("\nrank {} {{\n", r);
      const auto& ops = graph->ranks[r];
      for (std::size_t o = 0; o < ops.size(); ++o) text += line(o, ops[o]);
      text += "}\n";
    }
    return std::vector<ExportedFile>{{"", std::move(text)}};
  }

  std::string extension() const override { return ".goal"; }
  std::string how_to_load(const std::string& files) const override {
    return "LogGOPSim: txt2bin -i " + files + " -o plan.bin, then LogGOPSim -f plan.bin -L 500000 -o 0 -g 0 -G 2 (picoseconds)";
  }

 private:
  static std::string line(std::size_t number, const MessageOp& op) {
    std::string text;
    if (op.kind == MessageOp::Kind::compute) {
      text = fmt::format("l{}: calc 0 cpu {}\n", number + 1, op.block);
    } else {
      const bool sends = op.kind == MessageOp::Kind::send;
      text = fmt::format("l{}: {} {}b {} {} tag {} cpu {} nic {}\n", number + 1, sends ? "send" : "recv", op.bytes, sends ? "to" : "from", op.peer,
                         op.tag, op.block, op.nic);
    }
    for (const auto before : op.after) text += fmt::format("l{} requires l{}\n", number + 1, before + 1);
    return text;
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> goal() {
  return {
      "goal", "schedule for LogGOPSim and ATLAHS (text; one file; count their times in picoseconds)", {}, [] { return std::make_unique<Goal>(); }};
}
}  // namespace exporters

}  // namespace p2plab
