// SPDX-License-Identifier: Apache-2.0
// Folded schedules: they mean the list of all their steps, and a wrong image is found.
#include "p2plab/schedule/folding.h"

#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "support/folding.h"

namespace p2plab::folding_test {
namespace {

// A ring both ways, each link twice, so that routes have names.
Topology double_ring(int n) {
  Topology::Builder builder("double-ring");
  for (int i = 0; i < n; ++i) builder.add_node({.name = "gpu" + std::to_string(i)});
  for (int lane = 0; lane < 2; ++lane) {
    for (int i = 0; i < n; ++i) {
      builder.add_link({NodeId{i}, NodeId{(i + 1) % n}, LinkKind::nvlink, GBps(25), Seconds{1e-6}});
      builder.add_link({NodeId{(i + 1) % n}, NodeId{i}, LinkKind::nvlink, GBps(25), Seconds{1e-6}});
    }
  }
  return *std::move(builder).build();
}

// Everything a folded schedule is made of, open to change.
struct FoldedEdit {
  CollectiveKind kind = CollectiveKind::all_gather;
  int ranks = 0;
  std::vector<Chunk> chunks;
  std::vector<std::vector<LinkId>> routes;
  std::vector<test::EditedStep> steps;
  std::vector<ScheduleImage> images;

