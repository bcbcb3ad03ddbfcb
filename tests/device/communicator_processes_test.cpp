// SPDX-License-Identifier: Apache-2.0
// Communicators of several processes, one a GPU; skips itself aloud where there are not two. Nothing here uses CUDA before it forks.
#include <gtest/gtest.h>

#include "cuda/memory/buffers.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/communicator.h"
#include "p2plab/run/processes.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::communicator_processes_test {
namespace {

// All-reduces of one process: prepared, called and compared.
class Rounds {
 public:
  Rounds(Session& session, Communicator& communicator)
      : session_(session), communicator_(communicator), machine_(test::one_switch(session.ranks())) {}

  Status run(const std::string& planner, const Tuning& tuning, std::int64_t elements, BufferUse use) {
    const auto plan = test::plan_on(machine_, planner, CollectiveKind::all_reduce);
    if (!plan) return plan.error();
    const auto proof = verify(machine_, plan->schedule);
    if (!proof) return proof.error();
    const Payload payload{.elements = elements, .type = DataType::float16};
    const auto program = lower(plan->schedule, *proof, payload, tuning);
    if (!program) return program.error();
    std::vector<int> devices;
    for (int r = 0; r < session_.ranks(); ++r) devices.push_back(r);
    const auto buffers = cuda::Buffers::create(plan->schedule, payload, devices, {.only = Rank{session_.rank()}});
    if (!buffers) return buffers.error();
    const auto called = call({&machine_, &*plan, &*program}, *buffers, use);
    // The operation has ended here; nobody frees buffers before it has everywhere.
    if (auto all = session_.barrier(); !all) return all;
    return called;
  }

  // Registered buffers of which the last rank's are no GPU's memory turn all ranks back with one reason; staged ones work on.
  Status refuse_a_strange_buffer() {
    const auto plan = test::plan_on(machine_, "ring", CollectiveKind::all_reduce);
    const auto proof = verify(machine_, plan->schedule);
    const auto program = lower(plan->schedule, *proof, {.elements = 1000, .type = DataType::float16}, {.blocks_per_lane = 2, .slice = 64_KiB});
    const auto memory = cuda::allocate(4_KiB);
    if (!memory) return memory.error();
    const auto address = session_.rank() == session_.ranks() - 1 ? 4096 : memory->address();
    const std::vector<DeviceBuffers> named(static_cast<std::size_t>(session_.ranks()), {address, address});
    const auto operation = communicator_.prepare({&machine_, &*plan, &*program}, BufferUse::registered, named);
    if (operation || operation.error().code != ErrorCode::unsupported || operation.error().message != "rank 1: 0x1000 is not in a GPU's memory")
      return Error{ErrorCode::verification_failed, operation ? "strange buffers were taken" : operation.error().message};
    return run("ring", {.blocks_per_lane = 2, .slice = 64_KiB}, 1000, BufferUse::staged);
  }

 private:
  Status call(const Job& job, const cuda::Buffers& buffers, BufferUse use) {
    const auto addresses = buffers.addresses();
    const Rank rank{session_.rank()};
    const auto stream = cuda::create_stream();
    if (!stream) return stream.error();
    const auto named = use == BufferUse::registered ? std::span<const DeviceBuffers>{addresses} : std::span<const DeviceBuffers>{};
    const auto operation = communicator_.prepare(job, use, named);
    if (!operation) return operation.error();
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      if (auto done = buffers.generate(seed); !done) return done;
      if (auto all = session_.barrier(); !all) return all;
      const auto called =
          use == BufferUse::registered ? operation->call(rank, stream->get()) : operation->call(rank, addresses[rank.index()], stream->get());
      if (!called) return called;
      if (auto done = cuda::synchronize(*stream); !done) return done;
      if (auto well = operation->state(); !well) return well;
      const auto found = buffers.compare(seed);
      if (!found) return found.error();
      if (!found->passed) return Error{ErrorCode::verification_failed, found->first_wrong};
    }
    return {};
  }

  Session& session_;
  Communicator& communicator_;
  Topology machine_;
};

Status all_rounds(Session& session) {
  auto communicator = Communicator::create(session, session.rank());
  if (!communicator) return communicator.error();
  Rounds rounds(session, *communicator);
  MemoryUse first;
  for (int round = 0; round < 3; ++round) {
    for (const auto use : {BufferUse::registered, BufferUse::staged}) {
      for (const auto& tuning : {Tuning{.protocol = Protocol::lamport}, Tuning{.blocks_per_lane = 2, .slice = 64_KiB}}) {
        // Buffers of a few bytes share an allocation with others; large ones have their own.
        for (const std::int64_t elements : {5, 1'000'003}) {
          if (auto done = rounds.run("ring", tuning, elements, use); !done) return done;
        }
      }
    }
    const auto memory = communicator->memory(Rank{session.rank()});
    if (round == 0) first = memory;
    if (memory.lent != Bytes{0}) return Error{ErrorCode::verification_failed, "memory was not given back"};
    if (memory.allocations != first.allocations) return Error{ErrorCode::verification_failed, "memory was allocated anew"};
  }
  return rounds.refuse_a_strange_buffer();
}

TEST(CudaProcesses, ACommunicatorServesOperationsOnMemoryThatIsGivenOnce) {
  const auto outcomes = run_processes({.ranks = 2}, all_rounds);
  ASSERT_TRUE(outcomes);
  const auto& first = outcomes->front();
  const bool lacks = !first && (first.error().code == ErrorCode::no_device || first.error().code == ErrorCode::invalid_input);
  if (lacks) GTEST_SKIP() << describe(first.error());
  for (const auto& outcome : *outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

}  // namespace
}  // namespace p2plab::communicator_processes_test
