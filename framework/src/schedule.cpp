#include "p2plab/schedule.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "p2plab/named.h"

namespace p2plab {

namespace {

constexpr std::array buffers{Named{"input", Buffer::input}, Named{"output", Buffer::output}, Named{"scratch", Buffer::scratch},
                             Named{"host", Buffer::host}};

// Far above any real plan; keeps offsets within 32 bits and a hostile file from asking for all memory.
constexpr std::size_t most_locations = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t most_slots = 1U << 26;
constexpr std::size_t most_operands = 4096;

template <class T>
std::size_t bytes_of(const std::vector<T>& values) {
  return values.capacity() * sizeof(T);
}

Error bad_step(std::size_t step, const std::string& message) { return Error{ErrorCode::invalid_input, fmt::format("step {}: {}", step, message)}; }

}  // namespace

std::string_view to_string(Buffer buffer) { return to_name<Buffer>(buffer, buffers); }
Result<Buffer> buffer_kind(std::string_view name) { return from_name<Buffer>("buffer", name, buffers); }

Step Schedule::step(StepId id) const& {
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
  return slots_[rank.index() * 2 + (buffer == Buffer::host ? 1 : 0)];
}

std::size_t Schedule::memory() const {
  return sizeof(*this) + bytes_of(chunks_) + bytes_of(executors_) + bytes_of(source_ends_) + bytes_of(ends_) + bytes_of(locations_) +
         bytes_of(routes_) + bytes_of(route_offsets_) + bytes_of(route_links_) + bytes_of(slots_);
}

Result<Schedule::Builder> Schedule::Builder::create(Collective collective, int ranks) {
  auto blocks = contract(collective, ranks);
  if (!blocks) return std::move(blocks).error();
  Builder builder;
  builder.schedule_.collective_ = std::move(collective);
  builder.schedule_.ranks_ = ranks;
  builder.schedule_.blocks_ = *std::move(blocks);
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
                   fmt::format("chunk {} belongs to block {}, which is not there (blocks: {})", i, chunk.block, covered.size())};
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
  const auto step = s.step(StepId{static_cast<std::int64_t>(index)});
  const auto known = [&](Rank r) { return r.value >= 0 && r.value < s.ranks(); };
  if (!known(step.executor)) return bad_step(index, fmt::format("executor {} is not a rank of this machine", step.executor.value));
  if (step.sources.empty() || step.destinations.empty()) return bad_step(index, "needs at least one source and one destination");
  if (step.sources.size() + step.destinations.size() > most_operands)
    return bad_step(index, fmt::format("names more than {} locations", most_operands));
  for (const auto locations : {step.sources, step.destinations}) {
    for (const auto& l : locations) {
      if (!known(l.rank)) return bad_step(index, fmt::format("names rank {}, which is not on this machine", l.rank.value));
      const bool chunked = l.buffer == Buffer::input || l.buffer == Buffer::output;
      if (chunked && l.slot >= s.chunks().size()) return bad_step(index, fmt::format("names chunk {} of {}", l.slot, s.chunks().size()));
      if (!chunked && l.slot >= most_slots) return bad_step(index, fmt::format("names slot {}, above the limit of {}", l.slot, most_slots));
    }
  }
  for (const auto route : step.routes) {
    if (route != default_route && (route.value < 0 || route.index() >= s.route_count()))
      return bad_step(index, fmt::format("names route {}, which is not there", route.value));
  }
  return {};
}

}  // namespace

Result<Schedule> Schedule::Builder::build() && {
  auto& s = schedule_;
  if (s.locations_.size() >= most_locations) return Error{ErrorCode::invalid_input, "the schedule names more than 2^32 locations"};
  if (auto ok = check_chunks(s); !ok) return std::move(ok).error();
  s.slots_.assign(static_cast<std::size_t>(s.ranks_) * 2, 0);
  for (std::size_t i = 0; i < s.step_count(); ++i) {
    if (auto ok = check_step(s, i); !ok) return std::move(ok).error();
  }
  for (const auto& l : s.locations_) {
    if (l.buffer != Buffer::scratch && l.buffer != Buffer::host) continue;
    auto& slots = s.slots_[l.rank.index() * 2 + (l.buffer == Buffer::host ? 1 : 0)];
    slots = std::max(slots, static_cast<std::int32_t>(l.slot) + 1);
  }
  return std::move(schedule_);
}

}  // namespace p2plab