  Result<Schedule> built() const {
    auto builder = *Schedule::Builder::create(make_collective(kind, ranks), ranks);
    for (const auto& chunk : chunks) builder.add_chunk(chunk);
    for (const auto& route : routes) builder.add_route(route);
    for (const auto& step : steps) builder.add_step(step.executor, step.sources, step.destinations, step.routes);
    builder.fold(images);
    return std::move(builder).build();
  }
};

FoldedEdit turning(CollectiveKind kind, int n) {
  FoldedEdit edit;
  edit.kind = kind;
  edit.ranks = n;
  for (int k = 0; k < n; ++k) edit.routes.push_back({LinkId{2 * n + 2 * k}});  // from rank k to the next on the second lane
  for (int i = 0; i < n; ++i) {
    // Two chunks of each rank's block, in channels of their own.
    edit.chunks.push_back({i, 2, 0});
    edit.chunks.push_back({i, 1, 1});
    ScheduleImage image;
    for (int r = 0; r < n; ++r) {
      image.ranks.emplace_back((r + i) % n);
      image.routes.emplace_back((r + i) % n);
    }
    edit.images.push_back(std::move(image));
  }
  return edit;
}

// Chunk 0 of rank 0 goes once around on the second lane, through scratch; chunk 1 on the machine's own route.
FoldedEdit gather_around(int n) {
  auto edit = turning(CollectiveKind::all_gather, n);
  const std::array chunks{ChunkId{0}, ChunkId{1}};
  for (const auto c : chunks) edit.steps.push_back({Rank{0}, {input(Rank{0}, c)}, {output(Rank{0}, c)}, {}});
  for (int r = 0; r + 1 < n; ++r) {
    const Rank here{r};
    const Rank next{r + 1};
    const auto from = r == 0 ? input(here, chunks[0]) : scratch(here, 0);
    edit.steps.push_back({here, {from}, {scratch(next, 0), output(next, chunks[0])}, {default_route, RouteId{r}, RouteId{r}}});
    edit.steps.push_back({here, {r == 0 ? input(here, chunks[1]) : output(here, chunks[1])}, {output(next, chunks[1])}, {}});
  }
  return edit;
}

// Both chunks are summed up around the ring, ending at rank 0.
FoldedEdit scatter_around(int n) {
  auto edit = turning(CollectiveKind::reduce_scatter, n);
  for (int r = 1; r <= n; ++r) {
    for (int c = 0; c < 2; ++c) {
      const Rank here{r % n};
      std::vector<Location> sources{input(here, ChunkId{c})};
      if (r > 1) sources.push_back(scratch(here, c));
      const auto to = r == n ? output(here, ChunkId{c}) : scratch(Rank{(r + 1) % n}, c);
      edit.steps.push_back({here, sources, {to}, {}});
    }
  }
  return edit;
}

TEST(Folding, MeansTheListOfAllSteps) {
  for (const int n : {2, 3, 5, 8, 16}) {
    SCOPED_TRACE(n);
    const auto machine = double_ring(n);
    for (const auto& edit : {gather_around(n), scatter_around(n)}) {
      const auto schedule = edit.built();
      ASSERT_TRUE(schedule) << describe(schedule.error());
      EXPECT_EQ(schedule->step_count(), edit.steps.size() * static_cast<std::size_t>(n));
      EXPECT_TRUE(verify(machine, *schedule));
      test::expect_as_listed(machine, *schedule);
    }
  }
}

TEST(Folding, ListsStepByStepInImageAfterImage) {
  const auto schedule = *gather_around(3).built();
  const auto& folding = schedule.folding();
  EXPECT_EQ(folding.origin(StepId{3}).image, 0);
  EXPECT_EQ(folding.origin(StepId{3}).step, StepId{1});
  EXPECT_EQ(folding.origin(StepId{11}).image, 2);
  EXPECT_EQ(folding.origin(StepId{11}).step, StepId{3});
  EXPECT_EQ(folding.id_of(1, StepId{5}), StepId{16});
  // Chunk 1 of image 2; rank 1's second slot comes from image 0, its first from the image that starts at rank 2.
  EXPECT_EQ(schedule.in_image(2, ChunkId{1}), ChunkId{5});
  EXPECT_EQ(schedule.slots(Rank{1}, Buffer::scratch), 2);
  EXPECT_EQ(schedule.in_image(2, scratch(Rank{2}, 0)), scratch(Rank{1}, 1));
}

TEST(Folding, IsMuchSmallerThanTheList) {
  const auto schedule = *gather_around(64).built();
  const auto listed = *test::ScheduleEdit(schedule).rebuilt();
  EXPECT_LT(schedule.memory() * 5, listed.memory());
}

std::string fault_of(const FoldedEdit& edit) {
  const auto schedule = edit.built();
  if (!schedule) return schedule.error().message;
  const auto machine = double_ring(edit.ranks);
  const auto proof = verify(machine, *schedule);
  return proof ? "" : proof.error().message;
}

TEST(Folding, NamesWhatIsWrongWithAnImage) {
  const auto good = gather_around(4);
  EXPECT_EQ(fault_of(good), "");
  auto edit = good;
  edit.images[2].ranks[0] = Rank{3};
  EXPECT_EQ(fault_of(edit), "image 2: moves two ranks to rank 3");
  edit = good;
  edit.images[1].ranks[3] = Rank{4};
  EXPECT_EQ(fault_of(edit), "image 1: moves rank 3 to 4, which is not on this machine");
  edit = good;
  std::swap(edit.images[0], edit.images[1]);
  EXPECT_EQ(fault_of(edit), "image 0: is the base and may not move rank 0");
  edit = good;
  edit.images[3].ranks.pop_back();
  EXPECT_EQ(fault_of(edit), "image 3: must give all 4 ranks");
  edit = good;
  edit.images[3].routes[1] = RouteId{4};
  EXPECT_EQ(fault_of(edit), "image 3: moves route 1 to 4, which does not exist");
  edit = good;
  edit.images.pop_back();
  EXPECT_EQ(fault_of(edit), "8 chunks cannot be divided among 3 images");
  edit = good;
  edit.steps[0].destinations[0] = output(Rank{0}, ChunkId{2});
  EXPECT_EQ(fault_of(edit), "step 0: names chunk 2 of 2");
  edit = good;
  edit.chunks[5].block = 1;
  EXPECT_EQ(fault_of(edit), "image 2 moves chunk 1 to chunk 5, whose block has other senders or receivers");
  edit = good;
  std::swap(edit.images[1].routes[0], edit.images[1].routes[1]);
  EXPECT_EQ(fault_of(edit), "step 9: route 2 breaks before its link 0 (gpu2 -> gpu3)");
  edit = good;
  std::swap(edit.images[1].ranks[2], edit.images[1].ranks[3]);
  EXPECT_EQ(fault_of(edit).substr(0, 8), "step 17:");
  edit = good;
  edit.steps.pop_back();
  EXPECT_EQ(fault_of(edit), "at the end rank 3 output[1] must hold the contributions of {0}, found nothing");
}

TEST(Folding, ALinkThatOneImageLacksIsMissed) {
  const auto whole = double_ring(5);
  Topology::Builder builder("torn");
  for (const auto& node : whole.nodes()) builder.add_node(node);
  for (const auto& link : whole.links()) {
    if (link.from != NodeId{3} || link.to != NodeId{4}) builder.add_link(link);
  }
  const auto torn = *std::move(builder).build();
  const auto schedule = *scatter_around(5).built();
  const auto proof = verify(torn, schedule);
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().code, ErrorCode::verification_failed);
  // The base itself sends from rank 3 to rank 4.
  EXPECT_NE(proof.error().message.find("rank 3 writes rank 4 scratch[0], but the machine has no path"), std::string::npos) << proof.error().message;
}

// Changes something somewhere in the images, the chunks or the base.
void spoil(FoldedEdit& edit, std::mt19937_64& random) {
  const auto below = [&](std::size_t count) { return static_cast<std::size_t>(random() % count); };
  auto& image = edit.images[below(edit.images.size())];
  auto& step = edit.steps[below(edit.steps.size())];
  switch (below(8)) {
    case 0: return std::swap(image.ranks[below(image.ranks.size())], image.ranks[below(image.ranks.size())]);
    case 1: image.routes[below(image.routes.size())] = RouteId{static_cast<std::int64_t>(below(edit.routes.size()))}; return;
    case 2: edit.chunks[below(edit.chunks.size())].block = static_cast<std::int32_t>(below(static_cast<std::size_t>(edit.ranks))); return;
    case 3: return std::swap(edit.images[below(edit.images.size())], edit.images[below(edit.images.size())]);
    case 4: step.destinations.front().slot = static_cast<std::uint32_t>(below(2)) & 1U; return;
    case 5: step.sources.front().rank = Rank{static_cast<std::int64_t>(below(static_cast<std::size_t>(edit.ranks)))}; return;
    case 6: step.executor = Rank{static_cast<std::int64_t>(below(static_cast<std::size_t>(edit.ranks)))}; return;
    default: edit.steps.erase(edit.steps.begin() + static_cast<std::ptrdiff_t>(below(edit.steps.size()))); return;
  }
}

TEST(Folding, IsProvedExactlyIfTheListIs) {
  std::mt19937_64 random(7);
  int rejected = 0;
  int accepted = 0;
  for (int trial = 0; trial < 600; ++trial) {
    const int n = 2 + trial % 4;
    auto edit = trial % 2 == 0 ? gather_around(n) : scatter_around(n);
    spoil(edit, random);
    const auto schedule = edit.built();
    if (!schedule) continue;
    const auto listed = test::ScheduleEdit(*schedule).rebuilt();
    ASSERT_TRUE(listed);
    const auto machine = double_ring(n);
    const bool in_place = trial % 3 == 0;
    const bool good = static_cast<bool>(verify(machine, *listed, {.in_place = in_place}));
    ++(good ? accepted : rejected);
    const auto proof = verify(machine, *schedule, {.in_place = in_place});
    EXPECT_EQ(static_cast<bool>(proof), good) << trial << (proof ? "" : describe(proof.error()));
  }
  EXPECT_GT(rejected, 200);
  EXPECT_GT(accepted, 50);
}

TEST(Folding, PlanFilesAreSmallAndHostileOnesAreErrors) {
  const auto machine = double_ring(16);
  const auto folded = *gather_around(16).built();
  const auto text = write_plan({machine, Plan{.schedule = folded, .planner = "by hand"}, {}, false});
  const auto listed = write_plan({machine, Plan{.schedule = *test::ScheduleEdit(folded).rebuilt(), .planner = "by hand"}, {}, false});
  EXPECT_LT(text.size() * 2, listed.size());
  // A turn by one is written out, the others are products.
  EXPECT_EQ(text.find("[[1,2,3,"), text.rfind("[[1,2,"));
  const auto message = [&](const std::string& from, const std::string& to) {
    auto changed = text;
    const auto place = changed.find(from);
    EXPECT_NE(place, std::string::npos) << from;
    const auto read = read_plan(changed.replace(place, from.size(), to), "p.json");
    EXPECT_FALSE(read);
    return read ? "" : read.error().message;
  };
  EXPECT_EQ(message("[[1,2,3,", "[[1,3,3,"), "image 1: moves two ranks to rank 3");
  EXPECT_EQ(message("[[1,2,3,", "[[2,3,"), "at /images/0/0: expected 16 numbers");
  EXPECT_EQ(message("],[1,1],", "],[1,2],"), "at /images/1/1: expected a whole number from 0 to 1");
  EXPECT_EQ(message("],[1,1],", "],[1],"), "at /images/1: expected two earlier images, or lists of ranks and routes");
  EXPECT_EQ(message("],[1,1],", "],{},"), "at /images/1: expected an array");
  EXPECT_EQ(message("\"images\":[", "\"images\":[[0,0],"), "32 chunks cannot be divided among 17 images");
  auto former = text;
  former.insert(former.find("\"images\":["), "\"phases\":[2],");
  EXPECT_EQ(read_plan(former, "p.json")->warnings,
            std::vector<std::string>{"p.json: folded plans have no 'phases' now; version 0.3 will not read them"});
  std::string many = "\"images\":[[0,0]";
  for (int i = 0; i < 3000; ++i) many += ",[0,0]";
  auto far_too_many = text;
  const auto ranks = far_too_many.find("\"ranks\":16");
  far_too_many.replace(far_too_many.find("\"images\":["), 10, many + ",").replace(ranks, 10, "\"ranks\":1000000");
  EXPECT_EQ(read_plan(far_too_many, "p.json").error().message, "at /images: 3017 images of 1000000 ranks and 16 routes are too many");
}

}  // namespace
}  // namespace p2plab::folding_test
