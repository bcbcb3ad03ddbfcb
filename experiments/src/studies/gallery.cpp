// SPDX-License-Identifier: Apache-2.0
// Predicts what the gallery's machines were measured to do.
#include "p2plab/experiment/gallery.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "p2plab/machine/mask.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/check.h"
#include "p2plab/schedule/verify.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

namespace {

constexpr Bytes staging_slice{512 << 10};  // a step of NCCL's buffers; store and forward through host memory goes by such pieces
constexpr int staged_loops = 16;
constexpr Bytes copy_slice{1 << 20};
constexpr double tie = 0.001;  // rates nearer to each other are one

struct Planned {
  Schedule schedule;
  Tuning tuning;
};

// A ring in which every hop goes through the sender's host memory: it writes its sum there, the next one reads and adds. The payload goes around in
// loops, as in NCCL, so that the pieces of one loop fill the gaps of the other.
class StagedRing {
 public:
  static Result<Planned> make(int n) {
    auto builder = Schedule::Builder::create(make_collective(CollectiveKind::all_reduce, n), n);
    if (!builder) return std::move(builder).error();
    StagedRing ring(*std::move(builder), n);
    for (int loop = 0; loop < staged_loops; ++loop) ring.around();
    auto schedule = std::move(ring.builder_).build();
    if (!schedule) return std::move(schedule).error();
    return Planned{*std::move(schedule), {.slice = staging_slice}};
  }

 private:
  StagedRing(Schedule::Builder builder, int n) : builder_(std::move(builder)), n_(n) {}

  void around() {
    std::vector<ChunkId> chunks;
    for (int p = 0; p < n_; ++p) chunks.push_back(builder_.add_chunk({}));
    for (int k = 0; k < 2 * (n_ - 1); ++k) {
      for (int p = 0; p < n_; ++p) hop(k, p, chunks[static_cast<std::size_t>(p)]);
    }
    first_slot_ += std::int64_t{2} * (n_ - 1) * n_;
  }

  // Piece p on its k-th way: n - 1 times to be summed, then to be handed out.
  void hop(int k, int p, ChunkId chunk) {
    const Rank from{(p + 1 + k) % n_};
    const Rank to{(p + 2 + k) % n_};
    const auto slot = first_slot_ + static_cast<std::int64_t>(k) * n_ + p;
    std::vector<Location> sources{k >= n_ - 1 ? output(from, chunk) : input(from, chunk)};
    if (k > 0 && k < n_ - 1) sources.push_back(scratch(from, slot));
    builder_.add_step(from, sources, std::array{host(from, slot)});
    if (k < n_ - 2) {
      builder_.add_step(to, std::array{host(from, slot)}, std::array{scratch(to, slot + n_)});
    } else if (k == n_ - 2) {
      builder_.add_step(to, std::array{host(from, slot), input(to, chunk)}, std::array{output(to, chunk)});
    } else {
      builder_.add_step(to, std::array{host(from, slot)}, std::array{output(to, chunk)});
    }
  }

