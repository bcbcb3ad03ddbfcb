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

namespace p2plab::one_program_test {
namespace {

using test::Emulation;
using Float = device::Fixed<device::Float, ReduceOp::sum>;

// What moves, whoever reads the program: how often each rank reads and writes. Who reads it tells items loaded together by the first one's step.
using Moves = std::vector<std::pair<std::size_t, std::size_t>>;

Moves moves_of_lanes(const Program& program) {
  Moves moves(program.memory.size());
  for (const auto& lane : program.lanes) {
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      moves[lane.rank.index()].first += program.instructions[i].sources;
      moves[lane.rank.index()].second += program.instructions[i].destinations;
    }
  }
  return moves;
}

Moves moves_of(const Program& program) {
  if (!program.packets) return moves_of_lanes(program);
  Moves moves(program.memory.size());
  for (std::size_t r = 0; r < moves.size(); ++r) {
    for (const auto& item : program.packets->ranks[r]) {
      moves[r].first += item.sources.size();
      moves[r].second += item.destinations.size();
    }
  }
  return moves;
}

void expect_predicted(const Topology& machine, const Program& program) {
  const auto result = simulate(machine, program, {}, {.record = true});
  ASSERT_TRUE(result) << describe(result.error());
  const auto& ran = recorded(program, result->recording);
  EXPECT_EQ(ran.packets.get(), program.packets.get());
  EXPECT_EQ(moves_of_lanes(ran), moves_of(program));
}

void expect_run_by_packets(Emulation& emulation) {
  const auto& program = emulation.program();
  program.packets->wire == PacketWire::lamport ? emulation.prepare_packets<device::LamportWire<4>, Float>(1)
                                               : emulation.prepare_packets<device::LlWire, Float>(1);
  EXPECT_EQ(&emulation.packets(), program.packets.get());
  Moves run;
  for (std::size_t r = 0; r < program.memory.size(); ++r)
    run.emplace_back(emulation.linked_packets(r).sources.size(), emulation.linked_packets(r).stores.size());
  EXPECT_EQ(run, moves_of(program));
}

void expect_run_by_slices(Emulation& emulation) {
  emulation.prepare_slices<Float>();
  Moves run(emulation.program().memory.size());
  for (std::size_t r = 0; r < run.size(); ++r) {
    for (const auto& instruction : emulation.linked_slices(r).instructions) {
      run[r].first += instruction.sources;
      run[r].second += instruction.destinations;
    }
  }
  EXPECT_EQ(run, moves_of(emulation.program()));
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
  for (const auto& machine : {test::one_switch(4), test::pairs_across_a_host()}) {
    for (const auto* planner : {"ring", "two_shot"}) {
      for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather}) {
        for (const auto protocol : {Protocol::simple, Protocol::ll, Protocol::ll128, Protocol::lamport, Protocol::copy}) {
          SCOPED_TRACE(std::string(planner) + " " + std::string(to_string(kind)) + " " + std::string(to_string(protocol)) + " " + machine.name());
          const auto plan = *test::plan_on(machine, planner, kind);
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
}  // namespace p2plab::one_program_test
