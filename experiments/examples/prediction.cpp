// SPDX-License-Identifier: Apache-2.0
// A prediction: which of three plans is fastest at which size on eight H200s, and how far from the bound it is.
#include <array>
#include <cstdio>
#include <optional>

#include <p2plab/plan.h>

using namespace p2plab;

namespace {

int fail(const Error& error) {
  std::fputs(describe(error).c_str(), stderr);
  return exit_code(error);
}

}  // namespace

int main(int count, char** arguments) {
  const auto machine = resolve_topology("hgx-h200");
  if (!machine) return fail(machine.error());
  const auto profile = count > 1 ? load_profile(arguments[1]) : Profile{};  // without a file: an ideal machine
  if (!profile) return fail(profile.error());
  const Planning planning(Evaluator(*machine, *profile));
  const auto collective = make_collective(CollectiveKind::all_reduce, machine->ranks());
  const auto least = bound(*machine, collective);
  if (!least) return fail(least.error());

  for (std::int64_t size = 1 << 10; size <= 1 << 26; size *= 16) {
    const auto payload = payload_of(Bytes{size}, DataType::float16, ReduceOp::sum);
    std::optional<Evaluation> best;
    for (const auto* name : std::array{"one_shot", "two_shot", "ring"}) {
      auto judged = planning.plan({name}, collective, payload);  // plans and proves once, lowers, tunes and predicts at every size
      if (!judged) return fail(judged.error());
      if (!best || judged->prediction.time < best->prediction.time) best = *std::move(judged);
    }
    std::printf("%9lld B: %-8s %8.2f us, %.0f %% of the bound\n", static_cast<long long>(size), best->plan().planner.c_str(),
                best->prediction.time.count() * 1e6, 100 * (lower_bound(*least, payload) / best->prediction.time));
  }
}
