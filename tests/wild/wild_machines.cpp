// SPDX-License-Identifier: Apache-2.0
// Every command on random machines: P2PLAB_MACHINES=10000 makes so many (else 6), P2PLAB_MACHINES_SEED is the first one's number. Machines on which
// something was wrong are kept in the folder wild_failures.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "trial.h"

namespace {

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void print(const p2plab::wild::Tallies& tallies, std::uint64_t machines, double seconds) {
  fmt::print(
      "{} machines, {:.0f} s\n| command | runs | done | refused | processor | slowest | past its time | memory "
      "|\n|---|---|---|---|---|---|---|---|\n",
      machines, seconds);
  for (const auto& [name, tally] : tallies)
    fmt::print("| {} | {} | {} | {} | {:.1f} s | {:.2f} s ({}) | {:.2f} s | {} MB |\n", name, tally.runs, tally.done, tally.refused, tally.processor,
               tally.slowest, tally.slowest_seed, tally.late, tally.most_memory / 1'000'000);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fputs("wild_machines PROGRAM SERVER [sanitized]\n", stderr);
    return 2;
  }
  const bool sanitized = count > 3;
  const auto machines = number_of("P2PLAB_MACHINES", 6);
  const auto first = number_of("P2PLAB_MACHINES_SEED", 1);
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("p2plab_wild_{}", getpid());
  std::filesystem::create_directories(folder);
  constexpr std::uint64_t gib = 1ULL << 30;
  // A sanitizer reserves terabytes of addresses, so there what is in memory counts alone. Clocks are looked at only where that is asked for:
  // elsewhere other tests run at the same time.
  const p2plab::wild::Settings settings{.limits = {.address_space = sanitized ? 0 : 8 * gib, .timeout = sanitized ? 600U : 60U},
                                        .memory = static_cast<std::int64_t>(4 * gib),
                                        .slack = std::getenv("P2PLAB_MACHINES") == nullptr ? 60
                                                 : sanitized                               ? 3
                                                                                           : 0.3};
  p2plab::wild::Tallies tallies;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  std::size_t faults = 0;
  {
    const p2plab::wild::Program program(std::filesystem::absolute(arguments[1]), std::filesystem::absolute(arguments[2]), folder / "work");
    p2plab::wild::Trial trial(program, settings, folder / "work", tallies);
    for (std::uint64_t m = 0; m < machines; ++m) {
      const auto found = trial.of(first + m);
      faults += found.size();
      for (const auto& fault : found) fmt::print("FAULT {}\n", fault);
      std::fflush(stdout);
      if (!found.empty()) {
        std::filesystem::create_directories("wild_failures");
        std::filesystem::copy_file(folder / "work/m.yaml", fmt::format("wild_failures/{}.yaml", first + m),
                                   std::filesystem::copy_options::overwrite_existing);
      }
      constexpr std::uint64_t often = 100;
      if ((m + 1) % often == 0) print(tallies, m + 1, seconds());
    }
  }
  print(tallies, machines, seconds());
  fmt::print("{} faults\n", faults);
  std::filesystem::remove_all(folder);
  return faults == 0 ? 0 : 1;
}
