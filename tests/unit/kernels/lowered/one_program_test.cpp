// SPDX-License-Identifier: Apache-2.0
// One program for all: what is predicted, what the interpreters run and what is exported are the same packets, or the same slices.
#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "device/arithmetic.cuh"
#include "p2plab/program/builtin_exporters.h"
#include "p2plab/simulator/simulate.h"
#include "support/emulation/emulation.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab {
namespace {

using testing::Emulation;
using Float = device::Fixed<device::Float, ReduceOp::sum>;

// Two pairs of GPUs with host memory between the pairs.
Topology pairs_across_a_host() {
  Topology::Builder builder("pairs");
  std::vector<NodeId> gpus;
  for (int g = 0; g < 4; ++g) gpus.push_back(builder.add_node({"gpu" + std::to_string(g), NodeKind::gpu}));
  const auto host = builder.add_node({"host", NodeKind::host});
  for (const auto gpu : gpus) builder.add_duplex(gpu, host, LinkKind::pcie, GBps(50), Seconds{1e-6});
  builder.add_duplex(gpus[0], gpus[1], LinkKind::nvlink, GBps(400), Seconds{1e-6});
  builder.add_duplex(gpus[2], gpus[3], LinkKind::nvlink, GBps(400), Seconds{1e-6});
  return *std::move(builder).build();
}

// What moves, whoever reads the program: for each rank and step, how often data is read and written.
using Moves = std::map<std::tuple<std::int64_t, std::int64_t>, std::pair<std::size_t, std::size_t>>;

Moves moves_of(const Program& program) {
  Moves moves;
  const auto add = [&](Rank rank, StepId step, std::size_t sources, std::size_t destinations) {
    auto& [read, written] = moves[{rank.value, step.value}];
    read += sources;
    written += destinations;
  };
  if (program.packets) {
    for (std::size_t r = 0; r < program.packets->ranks.size(); ++r) {
      for (const auto& item : program.packets->ranks[r])
        add(Rank{static_cast<std::int64_t>(r)}, item.step, item.sources.size(), item.destinations.size());
    }
    return moves;
  }
  for (const auto& lane : program.lanes) {
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      const auto& instruction = program.instructions[i];
      add(lane.rank, instruction.step, instruction.sources, instruction.destinations);
    }
  }
  return moves;
}

// All of them together, where who reads the program tells items loaded together by the first one's step.
std::tuple<std::size_t, std::size_t> total(const Moves& moves) {
  std::size_t read = 0;
  std::size_t written = 0;
  for (const auto& [where, count] : moves) read += count.first, written += count.second;
  return {read, written};
}

void expect_predicted(const Topology& machine, const Program& program) {
  const auto result = simulate(machine, Routes(machine), program, {}, {.record = true});
  ASSERT_TRUE(result) << describe(result.error());
  const auto& ran = recorded(program, result->recording);
  EXPECT_EQ(ran.packets.get(), program.packets.get());
  Moves played;
  for (const auto& lane : ran.lanes) {
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      auto& [read, written] = played[{lane.rank.value, ran.instructions[i].step.value}];
      read += ran.instructions[i].sources;
      written += ran.instructions[i].destinations;
    }
  }
  EXPECT_EQ(total(played), total(moves_of(program)));
}

void expect_run_by_packets(Emulation& emulation) {
  const auto& program = emulation.program();
  program.packets->wire == PacketWire::lamport ? emulation.prepare_packets<device::LamportWire<4>, Float>(1)
                                               : emulation.prepare_packets<device::LlWire, Float>(1);
  EXPECT_EQ(&emulation.packets(), program.packets.get());
  std::size_t read = 0;
  std::size_t written = 0;
  for (std::size_t r = 0; r < program.memory.size(); ++r) {
    read += emulation.packet_image(r).sources.size();
    written += emulation.packet_image(r).stores.size();
  }
  EXPECT_EQ(std::tuple(read, written), total(moves_of(program)));
}

void expect_run_by_slices(Emulation& emulation) {
  emulation.prepare_slices<Float>();
  std::size_t read = 0;
  std::size_t written = 0;
  for (std::size_t r = 0; r < emulation.program().memory.size(); ++r) {
    for (const auto& instruction : emulation.slice_image(r).instructions) {
      read += instruction.sources;
      written += instruction.destinations;
    }
  }
  EXPECT_EQ(std::tuple(read, written), total(moves_of(emulation.program())));
}

void expect_exported(const Topology& machine, const Plan& plan, const Program& program) {
  const auto exporters = builtin_exporters();
  const auto exporter = exporters.find("msccl-xml")->make();
  const ExportJob job{&machine, &plan, &program};
  if (!exporter->supports(job)) return;
  const auto files = exporter->write(job);
  ASSERT_TRUE(files) << describe(files.error());
  const bool lines = program.packets && program.packets->wire == PacketWire::ll128;
  const std::string wire = lines ? "LL128" : "LL";
  EXPECT_NE((*files)[0].content.find("proto=\"" + (program.packets && program.tuning.protocol != Protocol::simple ? wire : "Simple") + "\""),
            std::string::npos);
}

TEST(OneProgram, IsWhatIsPredictedRunAndExported) {
  const Payload payload{.elements = 3000, .type = DataType::float32};
  for (const auto& machine : {testing::one_switch(4), pairs_across_a_host()}) {
    for (const auto* planner : {"ring", "two_shot"}) {
      for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather}) {
        for (const auto protocol : {Protocol::simple, Protocol::ll, Protocol::ll128, Protocol::lamport, Protocol::copy}) {
          SCOPED_TRACE(std::string(planner) + " " + std::string(to_string(kind)) + " " + std::string(to_string(protocol)) + " " + machine.name());
          const auto plan = *testing::plan_on(machine, planner, kind);
          Emulation emulation(machine, plan, payload, {.protocol = protocol}, false);
          const auto& program = emulation.program();
          expect_predicted(machine, program);
          expect_exported(machine, plan, program);
          // Copy engines are no interpreter, and reach what the GPUs reach.
          if (protocol == Protocol::copy) continue;
          program.packets ? expect_run_by_packets(emulation) : expect_run_by_slices(emulation);
          EXPECT_EQ(emulation.call<float>(0), 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace p2plab
