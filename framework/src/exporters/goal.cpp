// GOAL, the schedules of LogGOPSim and ATLAHS: per rank sends, receives and calculations with their dependencies. Times of calculations are left 0:
// what a sum costs belongs to the machine, not to the plan.
#include <fmt/format.h>

#include "exporters/message_graph.h"
#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

class Goal final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override { return has_message_graph(*job.program); }

  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    auto graph = message_graph(*job.program);
    if (!graph) return std::move(graph).error();
    std::string text = fmt::format("num_ranks {}\n", graph->ranks.size());
    for (std::size_t r = 0; r < graph->ranks.size(); ++r) {
      text += fmt::format("\nrank {} {{\n", r);
      const auto& ops = graph->ranks[r];
      for (std::size_t o = 0; o < ops.size(); ++o) text += line(o, ops[o]);
      text += "}\n";
    }
    return std::vector<ExportedFile>{{"", std::move(text)}};
  }

 private:
  static std::string line(std::size_t number, const MessageOp& op) {
    std::string text;
    switch (op.kind) {
      case MessageOp::Kind::compute: text = fmt::format("l{}: calc 0 cpu {}\n", number + 1, op.block); break;
      case MessageOp::Kind::send: text = fmt::format("l{}: send {}b to {} tag {} cpu {}\n", number + 1, op.bytes, op.peer, op.tag, op.block); break;
      case MessageOp::Kind::receive:
        text = fmt::format("l{}: recv {}b from {} tag {} cpu {}\n", number + 1, op.bytes, op.peer, op.tag, op.block);
        break;
    }
    for (const auto before : op.after) text += fmt::format("l{} requires l{}\n", number + 1, before + 1);
    return text;
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> goal() {
  return {"goal", "schedule for LogGOPSim and ATLAHS (text; one file)", {}, [] { return std::make_unique<Goal>(); }};
}
}  // namespace exporters

}  // namespace p2plab
