// SPDX-License-Identifier: Apache-2.0
#include "check/access.h"

#include <array>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "check/ahead.h"
#include "check/describe.h"
#include "check/memory.h"
#include "p2plab/machine/routes.h"
#include "schedule/step_access.h"

namespace p2plab::checking {

namespace {

class AccessChecker {
 public:
  AccessChecker(const Topology& topology, const Program& program)
      : program_(program),
        routes_(topology.routes()),
        reach_(topology, program.route_offsets.size() - 1, [&program](RouteId id) { return program.route(id); }) {}

  Status run() {
    for (const auto& lane : program_.lanes) {
      for (auto i = lane.first; i < lane.first + lane.count; ++i) {
        ask_for_operands(program_, i);
        if (!is_inside(program_, program_.instructions[i]))
          return Error{ErrorCode::invalid_input, name_of(program_, i) + ": " + memory_fault_of(program_, program_.instructions[i])};
        for (const auto& operand : program_.sources(program_.instructions[i])) {
          if (is_here(lane.rank, operand)) continue;
          if (auto fault = fault_of(lane.rank, operand, true)) return fail(i, *fault);
        }
        for (const auto& operand : program_.destinations(program_.instructions[i])) {
          if (is_here(lane.rank, operand)) continue;
          if (auto fault = fault_of(lane.rank, operand, false)) return fail(i, *fault);
        }
      }
    }
    return {};
  }

 private:
  // One kind of transfer; instructions of a lane mostly make the same two.
  using Transfer = std::tuple<Rank, Rank, bool, bool, RouteId>;

  Error fail(std::uint32_t instruction, const std::string& fault) const {
    return Error{ErrorCode::verification_failed, fmt::format("{}: {}", name_of(program_, instruction), fault)};
  }

  static bool is_here(Rank executor, const Operand& operand) {
    return operand.rank == executor && operand.buffer != Buffer::host && operand.route == default_route;
  }

  // Of what is not there at the executor itself.
  std::optional<std::string> fault_of(Rank executor, const Operand& operand, bool reads) {
    const bool in_host = operand.buffer == Buffer::host;
    const Transfer transfer{executor, operand.rank, in_host, reads, operand.route};
    auto& last = last_[reads ? 0 : 1];
    if (last == transfer) return std::nullopt;
    last = transfer;
    if (!known_.insert(transfer).second) return std::nullopt;
    if (operand.route != default_route) return reach_.missing(executor, at(operand.rank, operand.buffer, 0), operand.route, reads);
    const auto path = in_host ? (reads ? routes_.from_host(operand.rank, executor) : routes_.to_host(executor, operand.rank))
                              : (reads ? routes_.between(operand.rank, executor) : routes_.between(executor, operand.rank));
    if (!path.empty()) return std::nullopt;
    return fmt::format("it {} the {} of rank {}, but the machine has no path for that ({})", reads ? "reads" : "writes", to_string(operand.buffer),
                       operand.rank.value, in_host ? "no way to that host memory" : "GPUs do not forward");
  }

  const Program& program_;
  const Routes& routes_;
  StepAccess reach_;
  std::array<Transfer, 2> last_;
  std::set<Transfer> known_;
};

}  // namespace

Status check_access(const Topology& topology, const Program& program) { return AccessChecker{topology, program}.run(); }

}  // namespace p2plab::checking
