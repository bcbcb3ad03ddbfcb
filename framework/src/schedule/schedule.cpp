// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/schedule.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "p2plab/detail/named.h"
#include "schedule/verify_symmetric.h"

namespace p2plab {

namespace {

constexpr std::array buffers{Named{"input", Buffer::input}, Named{"output", Buffer::output}, Named{"scratch", Buffer::scratch},
                             Named{"host", Buffer::host}};

// Far above any real plan; keeps offsets within 32 bits and a hostile file from asking for all memory.
constexpr std::size_t most_locations = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t most_slots = 1U << 26;
constexpr std::size_t most_operands = 4096;
// As many steps as the largest plan file could list one by one; so a small file cannot ask for more when it is lowered.
constexpr std::size_t most_folded_steps = std::size_t{1} << 26;

template <class T>
std::size_t bytes_of(const std::vector<T>& values) {
  return values.capacity() * sizeof(T);
}

Error bad_step(std::size_t step, const std::string& message) { return Error{ErrorCode::invalid_input, fmt::format("step {}: {}", step, message)}; }

}  // namespace

std::string_view to_string(Buffer buffer) { return to_name<Buffer>(buffer, buffers); }
Result<Buffer> buffer_kind(std::string_view name) { return from_name<Buffer>("buffer", name, buffers); }

Step Schedule::base_step(StepId id) const& {
  const auto i = id.index();
  const auto begin = i == 0 ? 0 : ends_[i - 1];
  const std::span locations{locations_};
  return {executors_[i], locations.subspan(begin, source_ends_[i] - begin), locations.subspan(source_ends_[i], ends_[i] - source_ends_[i]),
          routes_.empty() ? std::span<const RouteId>{} : std::span{routes_}.subspan(begin, ends_[i] - begin)};
}

std::span<const LinkId> Schedule::route(RouteId id) const& {
  return std::span{route_links_}.subspan(route_offsets_[id.index()], route_offsets_[id.index() + 1] - route_offsets_[id.index()]);
}

int Schedule::slots(Rank rank, Buffer buffer) const {
  if (buffer == Buffer::input || buffer == Buffer::output) return static_cast<int>(chunks_.size());
  return slots_[area(rank, buffer)];
}

RouteId Schedule::in_image(int image, RouteId route) const {
  if (image == 0 || route == default_route || image_routes_.empty()) return route;
  return image_routes_[static_cast<std::size_t>(image) * route_count() + route.index()];
}

Location Schedule::in_image(int image, const Location& location) const {
  if (image == 0) return location;
  const auto rank = in_image(image, location.rank);
  if (location.buffer == Buffer::input || location.buffer == Buffer::output) {
    const auto of_image = static_cast<std::uint32_t>(chunks_.size()) / static_cast<std::uint32_t>(folding_.images());
    return at(rank, location.buffer, std::int64_t{of_image} * image + location.slot);
  }
  return at(rank, location.buffer, std::int64_t{first_slots_[row(image) * 2 + area(location.rank, location.buffer)]} + location.slot);
}

Schedule Schedule::base() const {
  Schedule base;
  base.collective_ = collective_;
  base.ranks_ = ranks_;
  base.blocks_ = blocks_;
  base.chunks_.assign(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(base_chunk_count()));
  base.executors_ = executors_;
  base.source_ends_ = source_ends_;
  base.ends_ = ends_;
  base.locations_ = locations_;
  base.routes_ = routes_;
  base.route_offsets_ = route_offsets_;
  base.route_links_ = route_links_;
  base.slots_ = slots_;
  if (first_slots_.empty()) return base;
  base.count_slots();
  return base;
}

void Schedule::count_slots() {
  slots_.assign(static_cast<std::size_t>(ranks_) * 2, 0);
  for (const auto& l : locations_) {
    if (l.buffer != Buffer::scratch && l.buffer != Buffer::host) continue;
    auto& slots = slots_[area(l.rank, l.buffer)];
    slots = std::max(slots, static_cast<std::int32_t>(l.slot) + 1);
  }
}

std::size_t Schedule::memory() const {
  return sizeof(*this) + bytes_of(chunks_) + bytes_of(executors_) + bytes_of(source_ends_) + bytes_of(ends_) + bytes_of(locations_) +
         bytes_of(routes_) + bytes_of(route_offsets_) + bytes_of(route_links_) + bytes_of(slots_) + bytes_of(image_ranks_) + bytes_of(image_routes_) +
         bytes_of(first_slots_) + (blocks_ ? bytes_of(*blocks_) : 0);
}

Result<Schedule::Builder> Schedule::Builder::create(Collective collective, int ranks) {
  auto blocks = contract(collective, ranks);
  if (!blocks) return std::move(blocks).error();
  Builder builder;
  builder.schedule_.collective_ = std::move(collective);
  builder.schedule_.ranks_ = ranks;
  builder.schedule_.blocks_ = std::make_shared<const std::vector<Block>>(*std::move(blocks));
  return builder;
}

ChunkId Schedule::Builder::add_chunk(Chunk chunk) {
  schedule_.chunks_.push_back(chunk);
  return ChunkId{static_cast<std::int64_t>(schedule_.chunks_.size()) - 1};
}

RouteId Schedule::Builder::add_route(std::span<const LinkId> links) {
  schedule_.route_links_.insert(schedule_.route_links_.end(), links.begin(), links.end());
  schedule_.route_offsets_.push_back(static_cast<std::uint32_t>(schedule_.route_links_.size()));
  return RouteId{static_cast<std::int64_t>(schedule_.route_offsets_.size()) - 2};
}

StepId Schedule::Builder::add_step(Rank executor, std::span<const Location> sources, std::span<const Location> destinations,
                                   std::span<const RouteId> routes) {
  auto& s = schedule_;
  expects(routes.empty() || routes.size() == sources.size() + destinations.size());
  if (!routes.empty() && s.routes_.empty()) s.routes_.assign(s.locations_.size(), default_route);
  s.executors_.push_back(executor);
  s.locations_.insert(s.locations_.end(), sources.begin(), sources.end());
  s.source_ends_.push_back(static_cast<std::uint32_t>(s.locations_.size()));
  s.locations_.insert(s.locations_.end(), destinations.begin(), destinations.end());
  s.ends_.push_back(static_cast<std::uint32_t>(s.locations_.size()));
  if (!routes.empty()) s.routes_.insert(s.routes_.end(), routes.begin(), routes.end());
  if (!s.routes_.empty()) s.routes_.resize(s.locations_.size(), default_route);
  return StepId{static_cast<std::int64_t>(s.executors_.size()) - 1};
}

StepId Schedule::Builder::copy(Rank executor, Location from, Location to) { return add_step(executor, {&from, 1}, {&to, 1}); }

namespace {

Status check_chunks(const Schedule& s) {
  std::vector<bool> covered(s.blocks().size());
  for (std::size_t i = 0; i < s.chunks().size(); ++i) {
    const auto& chunk = s.chunks()[i];
    if (chunk.block < 0 || static_cast<std::size_t>(chunk.block) >= covered.size()) {
      return Error{ErrorCode::invalid_input,
                   fmt::format("chunk {} belongs to block {}, which does not exist (blocks: {})", i, chunk.block, covered.size())};
    }
    if (chunk.weight == 0 || chunk.channel < 0) return Error{ErrorCode::invalid_input, fmt::format("chunk {} has weight 0 or a negative channel", i)};
    covered[static_cast<std::size_t>(chunk.block)] = true;
  }
  for (std::size_t b = 0; b < covered.size(); ++b) {
    const auto& block = s.blocks()[b];
    if (!covered[b] && block.share > 0 && !block.contributors.empty()) {
      return Error{ErrorCode::invalid_input, fmt::format("block {} has data but no chunk", b)};
    }
  }
  return {};
}

Status check_step(const Schedule& s, std::size_t index) {
  const auto step = s.base_step(StepId{static_cast<std::int64_t>(index)});
  const auto known = [&](Rank r) { return r.value >= 0 && r.value < s.ranks(); };
  if (!known(step.executor)) return bad_step(index, fmt::format("executor {} is not a rank of this machine", step.executor.value));
  if (step.sources.empty() || step.destinations.empty()) return bad_step(index, "needs at least one source and one destination");
  if (step.sources.size() + step.destinations.size() > most_operands)
    return bad_step(index, fmt::format("names more than {} locations", most_operands));
  for (const auto locations : {step.sources, step.destinations}) {
    for (const auto& l : locations) {
      if (!known(l.rank)) return bad_step(index, fmt::format("names rank {}, which is not on this machine", l.rank.value));
      const bool chunked = l.buffer == Buffer::input || l.buffer == Buffer::output;
      if (chunked && l.slot >= s.base_chunk_count()) return bad_step(index, fmt::format("names chunk {} of {}", l.slot, s.base_chunk_count()));
      if (!chunked && l.slot >= most_slots) return bad_step(index, fmt::format("names slot {}, above the limit of {}", l.slot, most_slots));
    }
  }
  for (const auto route : step.routes) {
    if (route != default_route && (route.value < 0 || route.index() >= s.route_count()))
      return bad_step(index, fmt::format("names route {}, which does not exist", route.value));
  }
  return {};
}

Error bad_image(std::size_t image, const std::string& message) {
  return Error{ErrorCode::invalid_input, fmt::format("image {}: {}", image, message)};
}

Status check_image(const Schedule& s, const ScheduleImage& image, std::size_t index) {
  if (image.ranks.size() != static_cast<std::size_t>(s.ranks())) return bad_image(index, fmt::format("must give all {} ranks", s.ranks()));
  std::vector<bool> taken(image.ranks.size());
  for (std::size_t r = 0; r < image.ranks.size(); ++r) {
    const auto to = image.ranks[r];
    if (to.value < 0 || to.value >= s.ranks()) return bad_image(index, fmt::format("moves rank {} to {}, which is not on this machine", r, to.value));
    if (taken[to.index()]) return bad_image(index, fmt::format("moves two ranks to rank {}", to.value));
    taken[to.index()] = true;
    if (index == 0 && to.index() != r) return bad_image(index, fmt::format("is the base and may not move rank {}", r));
  }
  if (!image.routes.empty() && image.routes.size() != s.route_count())
    return bad_image(index, fmt::format("must give all {} routes, or none", s.route_count()));
  for (std::size_t k = 0; k < image.routes.size(); ++k) {
    const auto to = image.routes[k];
    if (to.value < 0 || to.index() >= s.route_count())
      return bad_image(index, fmt::format("moves route {} to {}, which does not exist", k, to.value));
    if (index == 0 && to.index() != k) return bad_image(index, fmt::format("is the base and may not move route {}", k));
  }
  return {};
}

}  // namespace

namespace {

// What proves and lowers a schedule keeps a place for each slot; so slots far beyond those that any step names would cost memory for nothing.
Status check_slots(const Schedule& s) {
  constexpr std::int64_t always = 1 << 26;
  constexpr std::int64_t for_each_step = 64;
  std::int64_t sum = 0;
  for (int r = 0; r < s.ranks(); ++r) sum += std::int64_t{s.slots(Rank{r}, Buffer::scratch)} + s.slots(Rank{r}, Buffer::host);
  const auto most = std::max(always, for_each_step * static_cast<std::int64_t>(s.step_count()));
  if (sum <= most) return {};
  return Error{ErrorCode::unsupported,
               fmt::format("the {} steps name slots that make {} in all; at most {} may be kept", s.step_count(), sum, most),
               std::nullopt,
               {"number the slots of each rank from 0 on"}};
}

}  // namespace

Status Schedule::Builder::fold_up() {
  auto& s = schedule_;
  const auto bad = [](std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; };
  const auto images = images_.size();
  if (images * static_cast<std::size_t>(s.ranks_) > most_image_entries || images * s.route_count() > most_image_entries)
    return bad(fmt::format("{} images of {} ranks and {} routes are too many", images, s.ranks_, s.route_count()));
  if (s.executors_.size() > most_folded_steps / images)
    return bad(fmt::format("{} steps in {} images are more than {}", s.executors_.size(), images, most_folded_steps));
  if (s.chunks_.size() % images != 0) return bad(fmt::format("{} chunks cannot be divided among {} images", s.chunks_.size(), images));
  for (std::size_t i = 0; i < images; ++i) {
    if (auto ok = check_image(s, images_[i], i); !ok) return ok;
  }
  s.folding_ = Folding(static_cast<int>(images));
  const bool moves_routes = std::ranges::any_of(images_, [](const auto& image) { return !image.routes.empty(); });
  s.image_ranks_.reserve(images * static_cast<std::size_t>(s.ranks_));
  for (auto& image : images_) {
    s.image_ranks_.insert(s.image_ranks_.end(), image.ranks.begin(), image.ranks.end());
    for (std::size_t k = 0; moves_routes && k < s.route_count(); ++k)
      s.image_routes_.push_back(image.routes.empty() ? RouteId{static_cast<std::int64_t>(k)} : image.routes[k]);
    image = {};
  }
  return {};
}

Status Schedule::Builder::place_slots() {
  auto& s = schedule_;
  if (!s.folding_.folded() || std::ranges::all_of(s.slots_, [](auto slots) { return slots == 0; })) return {};
  const auto of_base = std::exchange(s.slots_, std::vector<std::int32_t>(s.slots_.size()));
  s.first_slots_.reserve(of_base.size() * static_cast<std::size_t>(s.folding_.images()));
  for (int i = 0; i < s.folding_.images(); ++i) {
    for (int r = 0; r < s.ranks_; ++r) {
      for (const auto buffer : {Buffer::scratch, Buffer::host}) {
        auto& next = s.slots_[Schedule::area(s.in_image(i, Rank{r}), buffer)];
        s.first_slots_.push_back(static_cast<std::uint32_t>(next));
        next += of_base[Schedule::area(Rank{r}, buffer)];
        if (static_cast<std::uint32_t>(next) > most_slots)
          return bad_image(static_cast<std::size_t>(i), fmt::format("needs more than {} slots on one rank", most_slots));
      }
    }
  }
  return {};
}

Result<Schedule> Schedule::Builder::build() && {
  auto& s = schedule_;
  if (s.locations_.size() >= most_locations) return Error{ErrorCode::invalid_input, "the schedule names more than 2^32 locations"};
  if (auto ok = check_chunks(s); !ok) return std::move(ok).error();
  if (!images_.empty()) {
    if (auto ok = fold_up(); !ok) return std::move(ok).error();
  }
  for (std::size_t i = 0; i < s.base_step_count(); ++i) {
    if (auto ok = check_step(s, i); !ok) return std::move(ok).error();
  }
  s.count_slots();
  if (auto ok = place_slots(); !ok) return std::move(ok).error();
  if (auto ok = check_slots(s); !ok) return std::move(ok).error();
  return std::move(schedule_);
}

}  // namespace p2plab
