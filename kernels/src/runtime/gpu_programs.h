// SPDX-License-Identifier: Apache-2.0
// Programs on GPUs, made from plans: any addresses, and counts up to the one that a program is for.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/program/planner.h"
#include "p2plab/run/communicator.h"
#include "runtime/agreed_programs.h"

namespace p2plab::runtime {

/// What runs a call: a plan, the machine it is for, and its form where that was tuned (else it is chosen by size). The same on all ranks.
struct ChosenPlan {
  Topology machine;
  Plan plan;
  std::optional<Tuning> tuning = std::nullopt;
  ExpectedTime expected = {};  // as a table says
  std::int64_t slices = 1;     // over servers: in so many, at most, large calls may go
};
class Carriers;
using PlanSource = std::function<Result<ChosenPlan>(const Call&)>;

class GpuPrograms final : public ProgramMaker {
 public:
  struct Here {
    int rank = 0;
    int device = 0;
  };
  /// `session`, of all ranks, is null where all live in this process. At most `most_blocks` thread blocks run a call; 0: as many as are fast.
  /// `network` carries messages between servers; the communicator is of this rank's server then. Null: there is one server.
  GpuPrograms(Communicator& communicator, Session* session, int ranks, std::vector<Here> here, PlanSource plans, int most_blocks = 0,
              const Carriers* network = nullptr)
      : communicator_(communicator),
        session_(session),
        ranks_(ranks),
        here_(std::move(here)),
        plans_(std::move(plans)),
        most_blocks_(most_blocks),
        network_(network) {}

  Result<std::unique_ptr<ReadyProgram>> make(const Call& call) override;
  void decline(const Call& call, const Error& why) override;
  void enter_thread() override;

 private:
  Result<std::unique_ptr<ReadyProgram>> make_staged(const Call& call);

  Communicator& communicator_;
  Session* session_;
  int ranks_;
  std::vector<Here> here_;
  PlanSource plans_;
  int most_blocks_;
  const Carriers* network_;
};

}  // namespace p2plab::runtime
