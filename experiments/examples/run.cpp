// SPDX-License-Identifier: Apache-2.0
// A run: a two-shot all-reduce of real data on CPU threads, compared with a float64 reference.
#include <cstdio>

#include <p2plab/machine/presets.h>
#include <p2plab/plan/builtin_planners.h>
#include <p2plab/program/lower.h>
#include <p2plab/run/builtin_executors.h>
#include <p2plab/schedule/verify.h>

using namespace p2plab;

namespace {

int fail(const Error& error) {
  std::fputs(describe(error).c_str(), stderr);
  return exit_code(error);
}

}  // namespace

int main(int count, char** arguments) {
  const char* name = count > 1 ? arguments[1] : "host";  // or cuda, where there are GPUs
  const auto machine = resolve_topology("hgx-h200:gpus=4");
  if (!machine) return fail(machine.error());
  const Payload payload{.elements = 1 << 16, .type = DataType::float16};

  const auto planners = builtin_planners();
  const auto plan = planners.find("two_shot")->make()->plan(*machine, make_collective(CollectiveKind::all_reduce, 4), {.payload = payload});
  if (!plan) return fail(plan.error());
  const auto proof = verify(*machine, plan->schedule);
  if (!proof) return fail(proof.error());
  const auto program = lower(plan->schedule, *proof, payload, plan->tuning);
  if (!program) return fail(program.error());

  const auto executors = builtin_executors();
  const auto entry = executors.get("executor", name);
  if (!entry) return fail(entry.error());
  const auto executor = (*entry)->make();
  if (const auto ready = executor->available(); !ready) return fail(ready.error());
  const auto result = executor->run({&*machine, &*plan, &*program}, RunOptions{});
  if (!result) return fail(result.error());
  std::printf("%s: %lld elements compared, %lld wrong\n", name, static_cast<long long>(result->check->elements),
              static_cast<long long>(result->check->wrong));
  return result->check->passed ? 0 : 1;
}
