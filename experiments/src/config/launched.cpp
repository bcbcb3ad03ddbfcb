// SPDX-License-Identifier: Apache-2.0
#include "config/launched.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/experiment/version.h"
#include "p2plab/run/rendezvous.h"

namespace p2plab {

namespace {

struct Launcher {
  const char* name;
  const char* rank;
  const char* ranks;
};

constexpr std::array launchers{Launcher{"torchrun", "RANK", "WORLD_SIZE"}, Launcher{"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                               Launcher{"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}, Launcher{"MPICH", "PMI_RANK", "PMI_SIZE"}};

Error bad(std::string message, std::string note) { return Error{ErrorCode::invalid_input, std::move(message), std::nullopt, {std::move(note)}}; }

std::string of_environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::string{} : value;
}

std::optional<int> whole(const std::string& text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc{} && end == text.data() + text.size() && value >= 0 ? std::optional{value} : std::nullopt;
}

// What the launcher calls a job all of whose ranks are on this machine; else nothing. MPICH's has no name.
std::string job_of_this_machine(const LaunchedRank& place, const ReadVariable& variable) {
  if (place.by == "Open MPI" && variable("OMPI_COMM_WORLD_LOCAL_SIZE") == std::to_string(place.ranks)) return variable("PMIX_NAMESPACE");
  const auto job = variable("SLURM_JOB_ID");
  if (place.by != "Slurm" || variable("SLURM_STEP_NUM_NODES") != "1" || job.empty()) return {};
  return fmt::format("{}.{}", job, variable("SLURM_STEP_ID"));
}

// A batch script of Slurm has a rank's number, but is none.
std::string half_of_a_pair(const ReadVariable& variable) {
  for (const auto& launcher : launchers) {
    const bool rank = !variable(launcher.rank).empty();
    if (rank == !variable(launcher.ranks).empty()) continue;
    return fmt::format(": {} is set, {} is not", rank ? launcher.rank : launcher.ranks, rank ? launcher.ranks : launcher.rank);
  }
  return {};
}

Result<LaunchedRank> rank_by(const ReadVariable& variable) {
  for (const auto& launcher : launchers) {
    const auto rank = variable(launcher.rank);
    const auto ranks = variable(launcher.ranks);
    if (rank.empty() || ranks.empty()) continue;
    const auto own = whole(rank);
    const auto all = whole(ranks);
    if (!own || !all || *own >= *all)
      return bad(fmt::format("{}={} and {}={} are no rank of a job", launcher.rank, rank, launcher.ranks, ranks), "ranks are 0 to n-1");
    return LaunchedRank{.rank = *own, .ranks = *all, .by = launcher.name};
  }
  return bad("nothing says which rank this process is" + half_of_a_pair(variable),
             "start it by mpirun, srun or torchrun, or set RANK and WORLD_SIZE; --processes N starts N ranks on this machine");
}

}  // namespace

Result<LaunchedRank> launched_rank(const ReadVariable& variable) {
  auto place = rank_by(variable);
  if (!place) return place;
  place->address = variable("P2PLAB_ADDRESS");
  if (place->address.empty()) place->address = address_of_torchrun(variable);
  if (!place->address.empty()) return place;
  place->job = job_of_this_machine(*place, variable);
  if (!place->job.empty()) return place;
  return bad("the ranks do not know where to meet: neither P2PLAB_ADDRESS nor MASTER_ADDR and MASTER_PORT are set",
             "name a host of rank 0 that all reach, and a free port: mpirun -x P2PLAB_ADDRESS=node1:29500, or export P2PLAB_ADDRESS before srun");
}

Result<LaunchedRank> launched_rank() { return launched_rank(of_environment); }

std::optional<LaunchedRank> started_rank() {
  auto place = rank_by(of_environment);
  return place ? std::optional{*std::move(place)} : std::nullopt;
}

void say_that_ranks_run_alone() {
  const auto place = started_rank();
  if (!place || place->ranks < 2 || place->rank != 0) return;
  std::cerr << fmt::format("note: {} started {} processes, and each runs alone: --launched makes them one job\n", place->by, place->ranks);
}

Status check_started_alike(Session& session, const StartedWith& mine) {
  const auto texts = session.all_gather(nlohmann::json(mine).dump());
  if (!texts) return texts.error();
  const auto first = nlohmann::json::parse(texts->front(), nullptr, false);
  for (std::size_t r = 1; r < texts->size(); ++r) {
    if ((*texts)[r] == texts->front()) continue;
    const auto other = nlohmann::json::parse((*texts)[r], nullptr, false);
    const bool comparable = first.is_array() && other.is_array() && first.size() == other.size();
    for (std::size_t i = 0; comparable && i < first.size(); ++i) {
      if (first[i] == other[i]) continue;
      return bad(fmt::format("rank {} was started with {} {}, rank 0 with {}", r, other[i][0].get<std::string>(), other[i][1].get<std::string>(),
                             first[i][1].get<std::string>()),
                 "all ranks of a job are started alike");
    }
    return bad(fmt::format("rank {} is of another version than rank 0", r), "all ranks of a job are started alike");
  }
  return {};
}

namespace {

// Launchers end a job with its first rank that fails, so what any rank prints must do.
std::string for_all_ranks(const Error& error) {
  std::string text;
  if (error.where)
    text += error.where->line > 0 ? fmt::format("{}:{}:{}: ", error.where->file, error.where->line, error.where->column)
                                  : fmt::format("{}: ", error.where->file);
  text += error.message;
  if (!error.notes.empty()) text += fmt::format(" ({})", error.notes.front().substr(0, 160));
  return text;
}

}  // namespace

Status check_ranks(const std::string& what, int needed, int ranks) {
  if (needed == ranks) return {};
  return bad(fmt::format("{} has {} rank{}, this job {}", what, needed, needed == 1 ? "" : "s", ranks),
             "start as many processes as the machine has GPUs, or say the machine of these");
}

Status as_launched_rank(const std::string& command, const StartedWith& told, Seconds gathering, const std::function<Status(Session&)>& body) {
  const auto place = launched_rank();
  if (!place) return place.error();
  const auto invitation = place->address.empty() ? Result<Invitation>{Invitation::named(fmt::format("{} {}", place->by, place->job))}
                                                 : Invitation::at(place->address, secret_of_environment());
  if (!invitation) return invitation.error();
  if (const auto warning = invitation->warning(); !warning.empty() && place->rank == 0) std::cerr << "note: " << warning << '\n';
  // Some ranks wait while another plans; one that does not run at all is found otherwise.
  constexpr Seconds longest_step{24 * 3600};
  const auto session =
      join(*invitation, {.rank = place->rank, .ranks = place->ranks, .gathering = gathering, .timeout = longest_step, .several_machines = true});
  if (!session) return session.error();
  if (auto agreed = agree(**session, {.build = std::string{version()}, .digest = {}, .obstacle = {}}); !agreed) return agreed;
  auto done = check_started_alike(**session, {{"command", command}});
  if (done) done = check_started_alike(**session, told);
  if (done) done = body(**session);
  if (done) return (*session)->barrier();  // rank 0 serves the others as long as it lives
  // Who waited for nothing because another rank was lost says so.
  if (auto lost = (*session)->state(); !lost && done.error().code == ErrorCode::device_failure) done = std::move(lost);
  abandon(**session, for_all_ranks(done.error()));
  constexpr auto until_all_heard = std::chrono::milliseconds(300);
  if (place->rank == 0) std::this_thread::sleep_for(until_all_heard);
  return done;
}

}  // namespace p2plab