  Schedule::Builder builder_;
  int n_;
  std::int64_t first_slot_ = 0;
};

Result<Planned> peer_rings(const Topology& topology, const Routes& routes, int most) {
  const auto planners = builtin_planners();
  PlanContext context{.routes = &routes};
  if (most > 0) context.parameters["rings"] = fmt::format("{}", most);
  auto plan = planners.find("ring")->make()->plan(topology, make_collective(CollectiveKind::all_reduce, topology.ranks()), context);
  if (!plan) return std::move(plan).error();
  return Planned{std::move(plan->schedule), {}};
}

Result<Planned> copies(const Topology& topology, const GalleryFigure& figure) {
  auto collective = make_collective(CollectiveKind::send_receive, topology.ranks());
  collective.pairs.clear();
  for (const auto& [from, to] : figure.copies) collective.pairs.emplace_back(Rank{from}, Rank{to});
  auto builder = Schedule::Builder::create(collective, topology.ranks());
  if (!builder) return std::move(builder).error();
  for (std::size_t p = 0; p < figure.copies.size(); ++p) {
    const auto [from, to] = collective.pairs[p];
    const auto chunk = builder->add_chunk({.block = static_cast<std::int32_t>(p)});
    if (figure.staged) {
      builder->copy(from, input(from, chunk), host(from, static_cast<std::int64_t>(p)));
      builder->copy(to, host(from, static_cast<std::int64_t>(p)), output(to, chunk));
    } else {
      builder->copy(from, input(from, chunk), output(to, chunk));
    }
  }
  auto schedule = std::move(*builder).build();
  if (!schedule) return std::move(schedule).error();
  return Planned{*std::move(schedule), {.slice = copy_slice}};
}

Result<SimResult> timed(const Topology& topology, const Routes& routes, const Planned& planned, Bytes size, const Profile& profile) {
  const auto proof = verify(topology, routes, planned.schedule);
  if (!proof) return proof.error();
  const auto program =
      lower_checked(topology, routes, planned.schedule, *proof, {.elements = size.count() / 4, .type = DataType::float32}, planned.tuning);
  if (!program) return program.error();
  return simulate(topology, routes, *program, profile, {.steps = true});
}

Result<double> bus_bandwidth(const GalleryCase& one, const GalleryFigure& figure, const Profile& profile) {
  std::vector<Rank> first;
  for (int r = 0; r < figure.gpus; ++r) first.push_back(Rank{r});
  const auto machine = keep_gpus(one.topology, first);
  if (!machine) return machine.error();
  const Routes routes(*machine);
  const auto planned = figure.staged ? StagedRing::make(figure.gpus) : peer_rings(*machine, routes, figure.rings);
  if (!planned) return planned.error();
  const auto result = timed(*machine, routes, *planned, figure.size, profile);
  if (!result) return result.error();
  return static_cast<double>(figure.size.count()) / to_seconds(result->makespan).count() * 1e-9 * bus_factor(CollectiveKind::all_reduce, figure.gpus);
}

// Copies are what link parameters were taken from: no launch, no efficiency of rings.
Result<double> copy_rate(const GalleryCase& one, const GalleryFigure& figure) {
  const Routes routes(one.topology);
  const auto planned = copies(one.topology, figure);
  if (!planned) return planned.error();
  const auto result = timed(one.topology, routes, *planned, figure.size, {});
  if (!result) return result.error();
  // The last step of each copy ends it.
  const auto per_copy = figure.staged ? 2U : 1U;
  double sum = 0;
  for (std::size_t p = 0; p < figure.copies.size(); ++p) {
    const auto end = result->steps[(p + 1) * per_copy - 1].end;
    sum += static_cast<double>(figure.size.count()) / to_seconds(end).count() * 1e-9;
  }
  return figure.sum ? sum : sum / static_cast<double>(figure.copies.size());
}

OrderKept check_order(const GalleryOrder& order, std::span<const GalleryRow> rows) {
  auto kept = OrderKept::yes;
  const auto rate = [&](const std::string& name) {
    return std::ranges::find(rows, name, [](const GalleryRow& row) { return row.figure.name; })->predicted_gbps;
  };
  for (std::size_t i = 0; i + 1 < order.names.size(); ++i) {
    const auto ratio = rate(order.names[i]) / rate(order.names[i + 1]);
    if (ratio < 1 - tie) return OrderKept::no;
    if (ratio <= 1 + tie) kept = OrderKept::tied;
  }
  return kept;
}

}  // namespace

Result<GalleryReport> run_gallery(const Gallery& gallery, Progress& progress) {
  GalleryReport report{.name = gallery.name};
  progress.stage("gallery", static_cast<std::int64_t>(gallery.cases.size()));
  for (const auto& one : gallery.cases) {
    const auto first = report.rows.size();
    for (const auto& figure : one.figures) {
      const auto rate = figure.all_reduce ? bus_bandwidth(one, figure, gallery.profile) : copy_rate(one, figure);
      if (!rate) {
        auto error = rate.error();
        error.notes.insert(error.notes.begin(), fmt::format("figure '{}' of {}", figure.name, one.name));
        return error;
      }
      report.rows.push_back({one.name, figure, *rate});
    }
    for (const auto& order : one.orders) report.orders.push_back({one.name, order, check_order(order, std::span{report.rows}.subspan(first))});
    progress.advance(one.name);
  }
  return report;
}

}  // namespace p2plab
